//! Detecting a specification from the names and shapes of its tensors.

use std::collections::BTreeSet;

use crate::{
    error::Error,
    form::StateDict,
    spec::{OutputStride, Spec, Stage, Variant},
};

/// The specification of a backbone at the root.
pub(super) fn spec(tensors: &StateDict) -> Result<Spec, Error> {
    let stem = width(tensors, "stage0")?;
    let in_channels = layer_weight(tensors, "stage0")?.size().get(1).copied().unwrap_or(1);
    let mut stages = [Stage { width: 0, blocks: 0, squeeze_excite: 0 }; 4];
    for (index, stage) in stages.iter_mut().enumerate() {
        let layer = |layer: i64| format!("stage{}.{layer}", index + 1);
        let numbers = layers(tensors, &format!("stage{}.", index + 1));
        let count = numbers.len() as i64;
        if count == 0 || count % 2 == 1 || numbers.last() != Some(&(count - 1)) {
            return Err(not_mobileone(format!(
                "stage {} has the layers {numbers:?}, expected pairs from 0",
                index + 1
            )));
        }
        stage.blocks = count / 2;
        stage.width = width(tensors, &layer(count - 1))?;
        let squeezed = |block: &i64| has(tensors, &format!("{}.se.", layer(2 * block)));
        stage.squeeze_excite = (0..stage.blocks).rev().take_while(squeezed).count() as i64;
    }
    let branch = |branch: &i64| tensors.contains_key(&format!("stage1.0.rbr_conv.{branch}.conv.weight"));
    let found = (0..).take_while(branch).count() as i64;
    let mut spec = Spec { in_channels, stem, stages, branches: found.max(1), scale: true, skip: true };
    if found == 0 {
        let mut published = Variant::ALL.into_iter().map(Spec::from);
        let same = |known: &Spec| Spec { branches: 1, in_channels, ..known.clone() } == spec;
        spec = published.find(same).map(|known| Spec { in_channels, ..known }).unwrap_or(spec);
    } else {
        let skips = spec.plan(OutputStride::Os32).blocks().any(|block| block.side_branches.skip);
        spec.scale = has(tensors, "stage0.rbr_scale.");
        spec.skip = !skips || tensors.keys().any(|name| name.contains(".rbr_skip."));
    }
    spec.validate()?;
    Ok(spec)
}

/// The numbers of the layers whose names start with `stage`, in order.
fn layers(tensors: &StateDict, stage: &str) -> BTreeSet<i64> {
    let names = tensors.range(stage.to_owned()..).map_while(|(name, _)| name.strip_prefix(stage));
    names.filter_map(|rest| rest.split('.').next()?.parse().ok()).collect()
}

/// Output channels of a layer.
fn width(tensors: &StateDict, layer: &str) -> Result<i64, Error> {
    let weight = layer_weight(tensors, layer)?;
    weight.size().first().copied().ok_or_else(|| not_mobileone(format!("the weight of {layer} is a single number")))
}

/// The weight of a layer's first convolution, `[outputs, inputs / groups, height, width]`.
fn layer_weight<'a>(tensors: &'a StateDict, layer: &str) -> Result<&'a tch::Tensor, Error> {
    let names = ["rbr_conv.0.conv.weight", "reparam_conv.weight"].map(|part| format!("{layer}.{part}"));
    let weight = names.iter().find_map(|name| tensors.get(name));
    weight.ok_or_else(|| not_mobileone(format!("there is neither {}", names.join(" nor "))))
}

fn has(tensors: &StateDict, prefix: &str) -> bool {
    tensors.range(prefix.to_owned()..).next().is_some_and(|(name, _)| name.starts_with(prefix))
}

fn not_mobileone(reason: String) -> Error {
    Error::NotMobileOne { reason }
}
