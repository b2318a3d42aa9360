//! The names of the same tensors in Apple's, timm's and OpenMMLab's code.
//!
//! | | Apple, and this crate | timm | OpenMMLab, below `backbone` |
//! |---|---|---|---|
//! | stem | `stage0` | `stem` | `stage0` |
//! | layer | `stage{n}.{i}`, n from 1 | `stages.{n}.{i}`, n from 0 | `stage{n}.{i}`, n from 1 |
//! | convolution branch | `rbr_conv.{b}.{conv,bn}` | `conv_kxk.{b}.{conv,bn}` | `branch_conv_list.{b}.{conv,norm}` |
//! | 1x1 branch | `rbr_scale.{conv,bn}` | `conv_scale.{conv,bn}` | `branch_scale.{conv,norm}` |
//! | identity branch | `rbr_skip` | `identity` | `branch_norm` |
//! | squeeze-and-excitation | `se.{reduce,expand}` | `attn.{fc1,fc2}` | `se.{conv1,conv2}.conv` |
//! | deploy form | `reparam_conv` | `reparam_conv` | `branch_reparam` |
//! | classifier | `linear` | `head.fc` | `head.fc`, beside `backbone` |
//!
//! This crate does not keep PyTorch's count of batches (`num_batches_tracked`).

use tch::{Kind, Tensor};

use super::layout::{BACKBONE, Layout};
use crate::{
    design::Design,
    error::Error,
    form::{Form, StateDict},
    published::Architecture,
};

/// The names of a scheme.
struct Names {
    stem: &'static str,
    stages: [&'static str; 4],
    parts: [&'static str; 6],
    classifier: &'static str,
}

const APPLE: Names = Names {
    stem: "stage0",
    stages: ["stage1", "stage2", "stage3", "stage4"],
    parts: ["rbr_conv", "rbr_scale", "rbr_skip", "se.reduce", "se.expand", "reparam_conv"],
    classifier: "linear",
};
const TIMM: Names = Names {
    stem: "stem",
    stages: ["stages.0", "stages.1", "stages.2", "stages.3"],
    parts: ["conv_kxk", "conv_scale", "identity", "attn.fc1", "attn.fc2", "reparam_conv"],
    classifier: "head.fc",
};
const OPEN_MMLAB: Names = Names {
    stem: "stage0",
    stages: APPLE.stages,
    parts: ["branch_conv_list", "branch_scale", "branch_norm", "se.conv1.conv", "se.conv2.conv", "branch_reparam"],
    classifier: "head.fc",
};
const COUNT: &str = "num_batches_tracked";

/// Apple's name for timm's `name`; none if timm's MobileOne has no tensor of this name. The names of a network that returns features
/// (`features_only`) have `stages_0` for `stages.0`.
pub fn from_timm(name: &str) -> Option<String> {
    let features = name.strip_prefix("stages_").map(|rest| format!("stages.{rest}"));
    renamed(features.as_deref().unwrap_or(name), &TIMM, &APPLE)
}

/// timm's name for Apple's `name`; none if Apple's MobileOne has no tensor of this name.
pub fn to_timm(name: &str) -> Option<String> {
    renamed(name, &APPLE, &TIMM)
}

/// Apple's name for OpenMMLab's `name`; none if its MobileOne has no tensor of this name.
pub fn from_open_mmlab(name: &str) -> Option<String> {
    let name = name.strip_prefix(BACKBONE).unwrap_or(name);
    renamed(&name.replace(".norm.", ".bn."), &OPEN_MMLAB, &APPLE)
}

/// `name` with the names of one scheme in it replaced by those of another.
fn renamed(name: &str, from: &Names, to: &Names) -> Option<String> {
    if let Some((classifier, rest)) = replaced(name, &[from.classifier], &[to.classifier]) {
        return Some(format!("{classifier}.{rest}"));
    }
    let (layer, rest) = match replaced(name, &[from.stem], &[to.stem]) {
        Some((stem, rest)) => (stem.to_owned(), rest),
        None => {
            let (stage, rest) = replaced(name, &from.stages, &to.stages)?;
            let (index, rest) = rest.split_once('.')?;
            (format!("{stage}.{index}"), rest)
        }
    };
    let (part, rest) = replaced(rest, &from.parts, &to.parts)?;
    Some(format!("{layer}.{part}.{rest}"))
}

/// What replaces the start of `name`, and the rest of it behind the dot.
fn replaced<'a>(name: &'a str, from: &[&'static str], to: &[&'static str]) -> Option<(&'static str, &'a str)> {
    let mut pairs = from.iter().zip(to);
    pairs.find_map(|(from, to)| Some((*to, name.strip_prefix(from)?.strip_prefix('.')?)))
}

/// The name here for the `name` that a network of another publication has in timm or torchvision: only the linear layer's differs.
pub fn from_published(name: &str, architecture: Architecture) -> Option<String> {
    let (classifier, rest) = replaced(name, &[architecture.classifier()], &[APPLE.classifier])?;
    Some(format!("{classifier}.{rest}"))
}

/// The other way round.
pub fn to_published(name: &str, architecture: Architecture) -> String {
    let renamed = replaced(name, &[APPLE.classifier], &[architecture.classifier()]);
    renamed.map_or_else(|| name.to_owned(), |(classifier, rest)| format!("{classifier}.{rest}"))
}

/// Whether `name` is a count of batches.
pub fn is_count(name: &str) -> bool {
    name.rsplit('.').next() == Some(COUNT)
}

/// Whether `name`, at the root or below `backbone.`, belongs to the backbone.
pub fn is_backbone(name: &str) -> bool {
    let name = name.strip_prefix(BACKBONE).unwrap_or(name);
    name.starts_with("stage0.") || APPLE.stages.iter().any(|stage| name.split('.').next() == Some(*stage))
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
pub fn in_layout(tensors: &StateDict, layout: Layout, design: &Design) -> Result<StateDict, Error> {
    let mut renamed = StateDict::new();
    for (name, tensor) in tensors {
        let to = match (layout, design) {
            (Layout::Own | Layout::Other, _) => Some(name.clone()),
            (Layout::Timm | Layout::Published, Design::Published(published)) => {
                (!name.starts_with(BACKBONE)).then(|| to_published(name, published.name))
            }
            (Layout::Apple, Design::MobileOne(_)) => to_timm(name).map(|_| name.clone()),
            (Layout::Timm, Design::MobileOne(_)) => to_timm(name),
            (Layout::OpenMmlab | Layout::Published | Layout::Apple, _) => None,
        };
        let to = to.ok_or_else(|| Error::NoName { name: name.clone(), layout })?;
        if let (Layout::Apple | Layout::Timm | Layout::Published, Some(norm)) = (layout, to.strip_suffix("running_var"))
        {
            renamed.insert(format!("{norm}{COUNT}"), Tensor::zeros([] as [i64; 0], (Kind::Int64, tensor.device())));
        }
        renamed.insert(to, tensor.shallow_clone());
    }
    Ok(renamed)
}
