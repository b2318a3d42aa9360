//! Train-form weights made from deploy-form ones.

mod support;

use backbone::{
    Backbone, Error, Fold, Form, MobileOne, Mode, OutputStride, Policy, Spec, StateDict, Variant,
    checkpoint::{load_into, variables},
    init::{calibrate, from_deploy},
};
use support::{assert_close, images, load, randomise, relative, snapshot};
use tch::{Device, Kind, Tensor, nn::VarStore};

fn build(spec: &Spec, form: Form, kind: Kind) -> (VarStore, MobileOne) {
    support::build(spec, form, OutputStride::Os32, kind)
}

/// A deploy form with the statistics of a trained network, and the train form made from it.
fn deploy_and_train(spec: &Spec, kind: Kind) -> (MobileOne, VarStore, MobileOne) {
    let (source_store, source) = build(spec, Form::Train, kind);
    randomise(&source_store, 21);
    let folded = source.folded();
    let (deploy_store, deploy) = build(spec, Form::Deploy, kind);
    load(&deploy_store, &folded);
    let (store, network) = build(spec, Form::Train, kind);
    let made = from_deploy(spec, &folded).unwrap();
    load(&store, &made);
    (deploy, store, network)
}

fn small() -> Spec {
    support::spec([(16, 2, 0), (24, 2, 0), (32, 2, 1), (40, 1, 1)], 3)
}

#[test]
fn the_made_train_form_equals_the_deploy_form() {
    let specs = [Spec::from(Variant::S0), Spec::from(Variant::S1), Spec::from(Variant::S4), small()];
    for (kind, tolerance) in [(Kind::Float, 1e-5), (Kind::Double, 1e-12)] {
        for spec in &specs {
            let (deploy, _store, train) = deploy_and_train(spec, kind);
            let xs = images([2, 3, 64, 64], kind);
            tch::no_grad(|| {
                assert_close(
                    &train.forward(&xs, Mode::Eval).unwrap().c5,
                    &deploy.forward(&xs, Mode::Eval).unwrap().c5,
                    tolerance,
                );
            });
        }
    }
}

#[test]
fn every_branch_has_gradients_and_no_two_are_equal() {
    let (_, store, network) = deploy_and_train(&small(), Kind::Float);
    let xs = images([4, 3, 64, 64], Kind::Float);
    network.forward(&xs, Mode::Train).unwrap().c5.square().mean(Kind::Float).backward();
    let variables = store.variables();
    for (name, variable) in &variables {
        // Squeeze-and-excitation is not a branch, and its own ReLU may be inactive.
        if variable.requires_grad() && name.contains(".rbr_") {
            assert!(variable.grad().abs().max().double_value(&[]) > 0.0, "{name} has no gradient");
        }
        if name.ends_with("conv.weight") {
            assert!(variable.square().mean(Kind::Float).double_value(&[]).sqrt() > 1e-3, "{name} is zero");
        }
        if let Some(layer) = name.strip_suffix("rbr_conv.0.conv.weight").filter(|layer| *layer != "stage0.") {
            let other = &variables[&format!("{layer}rbr_conv.1.conv.weight")];
            assert!(relative(variable, other) > 0.1, "branches of {layer} are equal");
        }
    }
}

#[test]
fn calibration_changes_nothing_with_running_statistics_and_makes_batch_statistics_agree() {
    for (kind, tolerance) in [(Kind::Float, 1e-5), (Kind::Double, 1e-12)] {
        let (deploy, store, train) = deploy_and_train(&small(), kind);
        let batches = images([24, 3, 96, 96], kind).chunk(3, 0);
        let expected = tch::no_grad(|| deploy.forward(&batches[0], Mode::Eval).unwrap().c4);
        let in_training = |network: &MobileOne| {
            let saved = snapshot(&store);
            let output = tch::no_grad(|| network.forward(&batches[0], Mode::Train).unwrap().c4);
            load_into(&variables(&store, ""), &saved, Policy::Exact).unwrap();
            relative(&output, &expected)
        };
        assert!(in_training(&train) > 0.5);
        calibrate(&train, [batches[0].shallow_clone()]).unwrap();
        // What remains is Bessel's correction, 1 / 288 of the variance at the last layer.
        let difference = in_training(&train);
        assert!(difference < 0.01, "batch statistics differ by {difference}");

        calibrate(&train, batches.iter().map(Tensor::shallow_clone)).unwrap();
        assert_close(&tch::no_grad(|| train.forward(&batches[0], Mode::Eval).unwrap().c4), &expected, tolerance);
        let variables = store.variables();
        let mean = &variables["stage0.rbr_conv.0.bn.running_mean"];
        let raw = Tensor::cat(&batches, 0).conv2d(
            &variables["stage0.rbr_conv.0.conv.weight"],
            None::<&Tensor>,
            [2, 2],
            [1, 1],
            [1, 1],
            1,
        );
        assert_close(mean, &raw.mean_dim(&[0i64, 2, 3][..], false, None), tolerance * 100.0);
        let variance = raw.var_dim(&[0i64, 2, 3][..], true, false);
        assert_close(&variables["stage0.rbr_conv.0.bn.running_var"], &variance, tolerance * 10.0);
    }
}

#[test]
fn calibration_without_batches_or_branches_changes_nothing() {
    for form in [Form::Train, Form::Deploy] {
        let (store, network) = build(&small(), form, Kind::Float);
        randomise(&store, 5);
        let before = snapshot(&store);
        let batches = if form == Form::Train { vec![] } else { vec![images([2, 3, 64, 64], Kind::Float)] };
        calibrate(&network, batches).unwrap();
        assert!(store.variables().iter().all(|(name, variable)| *variable == before[name]));
    }
}

#[test]
fn a_deploy_form_of_another_network_is_refused_by_name_and_other_tensors_are_kept() {
    let (store, _) = build(&Spec::from(Variant::S0), Form::Deploy, Kind::Float);
    let mut deploy: StateDict = store.variables().into_iter().collect();
    let Err(Error::Incompatible(report)) = from_deploy(&Spec::from(Variant::S1), &deploy) else { panic!("S0 fits S1") };
    assert_eq!(report.mismatched[0].name, "stage0.reparam_conv.weight");
    assert_eq!(report.mismatched[0].expected, [64, 3, 3, 3]);

    deploy.insert("linear.bias".to_owned(), Tensor::ones(7, (Kind::Float, Device::Cpu)));
    assert_eq!(from_deploy(&Spec::from(Variant::S0), &deploy).unwrap()["linear.bias"], deploy["linear.bias"]);
    deploy.remove("stage4.1.reparam_conv.bias");
    let Err(Error::Incompatible(report)) = from_deploy(&Spec::from(Variant::S0), &deploy) else {
        panic!("one is missing")
    };
    assert_eq!(report.missing, [("stage4.1.reparam_conv.bias".to_owned(), vec![1024])]);
}
