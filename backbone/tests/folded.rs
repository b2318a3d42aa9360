//! Training with merged branches compared with training branch by branch: complete networks, one step, in fp64.

mod support;

use backbone::{Backbone, Form, MobileOne, Mode, OutputStride, Spec, StateDict, TrainForward, Variant};
use support::{build, images, load, randomise, relative, snapshot, spec, uniform};
use tch::{Device, Kind, Tensor, nn::VarStore};
use tch_ext::autocast::Autocast;

/// The four features, the gradient of the images, and of every variable its gradient or, where it has none, its value.
fn step(
    spec: &Spec,
    output_stride: OutputStride,
    train_forward: TrainForward,
    weights: &StateDict,
) -> Vec<(String, Tensor)> {
    let (store, mut network) = build(spec, Form::Train, output_stride, Kind::Double);
    network.set_train_forward(train_forward);
    load(&store, weights);
    let xs = images([4, 3, 96, 64], Kind::Double).set_requires_grad(true);
    let features = network.forward(&xs, Mode::Train).unwrap();
    let mut found = Vec::new();
    let mut loss = Tensor::zeros([] as [i64; 0], (Kind::Double, Device::Cpu));
    for (name, feature) in [("c2", features.c2), ("c3", features.c3), ("c4", features.c4), ("c5", features.c5)] {
        loss += (&feature * uniform(name, &feature.size())).mean(Kind::Double);
        found.push((name.to_owned(), feature.detach()));
    }
    loss.backward();
    found.push(("xs".to_owned(), xs.grad()));
    let value = |variable: Tensor| if variable.requires_grad() { variable.grad() } else { variable };
    found.extend(store.variables().into_iter().map(|(name, variable)| (name, value(variable))));
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

fn assert_both_ways_equal(spec: &Spec, output_stride: OutputStride) {
    let (store, _) = build(spec, Form::Train, output_stride, Kind::Double);
    randomise(&store, 31);
    let weights = snapshot(&store);
    let expected = step(spec, output_stride, TrainForward::Branches, &weights);
    let found = step(spec, output_stride, TrainForward::Folded, &weights);
    let largest = expected.iter().map(|(_, tensor)| tensor.abs().max().double_value(&[])).fold(0.0, f64::max);
    assert_eq!(found.len(), expected.len());
    for ((name, found), (_, expected)) in found.into_iter().zip(expected) {
        // Gradients that cancel are compared with the size of the others.
        let expected = expected / largest;
        let difference = ((found / largest) - &expected).abs().max().double_value(&[]);
        let scale = expected.abs().max().double_value(&[]).max(1e-6);
        assert!(difference / scale < 1e-7, "{name}: {difference:e} of {scale:e}");
    }
}

#[test]
fn every_layout_of_branches_takes_the_same_step_both_ways() {
    for branches in [1, 3] {
        let all = spec([(16, 2, 0), (24, 1, 0), (32, 2, 0), (32, 1, 0)], branches);
        for [scale, skip] in [[true, false], [false, true], [false, false]] {
            assert_both_ways_equal(&Spec { scale, skip, ..all.clone() }, OutputStride::Os32);
        }
    }
}

#[test]
fn every_variant_takes_the_same_step_both_ways() {
    for variant in Variant::ALL {
        assert_both_ways_equal(&Spec::from(variant), OutputStride::Os32);
    }
}

#[test]
fn dilated_and_custom_networks_take_the_same_step_both_ways() {
    for output_stride in [OutputStride::Os8, OutputStride::Os16] {
        for branches in [1, 2, 5] {
            let custom = spec([(16, 2, 0), (24, 2, 1), (32, 2, 1), (48, 2, 0)], branches);
            assert_both_ways_equal(&custom, output_stride);
        }
    }
}

fn s0(kind: Kind) -> (VarStore, MobileOne) {
    build(&Spec::from(Variant::S0), Form::Train, OutputStride::Os32, kind)
}

#[test]
fn folding_is_used_only_in_training() {
    let (store, mut network) = s0(Kind::Float);
    randomise(&store, 3);
    let xs = images([2, 3, 64, 64], Kind::Float);
    let expected = tch::no_grad(|| network.forward(&xs, Mode::Eval).unwrap().c5);
    network.set_train_forward(TrainForward::Folded);
    let before = snapshot(&store);
    assert!(tch::no_grad(|| network.forward(&xs, Mode::Eval).unwrap().c5) == expected);
    assert!(store.variables().iter().all(|(name, variable)| *variable == before[name]));
    assert!(relative(&tch::no_grad(|| network.forward(&xs, Mode::Train).unwrap().c5), &expected) > 0.1);
    assert!(store.variables().iter().any(|(name, variable)| *variable != before[name]));
}

/// The stem's statistics come from images in fp32: in bf16 their error would be a thousandth.
#[test]
fn mixed_precision_takes_moments_in_full_precision() {
    let step = |train_forward, mixed: bool| {
        let (store, mut network) = s0(Kind::Float);
        network.set_train_forward(train_forward);
        randomise(&store, 3);
        let guard = mixed.then(|| Autocast::enter(Device::Cpu, Kind::BFloat16).unwrap());
        let features = network.forward(&images([4, 3, 96, 64], Kind::Float), Mode::Train).unwrap();
        drop(guard);
        assert_eq!(features.c5.kind(), if mixed { Kind::BFloat16 } else { Kind::Float });
        features.c5.to_kind(Kind::Float).square().mean(Kind::Float).backward();
        assert!(
            store.trainable_variables().iter().all(|variable| variable.grad().isfinite().all().int64_value(&[]) == 1)
        );
        (features.c2, store.variables())
    };
    let (expected, full) = step(TrainForward::Branches, false);
    let (found, mixed) = step(TrainForward::Folded, true);
    assert!(relative(&found, &expected) < 0.05);
    for name in ["running_mean", "running_var"] {
        let name = format!("stage0.rbr_conv.0.bn.{name}");
        assert!(relative(&mixed[&name], &full[&name]) < 1e-5);
    }
}

#[test]
fn networks_of_half_precision_train_both_ways() {
    for train_forward in [TrainForward::Branches, TrainForward::Folded] {
        let (store, mut network) = s0(Kind::BFloat16);
        network.set_train_forward(train_forward);
        let c5 = network.forward(&images([4, 3, 96, 64], Kind::BFloat16), Mode::Train).unwrap().c5;
        assert_eq!(c5.kind(), Kind::BFloat16);
        c5.square().mean(Kind::Float).backward();
        assert!(
            store.trainable_variables().iter().all(|variable| variable.grad().isfinite().all().int64_value(&[]) == 1)
        );
    }
}
