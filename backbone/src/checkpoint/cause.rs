//! Why a file's tensors are not a MobileOne's weights, as far as their names show.

use std::collections::BTreeSet;

/// Names shown where they say nothing.
const EXAMPLES: usize = 3;

/// Parts of names that other libraries' treatments leave, and what to do.
const TREATED: [(&str, &str); 6] = [
    ("weight_mask", "the weights are pruned: call torch.nn.utils.prune.remove(module, \"weight\") before saving them"),
    ("weight_orig", "the weights are pruned: call torch.nn.utils.prune.remove(module, \"weight\") before saving them"),
    ("_packed_params", "the weights are quantised: use the checkpoint from before quantisation"),
    ("zero_point", "the weights are quantised: use the checkpoint from before quantisation"),
    (
        "parametrizations",
        "the weights are parametrised: call torch.nn.utils.parametrize.remove_parametrizations before saving them",
    ),
    ("weight_g", "the weights have weight normalisation: call torch.nn.utils.remove_weight_norm before saving them"),
];

/// Ends of a name in other networks.
const OTHERS: [(&str, &str); 9] = [
    ("stage0.rbr_dense.conv.weight", "a RepVGG"),
    ("layer1.0.conv1.weight", "a ResNet"),
    ("layer1.0.conv2.weight", "a ResNet"),
    ("features.0.0.weight", "one of torchvision's MobileNets or EfficientNets"),
    ("conv_stem.weight", "one of timm's EfficientNets or MobileNets"),
    ("model.0.conv.weight", "one of ultralytics' networks"),
    ("cls_token", "a vision transformer"),
    ("patch_embed.proj.weight", "a vision transformer"),
    ("stages.0.0.conv_dw.weight", "a ConvNeXt"),
];

/// How the weights were treated so that a network cannot take them, as the end of a sentence; none for plain weights.
pub(super) fn treatment<'a>(names: impl Iterator<Item = &'a String>) -> Option<String> {
    let of = |name: &String| {
        let (part, reason) = TREATED.iter().find(|(part, _)| name.split('.').any(|found| found == *part))?;
        Some(format!("{reason} (`{name}` has `{part}`)"))
    };
    names.into_iter().find_map(of)
}

/// What names without a network of ours look like, as the end of a sentence.
pub(super) fn of_other_names<'a>(names: impl Iterator<Item = &'a String> + Clone) -> String {
    if let Some(reason) = treatment(names.clone()) {
        return reason;
    }
    let other = |name: &'a String| {
        let ends = |end: &str| name.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('.'));
        OTHERS.iter().find(|(end, _)| ends(end)).map(|(_, network)| (name, *network))
    };
    if let Some((name, network)) = names.clone().find_map(other) {
        return format!("the names are those of {network} (`{name}`)");
    }
    let some: BTreeSet<&String> = names.clone().take(EXAMPLES).collect();
    match (some.len(), names.count()) {
        (0, _) => "it has no tensors".to_owned(),
        (_, count) => {
            let some: Vec<String> = some.into_iter().map(|name| format!("`{name}`")).collect();
            let more = if count > some.len() { ", ..." } else { "" };
            format!("its names ({count} in all) are not a MobileOne's: {}{more})", some.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(names: &[&str]) -> String {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        of_other_names(names.iter())
    }

    #[test]
    fn the_cause_is_seen_in_the_names() {
        for (names, words) in [
            (&["stem.conv_kxk.0.conv.weight_orig", "stem.conv_kxk.0.conv.weight_mask"][..], "prune.remove"),
            (&["model.stem.0.zero_point"], "before quantisation"),
            (&["fc._packed_params._packed_params"], "before quantisation"),
            (&["stage0.conv.parametrizations.weight.original0"], "remove_parametrizations"),
            (&["module.layer1.0.conv1.weight", "module.conv1.weight"], "a ResNet (`module.layer1.0.conv1.weight`)"),
            (&["stage0.rbr_dense.conv.weight"], "a RepVGG"),
            (&["model.0.conv.weight"], "ultralytics"),
            (&["a", "b", "c", "d"], "its names (4 in all) are not a MobileOne's: `a`, `b`, `c`, ..."),
            (&["a"], "(1 in all) are not a MobileOne's: `a`"),
            (&[], "it has no tensors"),
        ] {
            assert!(said(names).contains(words), "{names:?}: {}", said(names));
        }
    }

    #[test]
    fn plain_weights_were_not_treated() {
        let names = ["stage0.rbr_conv.0.conv.weight", "head.zero_point_free.weight"].map(String::from);
        assert_eq!(treatment(names.iter()), None);
    }
}
