//! Everything that can go wrong in this crate.

use std::{io, path::PathBuf};

use tch::Kind;

use crate::{
    checkpoint::{layout::Layout, report::LoadReport},
    form::Form,
};

/// An error of this crate: one sentence, with the facts in its fields.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An unknown variant.
    #[error("`{name}` is not a MobileOne variant: expected s0, s1, s2, s3 or s4")]
    UnknownVariant {
        /// The given name.
        name: String,
    },
    /// An output stride that the network does not support.
    #[error("the output stride is {value}: expected 8, 16 or 32")]
    OutputStride {
        /// The given value.
        value: i64,
    },
    /// A number of a specification outside its range.
    #[error("`{field}` is {value}: expected {min} to {max}")]
    OutOfRange {
        /// Its place in the specification, for example `stages[2].width`.
        field: String,
        /// The given value.
        value: i64,
        /// The smallest possible value.
        min: i64,
        /// The largest possible value.
        max: i64,
    },
    /// Squeeze-and-excitation on a layer too narrow for its reduction by 16.
    #[error(
        "`stages[{stage}].squeeze_excite` needs at least {needed} channels in every layer: a layer there has {channels}"
    )]
    TooNarrow {
        /// Index of the stage, 0 to 3.
        stage: usize,
        /// Channels of the layer.
        channels: i64,
        /// The smallest number of channels.
        needed: i64,
    },
    /// A file or folder that cannot be read or written.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// A file of another kind: a pointer, a web page, an exported network, a folder.
    #[error("cannot read {}: {reason}", path.display())]
    NotWeights {
        /// The file.
        path: PathBuf,
        /// What it is and what to do.
        reason: String,
    },
    /// A file with several networks of which none is the usual one.
    #[error("cannot read {}: it holds {} networks and does not say which to use: {}", path.display(), keys.len(), quoted(keys))]
    SeveralNetworks {
        /// The file.
        path: PathBuf,
        /// Their keys.
        keys: Vec<String>,
    },
    /// A key of a file without a network at or below it.
    #[error("cannot read {}: there is no network at `{key}`{}", path.display(), elsewhere(keys))]
    NoNetworkAt {
        /// The file.
        path: PathBuf,
        /// The wanted key.
        key: String,
        /// The keys of the networks that it has.
        keys: Vec<String>,
    },
    /// A file that is damaged or not a safetensors file.
    #[error("cannot read {}: not a valid safetensors file: {reason}", path.display())]
    NotSafetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that is damaged or not a PyTorch checkpoint.
    #[error("cannot read {}: not a valid PyTorch checkpoint: {reason}", path.display())]
    NotPickle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Tensors that are not those of a MobileOne.
    #[error("no MobileOne weights found: {reason}")]
    NotMobileOne {
        /// What is missing or does not fit.
        reason: String,
    },
    /// A file written by a newer program.
    #[error("cannot read {}: it has format version {found}, supported is version {known}", path.display())]
    FormatVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
        /// The supported version.
        known: u32,
    },
    /// Metadata of this crate's format that is missing or invalid.
    #[error("cannot read {}: its metadata `{key}` {reason}", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// Key of the metadata.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A tensor whose elements have an unsupported kind.
    #[error("tensor `{name}` has the unsupported kind {kind:?}")]
    Kind {
        /// Its name.
        name: String,
        /// Its kind.
        kind: Kind,
    },
    /// A checkpoint in train form for a network in deploy form, or the other way round.
    #[error("the checkpoint is in {found} form, the network in {expected} form")]
    OtherForm {
        /// The network's.
        expected: Form,
        /// The checkpoint's.
        found: Form,
    },
    /// Names or shapes that do not fit.
    #[error("the checkpoint does not fit the network: {0}")]
    Incompatible(Box<LoadReport>),
    /// A tensor that another library's MobileOne does not have.
    #[error("`{name}` has no counterpart in {layout} naming scheme")]
    NoName {
        /// Its name here.
        name: String,
        /// The naming scheme.
        layout: Layout,
    },
    /// A tensor with the wrong shape.
    #[error("{what} have shape {found:?}, expected {expected}")]
    Shape {
        /// Which tensor.
        what: &'static str,
        /// Its shape.
        found: Vec<i64>,
        /// The expected shape.
        expected: String,
    },
    /// Batch statistics of a single value do not exist.
    #[error(
        "cannot train on one image of {height}x{width} pixels, whose last features are a single cell: use more or larger images"
    )]
    SingleValueStatistics {
        /// Height of the image.
        height: i64,
        /// Width of the image.
        width: i64,
    },
    /// Processes that share a batch could not exchange its statistics.
    #[error(transparent)]
    Exchange(#[from] tch_ext::Error),
    /// An operation of libtorch failed.
    #[error("{action} failed: {message}")]
    Torch {
        /// The operation.
        action: String,
        /// The first line of libtorch's message.
        message: String,
    },
}

impl Error {
    pub(crate) fn torch(action: String, cause: &tch::TchError) -> Self {
        let message = cause.to_string();
        Self::Torch { action, message: message.lines().next().unwrap_or_default().to_owned() }
    }
}

fn quoted(keys: &[String]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

fn elsewhere(keys: &[String]) -> String {
    if keys.is_empty() { ": it has no MobileOne".to_owned() } else { format!(": it has {}", quoted(keys)) }
}
