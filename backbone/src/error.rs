//! Everything that can go wrong in this crate.

use std::{io, path::PathBuf};

use tch::Kind;

use crate::{
    checkpoint::{Layout, LoadReport},
    form::Form,
};

/// An error of this crate: one sentence, with the facts in its fields.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that is no variant.
    #[error("`{name}` is no variant of MobileOne: expected s0, s1, s2, s3 or s4")]
    UnknownVariant {
        /// What was given.
        name: String,
    },
    /// A stride that the network cannot have.
    #[error("an output stride of {value} is not possible: expected 8, 16 or 32")]
    OutputStride {
        /// What was given.
        value: i64,
    },
    /// A number of a specification outside its range.
    #[error("`{field}` is {value}: expected {min} to {max}")]
    OutOfRange {
        /// Where in the specification, such as `stages[2].width`.
        field: String,
        /// What was given.
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
    /// A file or folder that the system does not let us use.
    #[error("cannot {action} `{}`: {cause}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's word.
        cause: io::Error,
    },
    /// A file that is damaged or something else.
    #[error("`{}` is no safetensors file: {reason}", path.display())]
    NotSafetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of PyTorch's that is damaged or holds something else.
    #[error("`{}` cannot be read as a checkpoint of PyTorch's: {reason}", path.display())]
    NotPickle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Tensors that do not make up a MobileOne.
    #[error("the tensors are no MobileOne: {reason}")]
    NotMobileOne {
        /// What is missing or does not fit.
        reason: String,
    },
    /// A file written by a newer program.
    #[error("`{}` has format version {found}: this program knows version {known}", path.display())]
    FormatVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
        /// Ours.
        known: u32,
    },
    /// Metadata of our own that cannot be used.
    #[error("the metadata `{key}` of `{}` {reason}", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// Key of the metadata.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A tensor whose elements are of the wrong kind.
    #[error("tensor `{name}` is of kind {kind:?}, which is not possible here")]
    Kind {
        /// Its name.
        name: String,
        /// What it is.
        kind: Kind,
    },
    /// Train form where deploy form is wanted, or the other way round.
    #[error("the checkpoint is in {found} form but the network in {expected} form")]
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
    #[error("`{name}` has no name in the layout that is {layout}")]
    NoName {
        /// Its name here.
        name: String,
        /// The layout.
        layout: Layout,
    },
    /// libtorch refused.
    #[error("{action} failed: {message}")]
    Torch {
        /// What was tried.
        action: String,
        /// The first line of its word.
        message: String,
    },
}

impl Error {
    pub(crate) fn torch(action: String, cause: &tch::TchError) -> Self {
        let message = cause.to_string();
        Self::Torch { action, message: message.lines().next().unwrap_or_default().to_owned() }
    }
}
