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
//! This crate does not keep PyTorch's count of batches (`num_batches_tracked`).

use tch::{Kind, Tensor};

use super::layout::{BACKBONE, Layout};
use crate::{
    error::Error,
    form::{Form, StateDict},
};

/// Apple's name of a layer or part, and timm's.
type Pair = (&'static str, &'static str);

const STEM: Pair = ("stage0", "stem");
const STAGES: [Pair; 4] =
    [("stage1", "stages.0"), ("stage2", "stages.1"), ("stage3", "stages.2"), ("stage4", "stages.3")];
const PARTS: [Pair; 6] = [
    ("rbr_conv", "conv_kxk"),
    ("rbr_scale", "conv_scale"),
    ("rbr_skip", "identity"),
    ("se.reduce", "attn.fc1"),
    ("se.expand", "attn.fc2"),
    ("reparam_conv", "reparam_conv"),
];
const CLASSIFIER: Pair = ("linear", "head.fc");
const COUNT: &str = "num_batches_tracked";

/// Apple's name for timm's `name`; none if timm's MobileOne has no tensor of this name.
pub fn from_timm(name: &str) -> Option<String> {
    renamed(name, |(apple, timm)| (timm, apple))
}

/// timm's name for Apple's `name`; none if Apple's MobileOne has no tensor of this name.
pub fn to_timm(name: &str) -> Option<String> {
    renamed(name, |pair| pair)
}

/// `name` with the first name of each pair in it replaced by the second, after `order` turned the pairs.
fn renamed(name: &str, order: fn(Pair) -> Pair) -> Option<String> {
    if let Some((classifier, rest)) = replaced(name, &[CLASSIFIER], order) {
        return Some(format!("{classifier}.{rest}"));
    }
    let (layer, rest) = match replaced(name, &[STEM], order) {
        Some((stem, rest)) => (stem.to_owned(), rest),
        None => {
            let (stage, rest) = replaced(name, &STAGES, order)?;
            let (index, rest) = rest.split_once('.')?;
            (format!("{stage}.{index}"), rest)
        }
    };
    let (part, rest) = replaced(rest, &PARTS, order)?;
    Some(format!("{layer}.{part}.{rest}"))
}

/// What replaces the start of `name`, and the rest of it behind the dot.
fn replaced<'a>(name: &'a str, pairs: &[Pair], order: fn(Pair) -> Pair) -> Option<(&'static str, &'a str)> {
    pairs.iter().copied().map(order).find_map(|(from, to)| Some((to, name.strip_prefix(from)?.strip_prefix('.')?)))
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

/// The form of the backbone that has these names; none without a backbone.
pub fn form<'a>(names: impl Iterator<Item = &'a String>) -> Option<Form> {
    let mut parts = names.filter(|name| is_backbone(name)).flat_map(|name| name.split('.'));
    parts.find_map(|part| match part {
        "rbr_conv" => Some(Form::Train),
        "reparam_conv" => Some(Form::Deploy),
        _ => None,
    })
}

/// The tensors in another naming scheme, with a count of batches beside every running variance.
///
/// # Errors
/// A key without a counterpart there.
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
