//! Everything that can go wrong in this crate.

use std::{io, path::PathBuf};

use crate::onnx::Element;

/// An error of this crate: one sentence, with the facts in its fields.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that the system does not let us use.
    #[error("cannot {action} `{}`: {cause}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's word.
        cause: io::Error,
    },
    /// A file that is no ONNX model, or none that can be used here.
    #[error("`{}` is no usable ONNX model: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was found, and where.
        reason: String,
    },
    /// A model larger than the format allows.
    #[error("the model would have {bytes} bytes: an ONNX file holds less than 2 GiB")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// An operation of a network that is not translated.
    #[error("the operator `{operator}` has no translation to ONNX here")]
    Operator {
        /// TorchScript's name of it.
        operator: String,
    },
    /// An operation that is translated, but not with this argument.
    #[error("argument {index} of `{operator}` is {found}: expected {expected}")]
    Argument {
        /// TorchScript's name of the operator.
        operator: String,
        /// The argument's position in its schema, from 0.
        index: usize,
        /// What can be translated.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// A tensor of a kind that is not written.
    #[error("`{name}` is a tensor of {found:?}: expected Float, Int64, Uint8 or Bool")]
    Kind {
        /// Its name.
        name: String,
        /// Its kind.
        found: tch::Kind,
    },
    /// A name that is taken already.
    #[error("two values are called `{name}`")]
    Name {
        /// The name.
        name: String,
    },
    /// A value that does not fit where it is used.
    #[error("{what} is {found}: expected {expected}")]
    Value {
        /// Which value.
        what: String,
        /// What it has to be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// As many numbers as a shape says were not given.
    #[error("an array of shape {shape:?} has {found} numbers")]
    Volume {
        /// The shape.
        shape: Vec<usize>,
        /// How many numbers there are.
        found: usize,
    },
    /// Arrays that are not what a file takes.
    #[error("{place} is {found}: the file takes {expected}")]
    Input {
        /// Which input.
        place: String,
        /// What the file says.
        expected: String,
        /// What was given.
        found: String,
    },
    /// An output of an element kind that [`Array`](crate::onnx::Array) does not hold.
    #[error("the output `{name}` holds {found}: expected float, int64, uint8 or bool")]
    Output {
        /// Its name.
        name: String,
        /// The runtime's name of the kind.
        found: String,
    },
    /// The runtime failed.
    #[error("`{}` cannot be run: {reason}", path.display())]
    Run {
        /// The file.
        path: PathBuf,
        /// The runtime's words.
        reason: String,
    },
    /// libtorch failed.
    #[error("libtorch failed while {action}: {cause}")]
    Torch {
        /// What it was asked to do.
        action: String,
        /// Its own words.
        cause: tch::TchError,
    },
}

impl Error {
    pub(crate) fn value(what: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Value { what: what.into(), expected: expected.into(), found: found.into() }
    }
}

/// What is said of a shape and its elements: "float [N, 3, 224, 224]".
pub(crate) fn described(element: Element, shape: &[impl ToString]) -> String {
    let sides: Vec<_> = shape.iter().map(ToString::to_string).collect();
    format!("{} [{}]", element.name(), sides.join(", "))
}
