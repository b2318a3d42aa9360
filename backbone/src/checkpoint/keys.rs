//! Apple's and timm's names of the same tensors.
//!
//! | | Apple, and this crate | timm |
//! |---|---|---|
//! | stem | `stage0` | `stem` |
//! | layer | `stage{n}.{i}`, n from 1 | `stages.{n}.{i}`, n from 0 |
//! | convolution branch | `rbr_conv.{b}.{conv,bn}` | `conv_kxk.{b}.{conv,bn}` |
//! | 1x1 branch | `rbr_scale.{conv,bn}` | `conv_scale.{conv,bn}` |
//! | identity branch | `rbr_skip` | `identity` |
//! | squeeze-and-excitation | `se.{reduce,expand}` | `attn.{fc1,fc2}` |
//! | deploy form | `reparam_conv` | `reparam_conv` |
//! | classifier | `linear` | `head.fc` |
//!
//! This crate leaves out the count of batches that PyTorch keeps with every normalisation (`num_batches_tracked`).

use std::fmt::{self, Display};

use tch::{Kind, Tensor};

use super::BACKBONE;
use crate::{
    error::Error,
    form::{Form, StateDict},
};

/// Whose names a file uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// This crate's, with metadata that says so. The backbone's names are Apple's.
    Own,
    /// `apple/ml-mobileone`.
    Apple,
    /// timm's `byobnet`.
    Timm,
    /// No names of a MobileOne.
    Other,
}

impl Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "own",
            Self::Apple => "Apple's",
            Self::Timm => "timm's",
            Self::Other => "unknown",
        })
    }
}

/// Where in a file the network's tensors are, and whose names they have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What stands before every name: `state_dict.`, `module.` (`DistributedDataParallel`), mostly nothing.
    pub prefix: String,
    /// Whose names follow it.
    pub layout: Layout,
}

impl Place {
    /// Finds the network by the layer that every MobileOne has. A network below [`BACKBONE`] belongs to a detector or segmenter, whose
    /// place it is then. Of several, such as weights beside their average, the one at the root comes first, then the one in
    /// `state_dict`, then the first by name.
    pub fn find<'a>(names: impl Iterator<Item = &'a String>) -> Option<Self> {
        let places = names.filter_map(|name| Self::of_stem(name));
        places.min_by_key(|place| {
            (!place.prefix.is_empty(), !place.prefix.starts_with("state_dict."), place.prefix.clone())
        })
    }

    fn of_stem(name: &str) -> Option<Self> {
        let parts = ["rbr_conv.0.conv.weight", "conv_kxk.0.conv.weight", "reparam_conv.weight"];
        let layer = parts.iter().find_map(|part| name.strip_suffix(part))?;
        let stems = [("stage0.", Layout::Apple), ("stem.", Layout::Timm)];
        let (before, layout) = stems.iter().find_map(|(stem, layout)| Some((layer.strip_suffix(stem)?, *layout)))?;
        let prefix = before.strip_suffix(BACKBONE).filter(|_| layout == Layout::Apple).unwrap_or(before);
        (prefix.is_empty() || prefix.ends_with('.')).then(|| Self { prefix: prefix.to_owned(), layout })
    }
}

const STAGES: [(&str, &str); 4] = [("stage1", "0"), ("stage2", "1"), ("stage3", "2"), ("stage4", "3")];
const PARTS: [(&str, &str); 6] = [
    ("rbr_conv", "conv_kxk"),
    ("rbr_scale", "conv_scale"),
    ("rbr_skip", "identity"),
    ("se.reduce", "attn.fc1"),
    ("se.expand", "attn.fc2"),
    ("reparam_conv", "reparam_conv"),
];
const COUNT: &str = "num_batches_tracked";

/// Apple's name of what timm calls `name`; none if timm's MobileOne has no such tensor.
pub fn from_timm(name: &str) -> Option<String> {
    if let Some(part) = name.strip_prefix("head.fc.") {
        return Some(format!("linear.{part}"));
    }
    let (layer, rest) = match name.strip_prefix("stem.") {
        Some(rest) => ("stage0".to_owned(), rest),
        None => {
            let (stage, rest) = name.strip_prefix("stages.")?.split_once('.')?;
            let (index, rest) = rest.split_once('.')?;
            let (apple, _) = STAGES.iter().find(|(_, timm)| *timm == stage)?;
            (format!("{apple}.{index}"), rest)
        }
    };
    let (part, rest) = PARTS.iter().find_map(|(apple, timm)| Some((apple, rest.strip_prefix(timm)?)))?;
    rest.starts_with('.').then(|| format!("{layer}.{part}{rest}"))
}

/// timm's name of what Apple calls `name`; none if Apple's MobileOne has no such tensor.
pub fn to_timm(name: &str) -> Option<String> {
    if let Some(part) = name.strip_prefix("linear.") {
        return Some(format!("head.fc.{part}"));
    }
    let (layer, rest) = match name.strip_prefix("stage0.") {
        Some(rest) => ("stem".to_owned(), rest),
        None => {
            let (stage, rest) = name.split_once('.')?;
            let (index, rest) = rest.split_once('.')?;
            let (_, timm) = STAGES.iter().find(|(apple, _)| *apple == stage)?;
            (format!("stages.{timm}.{index}"), rest)
        }
    };
    let (part, rest) = PARTS.iter().find_map(|(apple, timm)| Some((timm, rest.strip_prefix(apple)?)))?;
    rest.starts_with('.').then(|| format!("{layer}.{part}{rest}"))
}

/// Whether `name` is a count of batches.
pub fn is_count(name: &str) -> bool {
    name.rsplit('.').next() == Some(COUNT)
}

/// Whether `name`, at the root or below `backbone.`, belongs to the backbone.
pub fn is_backbone(name: &str) -> bool {
    let name = name.strip_prefix(BACKBONE).unwrap_or(name);
    name.starts_with("stage0.") || STAGES.iter().any(|(stage, _)| name.split('.').next() == Some(*stage))
}

/// The form of the backbone that these names describe; none without one.
pub fn form<'a>(names: impl Iterator<Item = &'a String>) -> Option<Form> {
    let mut parts = names.filter(|name| is_backbone(name)).flat_map(|name| name.split('.'));
    parts.find_map(|part| match part {
        "rbr_conv" => Some(Form::Train),
        "reparam_conv" => Some(Form::Deploy),
        _ => None,
    })
}

/// The tensors under the names of another layout, with a count of batches beside every running variance.
///
/// # Errors
/// A key that the layout has no name for.
pub fn in_layout(tensors: &StateDict, layout: Layout) -> Result<StateDict, Error> {
    let mut renamed = StateDict::new();
    for (name, tensor) in tensors {
        let to = match layout {
            Layout::Own | Layout::Other => Some(name.clone()),
            Layout::Apple => to_timm(name).map(|_| name.clone()),
            Layout::Timm => to_timm(name),
        };
        let to = to.ok_or_else(|| Error::NoName { name: name.clone(), layout })?;
        if let (Layout::Apple | Layout::Timm, Some(norm)) = (layout, to.strip_suffix("running_var")) {
            renamed.insert(format!("{norm}{COUNT}"), Tensor::zeros([] as [i64; 0], (Kind::Int64, tensor.device())));
        }
        renamed.insert(to, tensor.shallow_clone());
    }
    Ok(renamed)
}
