//! The errors of this crate.

use std::{io, path::PathBuf};

use crate::Element;

/// What fails: one sentence, with the facts in the fields.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be read or written.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
    /// A file that is not a model of its format, or one that is not supported.
    #[error("{} is not a usable {format} model: {reason}", path.display())]
    Malformed {
        /// The format.
        format: &'static str,
        /// The file.
        path: PathBuf,
        /// What was found, and where.
        reason: String,
    },
    /// A model larger than the format allows.
    #[error("the model has {bytes} bytes: an ONNX file must be smaller than 2 GiB")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// An operation of a network that cannot be translated.
    #[error("exported files cannot hold the operator `{operator}`")]
    Operator {
        /// Its name in TorchScript.
        operator: String,
    },
    /// An operation that a format has not.
    #[error("{format} files cannot hold {what}, in {place}")]
    Unsupported {
        /// The format.
        format: &'static str,
        /// The operation.
        what: String,
        /// The layer.
        place: String,
    },
    /// An argument that the translation of its operation does not support.
    #[error("argument {index} of `{operator}` is {found}: expected {expected}")]
    Argument {
        /// The operator's name in TorchScript.
        operator: String,
        /// The argument's position, from 0.
        index: usize,
        /// What is supported.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// A tensor of an unsupported kind.
    #[error("`{name}` is a tensor of {found:?}: expected Float, Int64, Uint8 or Bool")]
    Kind {
        /// Its name.
        name: String,
        /// Its kind.
        found: tch::Kind,
    },
    /// A name that is used twice.
    #[error("two values are called `{name}`")]
    Name {
        /// The name.
        name: String,
    },
    /// A value that is not valid where it is used.
    #[error("{what} is {found}: expected {expected}")]
    Value {
        /// Which value.
        what: String,
        /// What it has to be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// An array whose shape does not fit the number of its elements.
    #[error("an array of shape {shape:?} has {found} elements")]
    Volume {
        /// The shape.
        shape: Vec<usize>,
        /// The number of elements.
        found: usize,
    },
    /// An input that the file does not accept.
    #[error("{place} is {found}: the file expects {expected}")]
    Input {
        /// Which input.
        place: String,
        /// What the file expects.
        expected: String,
        /// What was given.
        found: String,
    },
    /// An output of an element kind that [`Array`](crate::Array) does not hold.
    #[error("the output `{name}` holds {found}: expected float, uint8, int8, int32, int64 or bool")]
    Output {
        /// Its name.
        name: String,
        /// The runtime's name for the kind.
        found: String,
    },
    /// There is no usable library of a runtime.
    #[error("{runtime} cannot be used: {reason}")]
    Library {
        /// The runtime.
        runtime: &'static str,
        /// Which file or variable is wrong, and why.
        reason: String,
    },
    /// The telemetry of ONNX Runtime is on.
    #[error("ONNX Runtime is not used: it sends usage data unless {variable}=1 is in the environment")]
    Telemetry {
        /// The environment variable that turns it off.
        variable: &'static str,
    },
    /// The runtime failed.
    #[error("cannot run {}: {reason}", path.display())]
    Run {
        /// The file.
        path: PathBuf,
        /// The runtime's reason.
        reason: String,
    },
    /// libtorch does not take a module.
    #[error("cannot write a TorchScript module: {reason}")]
    Module {
        /// Its reason.
        reason: String,
    },
    /// libtorch failed.
    #[error("libtorch failed while {action}: {cause}")]
    Torch {
        /// What it was doing.
        action: String,
        /// Its reason.
        cause: tch::TchError,
    },
}

impl Error {
    pub(crate) fn value(what: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Value { what: what.into(), expected: expected.into(), found: found.into() }
    }
}

/// An element kind and a shape in words: "float [N, 3, 224, 224]".
pub(crate) fn described(element: Element, shape: &[impl ToString]) -> String {
    let sides: Vec<_> = shape.iter().map(ToString::to_string).collect();
    format!("{} [{}]", element.name(), sides.join(", "))
}
