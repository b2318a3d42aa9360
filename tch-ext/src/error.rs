//! Errors of calls to libtorch.

use std::{path::PathBuf, time::Duration};

use crate::{
    distributed::{LaunchError, ranks_in_words},
    quantized::{Engine, names},
};

/// The error of every function in this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// libtorch threw an exception.
    #[error("libtorch could not {call}: {message}")]
    Libtorch {
        /// The operation, as a phrase after "could not".
        call: &'static str,
        /// The first line of the exception's text.
        message: String,
    },

    /// The thread cannot be pinned to these processors.
    #[error("cannot run on the processors {processors:?} only: {source}")]
    Processors {
        /// The requested processors.
        processors: Vec<usize>,
        /// The system's error.
        source: std::io::Error,
    },

    /// Two lists that must match differ in length.
    #[error("{found} {list} for {expected} tensors")]
    Count {
        /// The list that does not fit.
        list: &'static str,
        /// The expected length.
        expected: usize,
        /// Its length.
        found: usize,
    },

    /// A tensor in a list is undefined, for example the gradient of an unused parameter.
    #[error("number {index} of the {list} is an undefined tensor")]
    Undefined {
        /// The list.
        list: &'static str,
        /// The position in the list, from 0.
        index: usize,
    },

    /// Two tensors that must match differ in shape.
    #[error("number {index} of the {list} has shape {found:?}, expected {expected:?}")]
    Shape {
        /// The list that does not fit.
        list: &'static str,
        /// The position in the list, from 0.
        index: usize,
        /// The expected shape.
        expected: Vec<i64>,
        /// Its shape.
        found: Vec<i64>,
    },

    /// Two tensors that must match differ in element kind or device.
    #[error(
        "number {index} of the {list} is {found:?} on {found_device:?}, expected {expected:?} on {expected_device:?}"
    )]
    Placement {
        /// The list that does not fit.
        list: &'static str,
        /// The position in the list, from 0.
        index: usize,
        /// The expected kind.
        expected: tch::Kind,
        /// The expected device.
        expected_device: tch::Device,
        /// Its kind.
        found: tch::Kind,
        /// Its device.
        found_device: tch::Device,
    },

    /// A number is outside its range.
    #[error("{option} is {value}; it must be {range}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// The value given.
        value: f64,
        /// The allowed values, in words.
        range: &'static str,
    },

    /// The device is neither the CPU nor a CUDA device.
    #[error("{device:?} is not supported; only the CPU and CUDA devices are")]
    Device {
        /// The device given.
        device: tch::Device,
    },

    /// Autocast supports bfloat16 and half only.
    #[error("autocast does not support {kind:?}, only BFloat16 and Half")]
    Precision {
        /// The kind given.
        kind: tch::Kind,
    },

    /// A shared library cannot be loaded.
    #[error("cannot load {}: {reason}", path.display())]
    Library {
        /// The file.
        path: PathBuf,
        /// The loader's message.
        reason: String,
    },

    /// An invalid name.
    #[error("{what} is {name:?}; it must be {rule}")]
    Name {
        /// The use of the name.
        what: &'static str,
        /// The name given.
        name: String,
        /// The allowed values, in words.
        rule: &'static str,
    },

    /// This libtorch or this processor lacks an engine for quantised networks.
    #[error("there is no quantised engine {engine} here (there is: {})", names(supported))]
    Engine {
        /// The engine asked for.
        engine: Engine,
        /// The engines that there are.
        supported: Vec<Engine>,
    },

    /// A layer of int8 weights is not valid.
    #[error("the quantised layer '{name}' {reason}")]
    Layer {
        /// The layer's name.
        name: String,
        /// What is wrong, as a phrase after the name.
        reason: String,
    },

    /// A file cannot be read or written.
    #[error("cannot {call} {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// `read` or `write`.
        call: &'static str,
        /// The system's error.
        source: std::io::Error,
    },

    /// A file is damaged or has other contents.
    #[error("cannot read {}: not a valid {what}: {message}", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// The expected contents.
        what: &'static str,
        /// libtorch's message.
        message: String,
    },

    /// Variables of a launcher do not fit together.
    #[error(transparent)]
    Launch(#[from] LaunchError),

    /// The processes of a job cannot find each other.
    #[error("{reason}")]
    Join {
        /// The reason, as a sentence.
        reason: String,
    },

    /// Another process has ended, hangs or is cut off. [`World::explain`](crate::distributed::World::explain) names it.
    #[error("cannot {call}: {message}")]
    Lost {
        /// The operation, as a phrase after "cannot".
        call: &'static str,
        /// The connection's message.
        message: String,
    },

    /// Processes did not reach a barrier in time.
    #[error("{} did not arrive within {} s", ranks_in_words(ranks), timeout.as_secs_f64())]
    Missing {
        /// Their ranks.
        ranks: Vec<usize>,
        /// The barrier's timeout.
        timeout: Duration,
    },

    /// The processes of a job differ in something that must be equal.
    #[error("{what} differs between processes: {difference}")]
    Differs {
        /// What must be equal.
        what: String,
        /// Who has what.
        difference: String,
    },

    /// Parameters took no part in the loss, so that the processes would wait for their gradients.
    #[error("the loss does not depend on {}; set the Reducer's `unused` option to `Found` to allow this", parameters.join(", "))]
    Unused {
        /// Their names.
        parameters: Vec<String>,
    },
}
