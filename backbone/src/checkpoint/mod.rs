//! Weights on disk: safetensors files and PyTorch's pickles with this crate's names, Apple's or timm's.
//!
//! | module | holds |
//! |---|---|
//! | [`mod@file`] | tensors and text in a safetensors file, read within bounds, written aside and renamed |
//! | [`pickle`] | the tensors of a `.pth` or `.pth.tar` file, read within bounds, without running anything in it |
//! | [`keys`] | Apple's and timm's names, and how to tell them apart |
//! | [`metadata`] | what a file of our own says of itself |
//! | [`load`] | copying tensors into a network, with a report of what did not fit |

pub mod file;
pub mod keys;
pub mod load;
pub mod metadata;
pub mod pickle;
mod recognise;
mod unpacked;

use std::{collections::BTreeMap, path::Path};

pub use keys::{Layout, Place};
pub use load::{LoadReport, Mismatch, Policy, load_into, variables};
pub use metadata::{Metadata, Normalization};

use crate::{
    error::Error,
    form::{Form, StateDict},
    spec::Spec,
};

/// The prefix of the backbone's keys in a detector or segmenter.
pub const BACKBONE: &str = "backbone.";

/// A file that has been read.
#[derive(Debug)]
pub struct Checkpoint {
    /// Under this crate's names, whatever the layout of the file was, on the CPU, in the kinds that the file has. Counts of
    /// batches (`num_batches_tracked`) are left out.
    pub tensors: StateDict,
    /// Whose names the file used.
    pub layout: Layout,
    /// What stood before the names in the file and is left out here, such as `state_dict.`; mostly nothing.
    pub prefix: String,
    /// Train or deploy form, where the names tell.
    pub form: Option<Form>,
    /// What the file says of itself, if it is one of our own.
    pub metadata: Option<Metadata>,
}

impl Checkpoint {
    /// The tensors of the backbone alone, named as a backbone at the root has them.
    pub fn backbone(&self) -> StateDict {
        let of_backbone = self.tensors.iter().filter_map(|(name, tensor)| {
            let name = name.strip_prefix(BACKBONE).unwrap_or(name);
            keys::is_backbone(name).then(|| (name.to_owned(), tensor.shallow_clone()))
        });
        of_backbone.collect()
    }

    /// The specification of the backbone: as the metadata says, or else as names and shapes tell. The number of branches of a
    /// deploy form leaves no trace in it; it is then that of the published variant with these widths, or 1.
    ///
    /// # Errors
    /// Tensors that are no MobileOne's, or of one that cannot be built.
    pub fn spec(&self) -> Result<Spec, Error> {
        match &self.metadata {
            Some(metadata) => Ok(metadata.spec.clone()),
            None => recognise::spec(&self.backbone()),
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
/// A file that cannot be read, is of neither kind, or holds tensors of a kind that libtorch does not have; metadata of our own
/// that cannot be understood.
pub fn read(path: &Path) -> Result<Checkpoint, Error> {
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

/// Writes a file of our own: aside in the same folder, synced, then renamed, so that `path` is never half a file.
///
/// # Errors
/// A folder that cannot be written to, or a tensor of a kind that safetensors does not have.
pub fn write(path: &Path, tensors: &StateDict, metadata: &Metadata) -> Result<(), Error> {
    file::write(path, tensors, &metadata.to_text())
}

/// Writes a classifier or a bare backbone for other programs, under their names and with the counts of batches that they expect.
///
/// # Errors
/// As for [`write()`]; a key that the layout has no name for.
pub fn export(path: &Path, tensors: &StateDict, layout: Layout) -> Result<(), Error> {
    let text = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    file::write(path, &keys::in_layout(tensors, layout)?, &text)
}
