//! A program while it is built: its inputs, operations and outputs.

use std::collections::{BTreeMap, HashSet};

use super::proto::{
    Argument as Bindings, Binding, Blob, Block, FeatureDescription, Function, NamedType, Operation, Program,
    Value as Constant,
};
use super::value::{self, Kind, fixed_type, tensor_type};
use super::weights::Weights;
use crate::graph::Side;

/// Constants of fewer numbers are in the program itself, as in the files of Apple's own converter.
const FEWEST_IN_WEIGHTS: usize = 10;

/// The oldest system that runs a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum System {
    /// iOS 15 and macOS 12.
    Ios15,
    /// iOS 17 and macOS 14.
    Ios17,
}

impl System {
    /// The version of the format.
    pub(super) fn specification(self) -> i32 {
        match self {
            Self::Ios15 => 6,
            Self::Ios17 => 8,
        }
    }

    /// The set of operators.
    pub(super) fn operators(self) -> &'static str {
        match self {
            Self::Ios15 => "CoreML5",
            Self::Ios17 => "CoreML7",
        }
    }
}

/// A tensor in the program that is built; it belongs to the builder that made it.
#[derive(Debug, Clone)]
pub struct Value {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) sides: Vec<Side>,
}

/// What an operation is given.
#[derive(Clone, Copy)]
pub(super) enum Argument<'a> {
    Of(&'a Value),
    All(&'a [&'a Value]),
    Int(i64),
    Byte(i8),
    Ints(&'a [i64]),
    Unsigned(u32),
    Flag(bool),
    Flags(&'a [bool]),
    Number(f64, Kind),
    Text(&'a str),
}

/// A program while it is built.
#[derive(Debug)]
pub struct Builder {
    pub(super) system: System,
    pub(super) scope: String,
    pub(super) weights: Weights,
    pub(super) inputs: Vec<FeatureDescription>,
    pub(super) outputs: Vec<FeatureDescription>,
    pub(super) given: Vec<NamedType>,
    pub(super) results: Vec<String>,
    pub(super) operations: Vec<Operation>,
    names: HashSet<String>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            system: System::Ios15,
            scope: String::new(),
            weights: Weights::default(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            given: Vec::new(),
            results: Vec::new(),
            operations: Vec::new(),
            names: HashSet::new(),
        }
    }
}

impl Builder {
    /// The same numbers of another kind.
    pub(super) fn cast(&mut self, xs: &Value, kind: Kind) -> Value {
        match xs.kind == kind {
            true => xs.clone(),
            false => {
                let arguments = [("x", Argument::Of(xs)), ("dtype", Argument::Text(kind.name()))];
                self.operation("cast", &arguments, kind, &xs.sides)
            }
        }
    }

    /// Adds an operation with one output.
    pub(super) fn operation(
        &mut self,
        operator: &str,
        arguments: &[(&str, Argument<'_>)],
        kind: Kind,
        sides: &[Side],
    ) -> Value {
        let name = self.scoped(operator);
        let inputs = arguments.iter().map(|&(argument, given)| self.bound(&name, argument, given)).collect();
        let output = Value { name: name.clone(), kind, sides: sides.to_vec() };
        self.operations.push(Operation {
            r#type: operator.to_owned(),
            inputs,
            outputs: vec![NamedType { name: name.clone(), r#type: Some(tensor_type(kind, sides)) }],
            attributes: [("name".to_owned(), value::text(&name))].into(),
        });
        output
    }

    fn bound(&mut self, operation: &str, argument: &str, given: Argument<'_>) -> (String, Bindings) {
        let constant = match given {
            Argument::Of(value) => return named(argument, &[&value.name]),
            Argument::All(values) => {
                return named(argument, &values.iter().map(|value| value.name.as_str()).collect::<Vec<_>>());
            }
            Argument::Int(number) => value::numbers(Kind::I32, &[], &(number as i32).to_le_bytes()),
            Argument::Byte(number) => value::numbers(Kind::I8, &[], &number.to_le_bytes()),
            Argument::Unsigned(number) => value::numbers(Kind::U32, &[], &number.to_le_bytes()),
            Argument::Ints(numbers) => {
                let bytes: Vec<u8> = numbers.iter().flat_map(|&number| (number as i32).to_le_bytes()).collect();
                value::numbers(Kind::I32, &[numbers.len() as i64], &bytes)
            }
            Argument::Flag(flag) => value::flags(&[], &[flag]),
            Argument::Flags(flags) => value::flags(&[flags.len() as i64], flags),
            Argument::Number(number, kind) => value::numbers(kind, &[], &bytes_of(number, kind)),
            Argument::Text(text) => value::text(text),
        };
        let name = self.unique(&format!("{operation}_{argument}"));
        self.constant_operation(&name, constant);
        named(argument, &[&name])
    }

    fn constant_operation(&mut self, name: &str, constant: Constant) {
        self.operations.push(Operation {
            r#type: "const".to_owned(),
            inputs: BTreeMap::new(),
            outputs: vec![NamedType { name: name.to_owned(), r#type: constant.r#type.clone() }],
            attributes: [("name".to_owned(), value::text(name)), ("val".to_owned(), constant)].into(),
        });
    }

    /// Adds a constant: numbers, little-endian.
    pub(super) fn constant(&mut self, role: &str, kind: Kind, shape: &[i64], bytes: &[u8]) -> Value {
        let name = self.scoped(role);
        let constant = self.stored(kind, shape, bytes);
        self.constant_operation(&name, constant);
        Value { name, kind, sides: shape.iter().map(|&length| Side::fixed(length)).collect() }
    }

    /// Numbers in the program or, where they are many, in the file of weights.
    pub(super) fn stored(&mut self, kind: Kind, shape: &[i64], bytes: &[u8]) -> Constant {
        if bytes.len() / kind.bytes() < FEWEST_IN_WEIGHTS {
            return value::numbers(kind, shape, bytes);
        }
        let offset = self.weights.add(kind, bytes);
        let blob = Blob { file: WEIGHTS.to_owned(), offset };
        Constant { r#type: Some(fixed_type(kind, shape)), immediate: None, blob: Some(blob) }
    }

    /// Adds a weight that is computed when the program is loaded.
    pub(super) fn computed_weight(
        &mut self,
        role: &str,
        operator: &str,
        (kind, shape): (Kind, &[i64]),
        attributes: Vec<(&str, Constant)>,
    ) -> Value {
        let name = self.scoped(role);
        let attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), value));
        self.operations.push(Operation {
            r#type: operator.to_owned(),
            inputs: BTreeMap::new(),
            outputs: vec![NamedType { name: name.clone(), r#type: Some(fixed_type(kind, shape)) }],
            attributes: attributes.chain([("name".to_owned(), value::text(&name))]).collect(),
        });
        Value { name, kind, sides: shape.iter().map(|&length| Side::fixed(length)).collect() }
    }

    /// The program.
    pub(super) fn program(&mut self) -> Program {
        let block =
            Block { outputs: std::mem::take(&mut self.results), operations: std::mem::take(&mut self.operations) };
        let operators = self.system.operators().to_owned();
        let function = Function {
            inputs: std::mem::take(&mut self.given),
            opset: operators.clone(),
            blocks: [(operators, block)].into(),
        };
        Program { version: 1, functions: [(MAIN.to_owned(), function)].into() }
    }

    fn scoped(&mut self, name: &str) -> String {
        let wanted = if self.scope.is_empty() { name.to_owned() } else { format!("{}_{name}", self.scope) };
        self.unique(&wanted)
    }

    /// A name that is not taken, of letters, digits and underscores.
    pub(super) fn unique(&mut self, wanted: &str) -> String {
        let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
        let mut wanted: String = wanted.chars().map(letter).collect();
        if !wanted.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_') {
            wanted.insert(0, '_');
        }
        let numbered = (1..).map(|number| format!("{wanted}_{number}"));
        let mut names = std::iter::once(wanted.clone()).chain(numbered);
        names.find(|name| self.names.insert(name.clone())).expect("there is always another number")
    }
}

/// The name of the only function.
pub(super) const MAIN: &str = "main";
/// Where a program finds its weights.
pub(super) const WEIGHTS: &str = "@model_path/weights/weight.bin";
/// The names of a classifier's outputs.
pub(super) const LABEL: &str = "classLabel";
pub(super) const PROBABILITIES: &str = "classLabel_probs";

pub(super) fn named(argument: &str, names: &[&str]) -> (String, Bindings) {
    let binding = |name: &&str| Binding { name: Some((*name).to_owned()), value: None };
    (argument.to_owned(), Bindings { bindings: names.iter().map(binding).collect() })
}

/// A number, little-endian.
fn bytes_of(number: f64, kind: Kind) -> Vec<u8> {
    match kind {
        Kind::F16 => half::f16::from_f64(number).to_le_bytes().to_vec(),
        _ => (number as f32).to_le_bytes().to_vec(),
    }
}
