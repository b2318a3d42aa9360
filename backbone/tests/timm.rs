//! The network compared with timm 1.0.31's, in fp64: files made by `tools/golden/mobileone.py`.

mod support;

use std::path::PathBuf;

use backbone::{
    Backbone, Checkpoint, Features, Fold, Form, Layout, MobileOne, Mode, OutputStride, Policy, Spec, StateDict,
    Variant,
    checkpoint::{
        file,
        keys::{from_timm, to_timm},
        load_into, read, variables,
    },
};
use support::{assert_close, fill, load, uniform};
use tch::{Kind, Tensor, nn::VarStore};

fn golden(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/golden", &format!("mobileone_{name}.safetensors")].iter().collect()
}

fn reference(name: &str) -> StateDict {
    file::read(&golden(name)).unwrap().0
}

fn build(spec: &Spec, form: Form, kind: Kind) -> (VarStore, MobileOne) {
    support::build(spec, form, OutputStride::Os32, kind)
}

fn small() -> Spec {
    support::spec([(16, 1, 0), (16, 1, 0), (32, 2, 1), (32, 1, 1)], 4)
}

fn small_checkpoint() -> Checkpoint {
    read(&golden("small_timm")).unwrap()
}

fn logits(features: &Features, weight: &Tensor, bias: &Tensor) -> Tensor {
    let pooled = features.c5.mean_dim(&[2i64, 3][..], false, None);
    let parameter = |tensor: &Tensor| tensor.to_kind(pooled.kind());
    pooled.linear(&parameter(weight), Some(parameter(bias)))
}

/// The reference has every Nth channel, `N = every`.
fn assert_features(features: &Features, reference: &StateDict, every: i64, tolerance: f64) {
    let Features { c2, c3, c4, c5 } = features;
    for (name, feature) in [("c2", c2), ("c3", c3), ("c4", c4), ("c5", c5)] {
        assert_close(&feature.slice(1, None, None, every), &reference[name], tolerance);
    }
}

#[test]
fn files_of_timm_load_exactly() {
    let network = MobileOne::load(golden("small_timm")).unwrap();
    assert_eq!(*network.spec(), small());
    let checkpoint = small_checkpoint();
    assert_eq!((checkpoint.layout, checkpoint.form), (Layout::Timm, Some(Form::Train)));
    let (store, _) = build(&small(), Form::Train, Kind::Float);
    let report = load_into(&variables(&store, ""), &checkpoint.backbone(), Policy::Exact).unwrap();
    assert_eq!(report.loaded.len(), store.len());
}

#[test]
fn four_branches_with_squeeze_excite_equal_timm_in_both_forms() {
    let (checkpoint, reference) = (small_checkpoint(), reference("small_reference"));
    for (kind, tolerance) in [(Kind::Double, 1e-6), (Kind::Float, 1e-5)] {
        let (store, train) = build(&small(), Form::Train, kind);
        load_into(&variables(&store, ""), &checkpoint.tensors, Policy::Transfer).unwrap();
        let (deploy_store, deploy) = build(&small(), Form::Deploy, kind);
        let folded = train.folded();
        load(&deploy_store, &folded);

        let xs = uniform("xs", &[2, 3, 64, 64]).to_kind(kind);
        for network in [&train, &deploy] {
            let features = tch::no_grad(|| network.forward(&xs, Mode::Eval).unwrap());
            assert_features(&features, &reference, 1, tolerance);
            let (weight, bias) = (&checkpoint.tensors["linear.weight"], &checkpoint.tensors["linear.bias"]);
            assert_close(&logits(&features, weight, bias), &reference["logits"], tolerance);
        }
    }
}

#[test]
fn folded_tensors_are_timms_reparameterised_ones() {
    let (checkpoint, reference) = (small_checkpoint(), reference("small_reference"));
    let (store, train) = build(&small(), Form::Train, Kind::Float);
    load_into(&variables(&store, ""), &checkpoint.tensors, Policy::Transfer).unwrap();
    let folded = train.folded();
    let theirs: StateDict = reference
        .into_iter()
        .filter_map(|(name, tensor)| Some((from_timm(name.strip_prefix("fused.")?)?, tensor)))
        .filter(|(name, _)| !name.starts_with("linear."))
        .collect();
    assert!(folded.keys().eq(theirs.keys()));
    for (name, tensor) in &folded {
        assert_close(tensor, &theirs[name], 1e-6);
    }
}

#[test]
fn a_training_step_has_the_outputs_gradients_and_running_statistics_of_timm() {
    let (checkpoint, reference) = (small_checkpoint(), reference("small_reference"));
    let (store, train) = build(&small(), Form::Train, Kind::Double);
    load_into(&variables(&store, ""), &checkpoint.tensors, Policy::Transfer).unwrap();
    let xs = uniform("xs", &[2, 3, 64, 64]).set_requires_grad(true);
    let features = train.forward(&xs, Mode::Train).unwrap();
    let logits = logits(&features, &checkpoint.tensors["linear.weight"], &checkpoint.tensors["linear.bias"]);
    assert_close(&logits, &reference["train.logits"], 1e-6);
    logits.square().sum(Kind::Double).backward();
    assert_close(&xs.grad().slice(2, 0, None, 4).slice(3, 0, None, 4), &reference["train.xs"], 1e-6);

    let variables = store.variables();
    let (mut gradients, mut statistics) = (0, 0);
    for (name, expected) in &reference {
        if let Some(name) = name.strip_prefix("gradient.") {
            assert_close(&variables[&from_timm(name).unwrap()].grad(), expected, 1e-6);
            gradients += 1;
        } else if let Some(name) = name.strip_prefix("after.") {
            assert_close(&variables[&from_timm(name).unwrap()], expected, 1e-6);
            statistics += 1;
        }
    }
    assert_eq!((gradients, statistics), (8, 8));
}

/// Both forms of a variant compared with timm's, with every Nth channel of the features, `N = every`.
fn assert_equals_timm(variant: Variant, every: i64) {
    let reference = reference(&format!("{variant}_reference"));
    let spec = Spec::from(variant);
    let (store, train) = build(&spec, Form::Train, Kind::Double);
    let parameter = |name: &str, size: &[i64]| fill(&to_timm(name).unwrap(), size);
    for (name, variable) in store.variables() {
        variable.detach().copy_(&parameter(&name, &variable.size()));
    }
    let (deploy_store, deploy) = build(&spec, Form::Deploy, Kind::Double);
    let folded = train.folded();
    load(&deploy_store, &folded);

    let xs = uniform("xs", &[1, 3, 64, 64]);
    for network in [&train, &deploy] {
        let features = tch::no_grad(|| network.forward(&xs, Mode::Eval).unwrap());
        assert_features(&features, &reference, every, 1e-6);
        let weight = parameter("linear.weight", &[1000, spec.stages[3].width]);
        let bias = parameter("linear.bias", &[1000]);
        assert_close(&logits(&features, &weight, &bias), &reference["logits"], 1e-6);
    }
}

#[test]
fn s0_equals_timm_in_both_forms() {
    assert_equals_timm(Variant::S0, 1);
}

#[test]
fn s4_equals_timm_in_both_forms() {
    assert_equals_timm(Variant::S4, 32);
}
