//! What is on the stack while a pickle is read: enough to see which instructions make odd values.

use std::{
    collections::{BTreeSet, HashMap},
    rc::Rc,
};

use super::{
    Edit,
    calls::{class_name, item, odd_call},
};

/// Values on the stack or remembered at a time; a training checkpoint has some thousands.
const MAX_VALUES: usize = 1 << 20;
/// Longer and deeper tuples are arguments of no call that is looked at.
pub(super) const MAX_ITEMS: usize = 16;
const MAX_DEPTH: u8 = 8;

/// Classes of storages that the reader knows.
const STORAGES: [&str; 11] = [
    "FloatStorage",
    "DoubleStorage",
    "HalfStorage",
    "BFloat16Storage",
    "LongStorage",
    "IntStorage",
    "ShortStorage",
    "CharStorage",
    "ByteStorage",
    "BoolStorage",
    "UntypedStorage",
];
/// The tables that make an object a module, whose state the reader reads.
const TABLES: [&str; 3] = ["_parameters", "_buffers", "_modules"];

const POP_PUSH_NONE: &[u8] = b"0N";
const POP_POP_PUSH_NONE: &[u8] = b"00N";
const POP_POP_POP_PUSH_NONE: &[u8] = b"000N";
/// In place of a key that is not text: the name that a tensor below it would have.
const POP_PUSH_KEY: &[u8] = b"0X\x0E\0\0\0a key not text";

#[derive(Clone, PartialEq)]
pub(super) enum Sort {
    Mark,
    Text(Rc<str>),
    Number,
    Class(Rc<str>),
    Items(Rc<Vec<Value>>),
    /// A dictionary with these of a module's tables.
    Dictionary([bool; 3]),
    /// What was replaced by `None`.
    Odd,
    Other,
}

#[derive(Clone, PartialEq)]
pub(super) struct Value {
    pub(super) sort: Sort,
    /// Whether tensors or storages are in it.
    pub(super) holds: bool,
    depth: u8,
    /// Where in the stream it is complete.
    end: usize,
}

#[derive(Default)]
pub(super) struct Machine<'a> {
    pickle: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    memo: HashMap<u32, Value>,
    edits: Vec<Edit>,
    odd: BTreeSet<String>,
}

impl<'a> Machine<'a> {
    /// Follows a stream to its end: the changes that take out odd values, and what these are. None where it cannot be followed.
    pub(super) fn follow(pickle: &'a [u8]) -> Option<(Vec<Edit>, BTreeSet<String>)> {
        let mut machine = Machine { pickle, ..Machine::default() };
        while machine.step()? {}
        Some((machine.edits, machine.odd))
    }

    /// Follows one instruction; false at the end, none where it cannot be followed.
    fn step(&mut self) -> Option<bool> {
        let start = self.at;
        let code = *self.take(1)?.first()?;
        if self.stack.len() > MAX_VALUES || self.memo.len() > MAX_VALUES {
            return None;
        }
        match code {
            b'.' => return Some(false),
            0x80 => drop(self.take(1)?),
            // Lengths of frames would have to be counted again, and readers need none.
            0x95 => {
                self.take(8)?;
                self.edits.push(Edit { at: start, removed: 9, inserted: b"" });
            }
            b'(' => self.push(Sort::Mark, false),
            b'N' | 0x88 | 0x89 | 0x8F => self.push(Sort::Other, false),
            b'}' => self.push(Sort::Dictionary([false; 3]), false),
            b')' | b']' => self.push(Sort::Items(Rc::default()), false),
            b'K' => self.number(1)?,
            b'M' => self.number(2)?,
            b'J' => self.number(4)?,
            b'G' => self.skipped(8, Sort::Other)?,
            b'I' | b'L' => {
                self.line()?;
                self.push(Sort::Number, false);
            }
            b'F' => {
                self.line()?;
                self.push(Sort::Other, false);
            }
            b'V' => {
                let text = self.line()?;
                self.push(Sort::Text(text.into()), false);
            }
            0x8A => {
                let length = self.length(1)?;
                self.skipped(length, Sort::Number)?;
            }
            0x8B => {
                let length = self.length(4)?;
                self.skipped(length, Sort::Number)?;
            }
            b'U' | 0x8C => self.text(1)?,
            b'T' | b'X' => self.text(4)?,
            0x8D => self.text(8)?,
            b'C' | b'B' | 0x8E | 0x96 => {
                let length = self.length(match code {
                    b'C' => 1,
                    b'B' => 4,
                    _ => 8,
                })?;
                self.skipped(length, Sort::Other)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Sort::Class(format!("{module}.{name}").into()), false);
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Sort::Text(module), Sort::Text(name)) = (module.sort, name.sort) else { return None };
                self.push(Sort::Class(format!("{module}.{name}").into()), false);
            }
            b'q' => self.remember(1)?,
            b'r' => self.remember(4)?,
            b'p' => {
                let key = self.line()?.parse().ok()?;
                self.keep(key)?;
            }
            0x94 => {
                let key = u32::try_from(self.memo.len()).ok()?;
                self.keep(key)?;
            }
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            b'g' => {
                let key: u32 = self.line()?.parse().ok()?;
                self.recalled(key)?;
            }
            b'0' => drop(self.pop()?),
            b'1' => drop(self.after_mark()?),
            b'2' => {
                let top = self.stack.last()?.clone();
                self.push(top.sort, top.holds);
            }
            b't' | b'l' => {
                let items = self.after_mark()?;
                self.items(items);
            }
            0x85..=0x87 => {
                let first = self.stack.len().checked_sub(usize::from(code - 0x84))?;
                let items = self.stack.split_off(first);
                self.items(items);
            }
            0x91 => {
                let items = self.after_mark()?;
                self.push(Sort::Other, items.iter().any(|item| item.holds));
            }
            b'd' => {
                let items = self.after_mark()?;
                self.push(Sort::Dictionary([false; 3]), false);
                self.set(items)?;
            }
            b's' => {
                let first = self.stack.len().checked_sub(2)?;
                let items = self.stack.split_off(first);
                self.set(items)?;
            }
            b'u' => {
                let items = self.after_mark()?;
                self.set(items)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.after_mark()?;
                self.append(items)?;
            }
            b'Q' => {
                let id = self.pop()?;
                self.storage(&id, start);
            }
            b'R' => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.call(&callable, &arguments, start);
            }
            0x81 => {
                let (arguments, class) = (self.pop()?, self.pop()?);
                self.made(&class, arguments.holds, start, POP_POP_PUSH_NONE);
            }
            0x92 => {
                let (named, arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.made(&class, named.holds || arguments.holds, start, POP_POP_POP_PUSH_NONE);
            }
            b'b' => {
                let state = self.pop()?;
                self.build(state, start)?;
            }
            _ => return None,
        }
        Some(true)
    }

    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.pickle.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn line(&mut self) -> Option<String> {
        let length = self.pickle.get(self.at..)?.iter().position(|&byte| byte == b'\n')?;
        let line = String::from_utf8_lossy(self.take(length)?).trim_end_matches('\r').to_owned();
        self.take(1)?;
        Some(line)
    }

    fn length(&mut self, bytes: usize) -> Option<usize> {
        let number = self.take(bytes)?.iter().rev().fold(0u64, |number, &byte| number << 8 | u64::from(byte));
        usize::try_from(number).ok()
    }

    fn number(&mut self, bytes: usize) -> Option<()> {
        self.skipped(bytes, Sort::Number)
    }

    fn skipped(&mut self, bytes: usize, sort: Sort) -> Option<()> {
        self.take(bytes)?;
        self.push(sort, false);
        Some(())
    }

    fn text(&mut self, bytes_of_length: usize) -> Option<()> {
        let length = self.length(bytes_of_length)?;
        let text = String::from_utf8_lossy(self.take(length)?).into();
        self.push(Sort::Text(text), false);
        Some(())
    }

    fn push(&mut self, sort: Sort, holds: bool) {
        let depth = match &sort {
            Sort::Items(items) => items.iter().map(|item| item.depth).max().unwrap_or(0) + 1,
            _ => 0,
        };
        self.stack.push(Value { sort, holds, depth, end: self.at });
    }

    fn pop(&mut self) -> Option<Value> {
        self.stack.pop().filter(|value| value.sort != Sort::Mark)
    }

    fn after_mark(&mut self) -> Option<Vec<Value>> {
        let mark = self.stack.iter().rposition(|value| value.sort == Sort::Mark)?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Some(items)
    }

    fn items(&mut self, items: Vec<Value>) {
        let holds = items.iter().any(|item| item.holds);
        let few = items.len() <= MAX_ITEMS && items.iter().all(|item| item.depth < MAX_DEPTH);
        self.push(if few { Sort::Items(Rc::new(items)) } else { Sort::Other }, holds);
    }

    fn remember(&mut self, bytes: usize) -> Option<()> {
        let key = u32::try_from(self.length(bytes)?).ok()?;
        self.keep(key)
    }

    fn keep(&mut self, key: u32) -> Option<()> {
        let end = self.at;
        let top = self.stack.last_mut()?;
        top.end = end;
        self.memo.insert(key, top.clone());
        Some(())
    }

    fn recall(&mut self, bytes: usize) -> Option<()> {
        let key = u32::try_from(self.length(bytes)?).ok()?;
        self.recalled(key)
    }

    fn recalled(&mut self, key: u32) -> Option<()> {
        let value = self.memo.get(&key)?.clone();
        self.push(value.sort, value.holds);
        Some(())
    }

    fn set(&mut self, items: Vec<Value>) -> Option<()> {
        let (pairs, []) = items.as_chunks::<2>() else { return None };
        for [key, _] in pairs.iter().filter(|[key, _]| !matches!(key.sort, Sort::Text(_) | Sort::Number)) {
            self.edits.push(Edit { at: key.end, removed: 0, inserted: POP_PUSH_KEY });
            self.odd.insert("a key that is not text".to_owned());
        }
        let top = self.stack.last_mut()?;
        for [key, value] in pairs {
            top.holds |= value.holds;
            if let (Sort::Dictionary(tables), Sort::Text(key), Sort::Dictionary(_)) =
                (&mut top.sort, &key.sort, &value.sort)
                && let Some(table) = TABLES.iter().position(|table| **table == **key)
            {
                tables[table] = true;
            }
        }
        Some(())
    }

    fn append(&mut self, items: Vec<Value>) -> Option<()> {
        let top = self.stack.last_mut()?;
        top.holds |= items.iter().any(|item| item.holds);
        top.sort = Sort::Other;
        Some(())
    }

    /// Replaces what the instruction makes; `what` is empty where the reason is said already.
    fn replace(&mut self, at: usize, inserted: &'static [u8], what: &str) {
        self.edits.push(Edit { at, removed: 1, inserted });
        if !what.is_empty() {
            self.odd.insert(what.to_owned());
        }
        self.push(Sort::Odd, false);
    }

    /// The storage with the persistent id `('storage', class, key, location, elements)`.
    fn storage(&mut self, id: &Value, at: usize) {
        let class = item(id, 1).and_then(class_name);
        match class.filter(|class| !STORAGES.iter().any(|known| class.strip_prefix("torch.") == Some(known))) {
            // Newer versions of PyTorch keep these two in other modules.
            Some(class) if !STORAGES.iter().any(|known| class.ends_with(&format!(".{known}"))) => {
                self.replace(at, POP_PUSH_NONE, class);
            }
            _ => self.push(Sort::Other, true),
        }
    }

    fn call(&mut self, callable: &Value, arguments: &Value, at: usize) {
        match odd_call(callable, arguments) {
            Some(what) => self.replace(at, POP_POP_PUSH_NONE, &what),
            None => {
                let dictionary = class_name(callable) == Some("collections.OrderedDict");
                self.push(if dictionary { Sort::Dictionary([false; 3]) } else { Sort::Other }, arguments.holds);
            }
        }
    }

    fn made(&mut self, class: &Value, holds: bool, at: usize, inserted: &'static [u8]) {
        match holds {
            true => self.replace(at, inserted, class_name(class).unwrap_or("an object")),
            false => self.push(Sort::Class(class_name(class).unwrap_or("an object").into()), false),
        }
    }

    /// Gives an object its attributes: a module's are read, others with tensors in them are not.
    fn build(&mut self, state: Value, at: usize) -> Option<()> {
        let top = self.stack.last_mut()?;
        match state.sort {
            Sort::Dictionary([true, true, true]) => {
                top.sort = Sort::Dictionary([false; 3]);
                top.holds |= state.holds;
            }
            _ if state.holds => {
                let what = class_name(top).unwrap_or("an object").to_owned();
                self.edits.push(Edit { at, removed: 1, inserted: b"0" });
                self.odd.insert(what);
            }
            _ => {}
        }
        Some(())
    }
}
