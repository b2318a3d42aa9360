//! Training with merged branches beside training branch by branch: whole networks, one step, in fp64.

mod support;

use backbone::{Form, MobileOne, Mode, OutputStride, Spec, Stage, StateDict, TrainForward, Variant};
use support::{images, load, randomise, relative, uniform};
use tch::{Device, Kind, Tensor, nn::VarStore};
use tch_ext::autocast::Autocast;

/// The four features, the gradient of the images, and of every variable its gradient or, where it has none, its value.
fn step(
    spec: &Spec,
    output_stride: OutputStride,
    train_forward: TrainForward,
    weights: &StateDict,
) -> Vec<(String, Tensor)> {
    let mut store = VarStore::new(Device::Cpu);
    store.set_kind(Kind::Double);
    let mut network = MobileOne::new(&store.root(), spec, Form::Train, output_stride);
    network.set_train_forward(train_forward);
    load(&store, weights);
    let xs = images([4, 3, 96, 64], Kind::Double).set_requires_grad(true);
    let features = network.forward(&xs, Mode::Train);
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
    let mut store = VarStore::new(Device::Cpu);
    store.set_kind(Kind::Double);
    MobileOne::new(&store.root(), spec, Form::Train, output_stride);
    randomise(&store, 31);
    let weights: StateDict = store.variables().into_iter().map(|(name, v)| (name, v.detach().copy())).collect();
    let expected = step(spec, output_stride, TrainForward::Branches, &weights);
    let found = step(spec, output_stride, TrainForward::Folded, &weights);
    let largest = expected.iter().map(|(_, tensor)| tensor.abs().max().double_value(&[])).fold(0.0, f64::max);
    assert_eq!(found.len(), expected.len());
    for ((name, found), (_, expected)) in found.into_iter().zip(expected) {
        // Gradients that cancel to nothing are compared with the size of the others.
        let expected = expected / largest;
        let difference = ((found / largest) - &expected).abs().max().double_value(&[]);
        let scale = expected.abs().max().double_value(&[]).max(1e-6);
        assert!(difference / scale < 1e-7, "{name}: {difference:e} of {scale:e}");
    }
}

#[test]
fn every_layout_of_branches_takes_the_same_step_both_ways() {
    let stage = |width, blocks| Stage { width, blocks, squeeze_excite: 0 };
    for branches in [1, 3] {
        for [scale, skip] in [[true, false], [false, true], [false, false]] {
            let stages = [stage(16, 2), stage(24, 1), stage(32, 2), stage(32, 1)];
            assert_both_ways_equal(&Spec { stem: 16, stages, branches, scale, skip }, OutputStride::Os32);
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
fn dilated_and_own_networks_take_the_same_step_both_ways() {
    let stage = |width, blocks, squeeze_excite| Stage { width, blocks, squeeze_excite };
    let own = |branches| Spec {
        stem: 16,
        stages: [stage(16, 2, 0), stage(24, 2, 1), stage(32, 2, 1), stage(48, 2, 0)],
        branches,
        scale: true,
        skip: true,
    };
    for output_stride in [OutputStride::Os8, OutputStride::Os16] {
        for branches in [1, 2, 5] {
            assert_both_ways_equal(&own(branches), output_stride);
        }
    }
}

#[test]
fn folding_is_for_training_alone() {
    let store = VarStore::new(Device::Cpu);
    let mut network = MobileOne::new(&store.root(), &Spec::from(Variant::S0), Form::Train, OutputStride::Os32);
    randomise(&store, 3);
    let xs = images([2, 3, 64, 64], Kind::Float);
    let expected = tch::no_grad(|| network.forward(&xs, Mode::Eval).c5);
    network.set_train_forward(TrainForward::Folded);
    let before: StateDict = store.variables().into_iter().map(|(name, v)| (name, v.detach().copy())).collect();
    assert!(tch::no_grad(|| network.forward(&xs, Mode::Eval).c5) == expected);
    assert!(store.variables().iter().all(|(name, variable)| *variable == before[name]));
    assert!(relative(&tch::no_grad(|| network.forward(&xs, Mode::Train).c5), &expected) > 0.1);
    assert!(store.variables().iter().any(|(name, variable)| *variable != before[name]));
}

/// The stem's statistics come from images in fp32: in bf16 they would be off by a thousandth.
#[test]
fn mixed_precision_takes_moments_in_full_precision() {
    let step = |train_forward, mixed: bool| {
        let store = VarStore::new(Device::Cpu);
        let mut network = MobileOne::new(&store.root(), &Spec::from(Variant::S0), Form::Train, OutputStride::Os32);
        network.set_train_forward(train_forward);
        randomise(&store, 3);
        let guard = mixed.then(|| Autocast::enter(Device::Cpu, Kind::BFloat16).unwrap());
        let features = network.forward(&images([4, 3, 96, 64], Kind::Float), Mode::Train);
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
        let mut store = VarStore::new(Device::Cpu);
        store.set_kind(Kind::BFloat16);
        let mut network = MobileOne::new(&store.root(), &Spec::from(Variant::S0), Form::Train, OutputStride::Os32);
        network.set_train_forward(train_forward);
        let c5 = network.forward(&images([4, 3, 96, 64], Kind::BFloat16), Mode::Train).c5;
        assert_eq!(c5.kind(), Kind::BFloat16);
        c5.square().mean(Kind::Float).backward();
        assert!(
            store.trainable_variables().iter().all(|variable| variable.grad().isfinite().all().int64_value(&[]) == 1)
        );
    }
}
