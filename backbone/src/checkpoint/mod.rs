//! Weights on disk: safetensors files and PyTorch's pickles with this crate's names, Apple's or timm's.
//!
//! | module | holds |
//! |---|---|
//! | [`mod@file`] | tensors and text in a safetensors file, read within bounds, written aside and renamed |
//! | [`pickle`] | the tensors of a `.pth` or `.pth.tar` file, read within bounds, without running anything in it |
//! | [`layout`] | naming schemes, and where in a file the network is |
//! | [`keys`] | Apple's and timm's names |
//! | `detect` | the specification, from names and shapes |
//! | [`metadata`] | what a file in this crate's format contains |
//! | [`load`] | copying tensors into a network |
//! | [`report`] | what fitted and what did not |

mod archive;
mod detect;
pub mod file;
pub mod keys;
pub mod layout;
pub mod load;
pub mod metadata;
mod not_weights;
pub mod pickle;
pub mod report;

use std::{collections::BTreeMap, path::Path};

pub use layout::{BACKBONE, Layout, Place};
pub use load::{Policy, load_into, variables};
pub use metadata::{Metadata, Normalization};
pub use report::{LoadReport, Mismatch};

use crate::{
    error::Error,
    form::{Form, StateDict},
    spec::Spec,
};

/// The contents of a file.
#[derive(Debug)]
pub struct Checkpoint {
    /// Under this crate's names, whatever the naming scheme of the file, on the CPU, in the kinds of the file, without counts of
    /// batches (`num_batches_tracked`).
    pub tensors: StateDict,
    /// The naming scheme of the file.
    pub layout: Layout,
    /// The prefix of the names in the file, removed here, for example `state_dict.`; usually empty.
    pub prefix: String,
    /// Train or deploy form, if there is a backbone.
    pub form: Option<Form>,
    /// The metadata, if the file is in this crate's format.
    pub metadata: Option<Metadata>,
}

impl Checkpoint {
    /// The tensors of the backbone alone, named as at the root.
    pub fn backbone(&self) -> StateDict {
        let of_backbone = self.tensors.iter().filter_map(|(name, tensor)| {
            let name = name.strip_prefix(BACKBONE).unwrap_or(name);
            keys::is_backbone(name).then(|| (name.to_owned(), tensor.shallow_clone()))
        });
        of_backbone.collect()
    }

    /// The specification of the backbone, from the metadata or else detected from names and shapes. A deploy form does not show
    /// its number of branches: it is that of the published variant with these widths, or 1.
    ///
    /// # Errors
    /// [`Error::NotMobileOne`], or a specification outside its limits.
    pub fn spec(&self) -> Result<Spec, Error> {
        match &self.metadata {
            Some(metadata) => Ok(metadata.spec.clone()),
            None => detect::spec(&self.backbone()),
        }
    }

    /// The outputs of the classifier, where the file has one at the root.
    pub fn classes(&self) -> Option<i64> {
        self.tensors.get("linear.weight").and_then(|weight| weight.size().first().copied())
    }
}

/// Reads a safetensors file or one that `torch.save` wrote: a dictionary of tensors, nested or not, in any of PyTorch's formats.
///
/// # Errors
/// A file that cannot be read, is of another kind or in neither format, tensors of a kind that libtorch does not have, or invalid metadata.
pub fn read(path: &Path) -> Result<Checkpoint, Error> {
    let io = |cause| Error::Io { action: "read", path: path.to_owned(), cause };
    if let Some(reason) = not_weights::reason(path).map_err(io)? {
        return Err(Error::NotWeights { path: path.to_owned(), reason });
    }
    let (tensors, text) =
        if pickle::is_pickle(path)? { (pickle::read(path)?, file::Text::new()) } else { file::read(path)? };
    let metadata = Metadata::from_text(&text, path)?;
    let place = match metadata {
        Some(_) => Place { prefix: String::new(), layout: Layout::Own },
        None => Place::find(tensors.keys()).unwrap_or(Place { prefix: String::new(), layout: Layout::Other }),
    };
    let mut renamed = StateDict::new();
    for (name, tensor) in tensors {
        let Some(name) = name.strip_prefix(&place.prefix).filter(|name| !keys::is_count(name)) else { continue };
        let known = if place.layout == Layout::Timm { keys::from_timm(name) } else { None };
        renamed.insert(known.unwrap_or_else(|| name.to_owned()), tensor);
    }
    let form = keys::form(renamed.keys());
    Ok(Checkpoint { tensors: renamed, layout: place.layout, prefix: place.prefix, form, metadata })
}

/// Writes a file in this crate's format. It is written under a temporary name in the same folder, synced, then renamed, so that
/// `path` is always complete.
///
/// # Errors
/// A folder that cannot be written to, or a tensor of a kind that safetensors does not have.
pub fn write(path: &Path, tensors: &StateDict, metadata: &Metadata) -> Result<(), Error> {
    file::write(path, tensors, &metadata.to_text())
}

/// Writes a classifier or a backbone for other programs, in their naming scheme and with the counts of batches that they expect.
///
/// # Errors
/// As [`write()`]; [`Error::NoName`] for a key without a counterpart there.
pub fn export(path: &Path, tensors: &StateDict, layout: Layout) -> Result<(), Error> {
    let text = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    file::write(path, &keys::in_layout(tensors, layout)?, &text)
}
