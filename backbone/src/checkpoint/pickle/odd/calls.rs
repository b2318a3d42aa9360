//! Which calls of a pickle the reader refuses.

use super::machine::{MAX_ITEMS, Sort, Value};

/// Element types that the reader knows, as attributes of `torch`.
const KINDS: [&str; 20] = [
    "float32", "float", "float64", "double", "float16", "half", "bfloat16", "int64", "long", "int32", "int", "int16",
    "short", "int8", "uint8", "uint16", "uint32", "uint64", "bool", "strided",
];

pub(super) fn item(value: &Value, index: usize) -> Option<&Value> {
    match &value.sort {
        Sort::Items(items) => items.get(index),
        _ => None,
    }
}

pub(super) fn class_name(value: &Value) -> Option<&str> {
    match &value.sort {
        Sort::Class(name) => Some(name),
        _ => None,
    }
}

/// What makes a call's result something that the reader refuses, empty where an argument was it; none where it reads it.
pub(super) fn odd_call(callable: &Value, arguments: &Value) -> Option<String> {
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
