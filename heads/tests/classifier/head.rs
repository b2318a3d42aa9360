use backbone::{Cost, Features, Fold, Form, Mode, OutputStride, StateDict, Variant};
use heads::{
    Error,
    classifier::{Classifier, ClassifierConfig},
};
use tch::{CModule, Device, Kind, Tensor, nn::VarStore};

use crate::{
    golden::{golden, with_prefix},
    support::{assert_close, load, names},
};

fn build(config: &ClassifierConfig, kind: Kind) -> (VarStore, Classifier) {
    let mut store = VarStore::new(Device::Cpu);
    store.set_kind(kind);
    let head = Classifier::new(&store.root(), 10, 5, config).unwrap();
    (store, head)
}

fn features(c5: &Tensor) -> Features {
    let unused = || Tensor::zeros([0], (Kind::Float, Device::Cpu));
    Features { c2: unused(), c3: unused(), c4: unused(), c5: c5.shallow_clone() }
}

#[test]
fn logits_and_gradients_equal_pytorch() {
    let golden = golden("classifier");
    for (kind, tolerance) in [(Kind::Float, 1e-5), (Kind::Double, 1e-12)] {
        let (store, head) = build(&ClassifierConfig::default(), kind);
        let parameters = ["linear.bias", "linear.weight"].map(|name| (name.to_owned(), golden[name].shallow_clone()));
        load(&store, &StateDict::from(parameters));
        let c5 = golden["c5"].to_kind(kind).copy().set_requires_grad(true);
        let logits = head.forward(&features(&c5), Mode::Train).unwrap();
        assert_close(&logits, &golden["logits"], tolerance);
        logits.square().sum(kind).backward();
        assert_close(&c5.grad(), &golden["grad.c5"], tolerance);
        for (name, expected) in with_prefix(&golden, "grad.linear.") {
            assert_close(&store.variables()[&format!("linear.{name}")].grad(), &expected, tolerance);
        }
    }
}

#[test]
fn only_training_applies_dropout() {
    let (_, head) = build(&ClassifierConfig { dropout: 0.5, ..ClassifierConfig::default() }, Kind::Float);
    let features = features(&Tensor::ones([400, 10, 2, 2], (Kind::Float, Device::Cpu)));
    let steady = head.forward(&features, Mode::Eval).unwrap();
    assert_eq!(steady, head.forward(&features, Mode::Eval).unwrap());
    let dropped = head.forward(&features, Mode::Train).unwrap();
    assert_ne!(dropped.get(0), dropped.get(1));
    let deviation = (dropped.mean_dim(0, false, Kind::Float) - steady.get(0)).abs().max().double_value(&[]);
    assert!(deviation < 0.02, "on average nothing changes, found {deviation}");
}

#[test]
fn weights_start_as_in_timm() {
    let store = VarStore::new(Device::Cpu);
    Classifier::new(&store.root(), 500, 200, &ClassifierConfig::default()).unwrap();
    let variables = store.variables();
    let (weight, bias) = (&variables["linear.weight"], &variables["linear.bias"]);
    assert_eq!((weight.size(), bias.size()), (vec![200, 500], vec![200]));
    let (mean, std) = (weight.mean(Kind::Float).double_value(&[]), weight.std(true).double_value(&[]));
    assert!(mean.abs() < 2e-4 && (std - 0.01).abs() < 2e-4, "mean {mean}, deviation {std}");
    assert_eq!(bias.abs().max().double_value(&[]), 0.0);
}

#[test]
fn folding_copies_the_layer_under_its_path() {
    let store = VarStore::new(Device::Cpu);
    let head = Classifier::new(&(store.root() / "head"), 10, 5, &ClassifierConfig::default()).unwrap();
    assert_eq!(names(&store), ["head.linear.bias", "head.linear.weight"]);
    let folded = head.folded();
    let variables = store.variables();
    assert_eq!(folded.keys().cloned().collect::<Vec<_>>(), names(&store));
    assert!(folded.iter().all(|(name, tensor)| *tensor == variables[name] && !tensor.requires_grad()));
}

#[test]
fn cost_equals_that_of_the_backbones_classifier() {
    let store = VarStore::new(Device::Cpu);
    let head = Classifier::new(&store.root(), 1024, 1000, &ClassifierConfig::default()).unwrap();
    let cost = Cost::of(&Variant::S0.into(), Form::Deploy, [224, 224], OutputStride::Os32).with_classifier(1000);
    assert_eq!(head.cost(), cost.rows[cost.rows.len() - 1..]);
}

#[test]
fn a_traced_head_gives_logits_for_any_batch_and_size() {
    let (mut store, head) = build(&ClassifierConfig { dropout: 0.3, ..ClassifierConfig::default() }, Kind::Float);
    store.freeze();
    let run = |c5: &Tensor| head.forward(&features(c5), Mode::Eval).unwrap();
    let random = |size: [i64; 4]| Tensor::randn(size, (Kind::Float, Device::Cpu));
    let mut traced = |xs: &[Tensor]| vec![run(&xs[0])];
    let module = CModule::create_by_tracing("classifier", "forward", &[random([1, 10, 3, 3])], &mut traced).unwrap();
    let c5 = random([4, 10, 5, 7]);
    assert_close(&module.forward_ts(&[&c5]).unwrap(), &run(&c5), 1e-6);
}

#[test]
fn other_features_are_refused() {
    let (_, head) = build(&ClassifierConfig::default(), Kind::Float);
    for size in [vec![2, 9, 3, 3], vec![2, 10, 9], vec![0, 10, 3, 3], vec![2, 10, 0, 3]] {
        let c5 = Tensor::zeros(&size[..], (Kind::Float, Device::Cpu));
        let error = head.forward(&features(&c5), Mode::Eval).unwrap_err();
        assert!(matches!(error, Error::Shape { what: "features", .. }), "{error}");
    }
}
