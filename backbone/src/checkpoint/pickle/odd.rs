//! Passing over values that [`pytorch_reader`] refuses: tensors that are sparse, quantised, complex or of eight-bit floats, objects
//! with tensors in them, keys that are not text.
//!
//! The reader refuses a file for one of them, also where sound weights stand beside it. What it refuses is replaced by `None` in the
//! stream of the archive, by following what is on the stack; the reader then reads the archive as any other.

use std::{
    collections::{BTreeSet, HashMap},
    io::{Cursor, Read, Write},
    rc::Rc,
};

use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

/// The reader's own limit.
const MAX_PICKLE_BYTES: u64 = 100 * 1024 * 1024;
/// Values on the stack or remembered at a time; a training checkpoint has some thousands.
const MAX_VALUES: usize = 1 << 20;
/// Longer and deeper tuples are arguments of no call that is looked at.
const MAX_ITEMS: usize = 16;
const MAX_DEPTH: u8 = 8;

/// Element types that the reader knows, as storages and as attributes of `torch`.
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
const KINDS: [&str; 20] = [
    "float32", "float", "float64", "double", "float16", "half", "bfloat16", "int64", "long", "int32", "int", "int16",
    "short", "int8", "uint8", "uint16", "uint32", "uint64", "bool", "strided",
];
/// The tables that make an object a module, whose state the reader reads.
const TABLES: [&str; 3] = ["_parameters", "_buffers", "_modules"];

/// An archive of `torch.save` without the values that the reader refuses, and what these are; none where it has no such values, or
/// is not such an archive.
pub(super) fn without_odd_values(archive: &[u8]) -> Option<(Vec<u8>, BTreeSet<String>)> {
    let mut read = ZipArchive::new(Cursor::new(archive)).ok()?;
    let entries: Vec<String> =
        (0..read.len()).map(|at| Some(read.by_index_raw(at).ok()?.name().ok()?.into_owned())).collect::<Option<_>>()?;
    let at = entries.iter().position(|name| name == "data.pkl" || name.ends_with("/data.pkl"))?;
    let mut pickle = Vec::new();
    read.by_index(at).ok()?.take(MAX_PICKLE_BYTES).read_to_end(&mut pickle).ok()?;
    let (pickle, odd) = rewritten(&pickle)?;
    let mut written = ZipWriter::new(Cursor::new(Vec::with_capacity(archive.len())));
    for (index, name) in entries.iter().enumerate() {
        if index == at {
            let plain = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
            written.start_file(name.as_str(), plain).ok()?;
            written.write_all(&pickle).ok()?;
        } else {
            written.raw_copy_file(read.by_index_raw(index).ok()?).ok()?;
        }
    }
    Some((written.finish().ok()?.into_inner(), odd))
}

/// The stream without odd values, and what they are; none where nothing is odd or the stream cannot be followed.
fn rewritten(pickle: &[u8]) -> Option<(Vec<u8>, BTreeSet<String>)> {
    let mut machine = Machine { pickle, ..Machine::default() };
    while machine.step()? {}
    let Machine { mut edits, odd, .. } = machine;
    if odd.is_empty() {
        return None;
    }
    // A key can be looked at before a value inside it that was read earlier.
    edits.sort_by_key(|edit| edit.at);
    let mut out = Vec::with_capacity(pickle.len());
    let mut done = 0;
    for Edit { at, removed, inserted } in edits {
        out.extend_from_slice(pickle.get(done..at)?);
        out.extend_from_slice(inserted);
        done = at + removed;
    }
    out.extend_from_slice(pickle.get(done..)?);
    Some((out, odd))
}

struct Edit {
    at: usize,
    removed: usize,
    inserted: &'static [u8],
}

const POP_PUSH_NONE: &[u8] = b"0N";
const POP_POP_PUSH_NONE: &[u8] = b"00N";
const POP_POP_POP_PUSH_NONE: &[u8] = b"000N";
/// In place of a key that is not text: the name that a tensor below it would have.
const POP_PUSH_KEY: &[u8] = b"0X\x0E\0\0\0a key not text";

#[derive(Clone, PartialEq)]
enum Sort {
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
struct Value {
    sort: Sort,
    /// Whether tensors or storages are in it.
    holds: bool,
    depth: u8,
    /// Where in the stream it is complete.
    end: usize,
}

#[derive(Default)]
struct Machine<'a> {
    pickle: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    memo: HashMap<u32, Value>,
    edits: Vec<Edit>,
    odd: BTreeSet<String>,
}

impl Machine<'_> {
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

fn item(value: &Value, index: usize) -> Option<&Value> {
    match &value.sort {
        Sort::Items(items) => items.get(index),
        _ => None,
    }
}

fn class_name(value: &Value) -> Option<&str> {
    match &value.sort {
        Sort::Class(name) => Some(name),
        _ => None,
    }
}

/// What makes a call's result something that the reader refuses, empty where an argument was it; none where it reads it.
fn odd_call(callable: &Value, arguments: &Value) -> Option<String> {
    let Some(name) = class_name(callable) else { return arguments.holds.then(|| "an object".to_owned()) };
    let first_is_odd = item(arguments, 0).is_some_and(|first| first.sort == Sort::Odd);
    match name {
        "collections.OrderedDict"
        | "builtins.set"
        | "builtins.frozenset"
        | "__builtin__.set"
        | "__builtin__.frozenset" => None,
        "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2" => first_is_odd.then(String::new),
        "torch._utils._rebuild_tensor_v3" => {
            let kind = item(arguments, 6).and_then(class_name);
            let odd = kind.filter(|kind| !KINDS.iter().any(|known| kind.strip_prefix("torch.") == Some(known)));
            odd.map(str::to_owned).or_else(|| first_is_odd.then(String::new))
        }
        "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state" => {
            let state = (1..MAX_ITEMS).filter_map(|index| item(arguments, index)).any(|item| item.holds);
            match state {
                true => Some("a parameter with tensors as its state".to_owned()),
                false => first_is_odd.then(String::new),
            }
        }
        "torch._tensor._rebuild_from_type_v2" => {
            let inner = item(arguments, 0).zip(item(arguments, 2));
            let state = item(arguments, 3).is_some_and(|state| state.holds);
            inner
                .and_then(|(function, arguments)| odd_call(function, arguments))
                .or_else(|| state.then(|| "a tensor with tensors as its state".to_owned()))
        }
        _ => arguments.holds.then(|| name.to_owned()),
    }
}
