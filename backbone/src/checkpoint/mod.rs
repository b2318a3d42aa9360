//! Weights on disk: safetensors files and PyTorch's pickles with this crate's names, Apple's, timm's or OpenMMLab's, and those that
//! the [published networks](crate::published) have in timm or torchvision.
//!
//! | module | holds |
//! |---|---|
//! | [`mod@file`] | tensors and text in a safetensors file, read within bounds, written aside and renamed |
//! | [`pickle`] | the tensors of a `.pth` or `.pth.tar` file, read within bounds, without running anything in it |
//! | `not_weights` | files that are something else, by their first bytes |
//! | `shards` | weights in several files beside an index |
//! | [`layout`] | naming schemes, and where in a file the networks are |
//! | `choose` | which of several networks is read |
//! | [`keys`] | Apple's, timm's and OpenMMLab's names |
//! | `detect` | the specification, from names and shapes |
//! | `cause` | why names are not a MobileOne's |
//! | [`metadata`] | what a file in this crate's format contains |
//! | [`load`] | copying tensors into a network |
//! | [`report`] | what fitted and what did not |

mod archive;
mod cause;
mod choose;
mod detect;
pub mod file;
pub mod keys;
pub mod layout;
pub mod load;
pub mod metadata;
mod not_weights;
pub mod pickle;
pub mod report;
mod shards;

use std::{collections::BTreeMap, path::Path};

use choose::{Choice, Undecided};
pub use layout::{BACKBONE, CLASSIFIER, Layout, Place};
pub use load::{Policy, load_into, variables};
pub use metadata::{Metadata, Normalization};
pub use report::{LoadReport, Mismatch};

use crate::{
    design::{Design, Published},
    error::Error,
    form::{Form, StateDict},
    published,
    spec::Spec,
};
use tch::Kind;

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
    /// Whether the file says by its names that these weights are an average.
    pub average: bool,
    /// The keys of the other networks in the file.
    pub others: Vec<String>,
    /// What was passed over in the file, a sentence each.
    pub passed_over: Vec<String>,
    /// Train or deploy form, if there is a backbone.
    pub form: Option<Form>,
    /// The network of another publication that the tensors are, where they are one's.
    pub published: Option<Published>,
    /// The metadata, if the file is in this crate's format.
    pub metadata: Option<Metadata>,
}

impl Checkpoint {
    /// The tensors of the backbone alone, named as at the root.
    pub fn backbone(&self) -> StateDict {
        let of_backbone = self.tensors.iter().filter_map(|(name, tensor)| {
            let inner = name.strip_prefix(BACKBONE).unwrap_or(name);
            self.is_backbone(name).then(|| (inner.to_owned(), tensor.shallow_clone()))
        });
        of_backbone.collect()
    }

    /// Whether the tensor of this name belongs to the backbone.
    pub fn is_backbone(&self, name: &str) -> bool {
        match self.published {
            None => keys::is_backbone(name),
            // Without the prefix it is the root, beside the classifier alone.
            Some(_) if self.tensors.keys().any(|name| name.starts_with(BACKBONE)) => name.starts_with(BACKBONE),
            Some(_) => !name.starts_with(CLASSIFIER),
        }
    }

    /// Which network the backbone is: from the metadata, or else detected from names and shapes. A deploy form does not show its number
    /// of branches: it is that of the published variant with these widths, or 1.
    ///
    /// # Errors
    /// [`Error::NotMobileOne`] where it is none that is known, or a specification outside its limits.
    pub fn design(&self) -> Result<Design, Error> {
        match (&self.metadata, self.published) {
            (Some(metadata), _) => Ok(metadata.design.clone()),
            (None, Some(published)) => Ok(Design::Published(published)),
            (None, None) => self.known_form().and_then(|_| detect::spec(&self.backbone())).map(Design::MobileOne),
        }
    }

    /// The specification of a MobileOne: see [`Checkpoint::design`].
    ///
    /// # Errors
    /// As [`Checkpoint::design`]; [`Error::NotMobileOne`] for another network.
    pub fn spec(&self) -> Result<Spec, Error> {
        match self.design()? {
            Design::MobileOne(spec) => Ok(spec),
            other => Err(Error::NotMobileOne { reason: format!("the weights are those of {}", other.title()) }),
        }
    }

    /// Where in the file the network is, as a key of nested dictionaries; `.` for the root.
    pub fn key(&self) -> &str {
        layout::key(&self.prefix)
    }

    /// The form of the backbone.
    ///
    /// # Errors
    /// [`Error::NotMobileOne`] with what the names show, where there is none.
    pub fn known_form(&self) -> Result<Form, Error> {
        self.form.ok_or_else(|| Error::NotMobileOne { reason: cause::of_other_names(self.tensors.keys()) })
    }

    /// Names of tensors that have values that are not finite, with the number of these values, in the order of the names.
    pub fn not_finite(&self) -> Vec<(&String, i64)> {
        let floating = self.tensors.iter().filter(|(_, tensor)| tensor.is_floating_point());
        let counted = floating.map(|(name, tensor)| (name, tensor.isfinite().logical_not().sum(Kind::Int64)));
        counted.map(|(name, count)| (name, count.int64_value(&[]))).filter(|(_, count)| *count > 0).collect()
    }

    /// The outputs of the classifier, where the file has one at the root.
    pub fn classes(&self) -> Option<i64> {
        self.tensors.get(&format!("{CLASSIFIER}weight")).and_then(|weight| weight.size().first().copied())
    }
}

/// Reads a safetensors file or one that `torch.save` wrote: a dictionary of tensors, nested or not, in any of PyTorch's formats; or the
/// index of such files that hold a part each. Of several networks in it, the average is read, or the one in the dictionary that
/// usually holds the weights.
///
/// # Errors
/// As [`read_at`].
pub fn read(path: &Path) -> Result<Checkpoint, Error> {
    read_at(path, None)
}

/// Reads the network at or below `key` of a file, for example `state_dict_ema` or `state_dict.teacher`; see [`read()`].
///
/// # Errors
/// A file that cannot be read, is of another kind or in neither format; several networks, or none at the key; weights that other
/// libraries pruned or quantised; invalid metadata.
pub fn read_at(path: &Path, key: Option<&str>) -> Result<Checkpoint, Error> {
    let not_weights = |reason| Error::NotWeights { path: path.to_owned(), reason };
    let Contents { tensors, text, passed_over } = contents(path)?;
    let metadata = Metadata::from_text(&text, path)?;
    let choice = match metadata {
        Some(_) if key.is_none() => None,
        _ => choose::choose(tensors.keys(), key).map_err(|undecided| match undecided {
            Undecided::Several(keys) => Error::SeveralNetworks { path: path.to_owned(), keys },
            Undecided::NotThere(keys) => {
                Error::NoNetworkAt { path: path.to_owned(), key: key.unwrap_or_default().to_owned(), keys }
            }
        })?,
    };
    let layout = if metadata.is_some() { Layout::Own } else { Layout::Other };
    let choice =
        choice.unwrap_or(Choice { taken: Place { prefix: String::new(), layout }, average: false, others: Vec::new() });
    let Choice { taken: Place { prefix, layout }, average, others } = choice;
    let mut found = StateDict::new();
    for (name, tensor) in tensors {
        if let Some(name) = name.strip_prefix(&prefix).filter(|name| !keys::is_count(name)) {
            found.insert(name.to_owned(), tensor);
        }
    }
    let recognised = if layout == Layout::Published { published::recognise(&found) } else { None };
    let layout = if layout == Layout::Published && recognised.is_none() { Layout::Other } else { layout };
    let mut renamed = StateDict::new();
    for (name, tensor) in found {
        let name = name.as_str();
        let known = match layout {
            Layout::Published => recognised.and_then(|(published, _)| keys::from_published(name, published.name)),
            Layout::Timm => keys::from_timm(name),
            Layout::OpenMmlab => keys::from_open_mmlab(name),
            Layout::Own | Layout::Apple | Layout::Other => None,
        };
        renamed.insert(known.unwrap_or_else(|| name.to_owned()), tensor);
    }
    if let Some(reason) = cause::treatment(renamed.keys()).filter(|_| layout != Layout::Own) {
        return Err(not_weights(reason));
    }
    let of_metadata = metadata.as_ref().and_then(|metadata| match metadata.design {
        Design::Published(published) => Some((published, metadata.form)),
        Design::MobileOne(_) => None,
    });
    let (published, form) = match recognised.or(of_metadata) {
        Some((published, form)) => (Some(published), Some(form)),
        None => (None, keys::form(renamed.keys())),
    };
    Ok(Checkpoint { tensors: renamed, layout, prefix, average, others, passed_over, form, published, metadata })
}

/// What is in a file or in several.
struct Contents {
    tensors: StateDict,
    text: file::Text,
    passed_over: Vec<String>,
}

/// Parts of names that `torch.compile` and the sharding of training leave, which the network's own names have not.
const WRAPPERS: [&str; 3] = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

fn contents(path: &Path) -> Result<Contents, Error> {
    let mut contents = Contents { tensors: StateDict::new(), text: file::Text::new(), passed_over: Vec::new() };
    for part in shards::files(path)? {
        let io = |cause| Error::Io { action: "read", path: part.clone(), cause };
        if let Some(reason) = not_weights::reason(&part).map_err(io)? {
            return Err(Error::NotWeights { path: part, reason });
        }
        let (tensors, text, passed_over) = match pickle::is_pickle(&part)? {
            true => {
                let (tensors, passed_over) = pickle::read(&part)?;
                (tensors, file::Text::new(), passed_over)
            }
            false => file::read_known(&part)?,
        };
        contents.text.extend(text);
        contents.passed_over.extend(passed_over);
        contents.tensors.extend(tensors.into_iter().map(|(name, tensor)| (without_wrappers(name), tensor)));
    }
    Ok(contents)
}

fn without_wrappers(name: String) -> String {
    if !WRAPPERS.iter().any(|wrapper| name.contains(wrapper)) {
        return name;
    }
    name.split('.').filter(|part| !WRAPPERS.contains(part)).collect::<Vec<_>>().join(".")
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
pub fn export(path: &Path, tensors: &StateDict, layout: Layout, design: &Design) -> Result<(), Error> {
    let text = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    file::write(path, &keys::in_layout(tensors, layout, design)?, &text)
}
