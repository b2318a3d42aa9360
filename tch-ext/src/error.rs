//! What can go wrong at the border with libtorch.

use std::path::PathBuf;

/// The error of every function in this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// libtorch threw an exception.
    #[error("libtorch could not {call}: {message}")]
    Libtorch {
        /// What was asked of libtorch, as a phrase that follows "could not".
        call: &'static str,
        /// The first line of the exception's text.
        message: String,
    },

    /// The program cannot be bound to these processors.
    #[error("it cannot run on the processors {processors:?} alone: {source}")]
    Processors {
        /// What was asked for.
        processors: Vec<usize>,
        /// The system's words.
        source: std::io::Error,
    },

    /// Two lists that belong together differ in length.
    #[error("{found} {list} were given for {expected} tensors")]
    Count {
        /// The list that does not fit.
        list: &'static str,
        /// The length of the list it belongs to.
        expected: usize,
        /// Its own length.
        found: usize,
    },

    /// A tensor in a list is undefined, as the gradient of an unused parameter is.
    #[error("number {index} of the {list} is an undefined tensor")]
    Undefined {
        /// The list.
        list: &'static str,
        /// The position in the list, from 0.
        index: usize,
    },

    /// Two tensors that belong together differ in shape.
    #[error("number {index} of the {list} has shape {found:?} where {expected:?} belongs")]
    Shape {
        /// The list that does not fit.
        list: &'static str,
        /// The position in the list, from 0.
        index: usize,
        /// The shape of the tensor it belongs to.
        expected: Vec<i64>,
        /// Its own shape.
        found: Vec<i64>,
    },

    /// Two tensors that belong together differ in element kind or device.
    #[error(
        "number {index} of the {list} is {found:?} on {found_device:?} where \
         {expected:?} on {expected_device:?} belongs"
    )]
    Placement {
        /// The list that does not fit.
        list: &'static str,
        /// The position in the list, from 0.
        index: usize,
        /// The kind of the tensor it belongs to.
        expected: tch::Kind,
        /// The device of the tensor it belongs to.
        expected_device: tch::Device,
        /// Its own kind.
        found: tch::Kind,
        /// Its own device.
        found_device: tch::Device,
    },

    /// A number is outside what the computation is defined for.
    #[error("{option} is {value}; it has to be {range}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// The value given.
        value: f64,
        /// What is allowed, in words.
        range: &'static str,
    },

    /// The device is neither the CPU nor a CUDA device.
    #[error("{device:?} is not supported; only the CPU and CUDA devices are")]
    Device {
        /// The device given.
        device: tch::Device,
    },

    /// Autocast knows bfloat16 and half alone.
    #[error("autocast to {kind:?} does not exist; BFloat16 and Half do")]
    Precision {
        /// The kind given.
        kind: tch::Kind,
    },

    /// A shared library is there and does not load.
    #[error("{} does not load: {reason}", path.display())]
    Library {
        /// The file.
        path: PathBuf,
        /// The loader's own words.
        reason: String,
    },

    /// A name does not fit where it is to stand.
    #[error("{what} is {name:?}; it has to be {rule}")]
    Name {
        /// What the name is for.
        what: &'static str,
        /// The name given.
        name: String,
        /// What is allowed, in words.
        rule: &'static str,
    },

    /// A file cannot be read or written.
    #[error("could not {call} {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was asked for, "read" or "write".
        call: &'static str,
        /// The system's own words.
        source: std::io::Error,
    },

    /// A file can be read, and libtorch does not find in it what it looks for.
    #[error("{} is not a readable {what}: {message}", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// libtorch's own words.
        message: String,
    },
}
