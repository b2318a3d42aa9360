//! The optimiser steps against six steps of PyTorch's own optimisers.

mod difference;
mod golden_file;

use difference::difference;
use golden_file::{Golden, KINDS, PATH};
use tch::{Device, Kind, Tensor, no_grad};
use tch_ext::{
    Error,
    optim::{AdamWOptions, SgdOptions, adamw_step, sgd_step},
};

const STEPS: i64 = 6;

fn options(case: &str) -> serde_json::Value {
    let bytes = std::fs::read(PATH).expect("the golden file is readable");
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).expect("the golden file has a header");
    let metadata = header.metadata().as_ref().expect("the header has metadata");
    let cases: serde_json::Value = serde_json::from_str(&metadata["cases"]).expect("the cases are JSON");
    cases[case].clone()
}

fn sgd_options(case: &str) -> SgdOptions {
    let options = options(case);
    SgdOptions {
        lr: options["lr"].as_f64().expect("every case has a learning rate"),
        momentum: options["momentum"].as_f64().unwrap_or(0.0),
        weight_decay: options["weight_decay"].as_f64().unwrap_or(0.0),
        nesterov: options["nesterov"].as_bool().unwrap_or(false),
    }
}

fn adamw_options(case: &str) -> AdamWOptions {
    let (options, default) = (options(case), AdamWOptions::default());
    AdamWOptions {
        lr: options["lr"].as_f64().expect("every case has a learning rate"),
        beta1: options["betas"][0].as_f64().unwrap_or(default.beta1),
        beta2: options["betas"][1].as_f64().unwrap_or(default.beta2),
        eps: options["eps"].as_f64().unwrap_or(default.eps),
        weight_decay: options["weight_decay"].as_f64().unwrap_or(default.weight_decay),
    }
}

fn leaves(tensors: Vec<Tensor>) -> Vec<Tensor> {
    tensors.into_iter().map(|tensor| tensor.set_requires_grad(true)).collect()
}

fn concat(lists: [Vec<Tensor>; 2]) -> Vec<Tensor> {
    lists.into_iter().flatten().collect()
}

fn zeros_like(tensors: &[Tensor]) -> Vec<Tensor> {
    no_grad(|| tensors.iter().map(|tensor| tensor.zeros_like()).collect())
}

fn sgd_equals_pytorch(case: &str) {
    let (golden, options) = (Golden::open(), sgd_options(case));
    for (kind, _, tolerance) in KINDS {
        let params = leaves(golden.pair(&format!("{kind}.start")));
        let mut buffers = if options.momentum > 0.0 { zeros_like(&params) } else { Vec::new() };
        for step in 0..STEPS {
            let grads = golden.pair(&format!("{kind}.grad.{step}"));
            sgd_step(&params, &grads, &mut buffers, options, step == 0).unwrap();
            if step == 0 || step == STEPS - 1 {
                let expected = golden.pair(&format!("{kind}.{case}.after.{step}"));
                let difference = difference(&params, &expected);
                assert!(difference <= tolerance, "{case}, {kind}, step {step}: {difference:e}");
            }
        }
        if options.momentum > 0.0 {
            let difference = difference(&buffers, &golden.pair(&format!("{kind}.{case}.momentum_buffer")));
            assert!(difference <= tolerance, "{case}, {kind}, buffers: {difference:e}");
        }
        assert!(params.iter().all(|param| param.requires_grad()));
    }
}

fn adamw_equals_pytorch(case: &str) {
    let (golden, options) = (Golden::open(), adamw_options(case));
    for (kind, _, tolerance) in KINDS {
        let params = leaves(golden.pair(&format!("{kind}.start")));
        let (mut exp_avgs, mut exp_avg_sqs) = (zeros_like(&params), zeros_like(&params));
        for step in 0..STEPS {
            let grads = golden.pair(&format!("{kind}.grad.{step}"));
            adamw_step(&params, &grads, &mut exp_avgs, &mut exp_avg_sqs, step + 1, options).unwrap();
            if step == 0 || step == STEPS - 1 {
                let expected = golden.pair(&format!("{kind}.{case}.after.{step}"));
                let difference = difference(&params, &expected);
                assert!(difference <= tolerance, "{case}, {kind}, step {step}: {difference:e}");
            }
        }
        for (name, moments) in [("exp_avg", &exp_avgs), ("exp_avg_sq", &exp_avg_sqs)] {
            let difference = difference(moments, &golden.pair(&format!("{kind}.{case}.{name}")));
            assert!(difference <= tolerance, "{case}, {kind}, {name}: {difference:e}");
        }
    }
}

#[test]
fn plain_sgd_equals_pytorch() {
    sgd_equals_pytorch("sgd_plain");
}

#[test]
fn sgd_with_weight_decay_equals_pytorch() {
    sgd_equals_pytorch("sgd_decayed");
}

#[test]
fn sgd_with_momentum_equals_pytorch() {
    sgd_equals_pytorch("sgd_momentum");
}

#[test]
fn sgd_with_nesterov_momentum_equals_pytorch() {
    sgd_equals_pytorch("sgd_nesterov");
}

#[test]
fn adamw_equals_pytorch_with_all_options_changed() {
    adamw_equals_pytorch("adamw");
}

#[test]
fn adamw_without_decay_equals_pytorch() {
    adamw_equals_pytorch("adamw_undecayed");
}

#[test]
fn zero_buffers_give_the_first_step_without_the_flag() {
    let (golden, options) = (Golden::open(), sgd_options("sgd_nesterov"));
    let grads = golden.pair("f64.grad.0");
    let step = |first_step| {
        let params = golden.pair("f64.start");
        let mut buffers = zeros_like(&params);
        sgd_step(&params, &grads, &mut buffers, options, first_step).unwrap();
        concat([params, buffers])
    };
    assert_eq!(difference(&step(false), &step(true)), 0.0);
}

#[test]
fn the_first_step_ignores_the_contents_of_the_buffers() {
    let (golden, options) = (Golden::open(), sgd_options("sgd_momentum"));
    let params = golden.pair("f64.start");
    let mut buffers = golden.pair("f64.grad.3");
    sgd_step(&params, &golden.pair("f64.grad.0"), &mut buffers, options, true).unwrap();
    assert!(difference(&params, &golden.pair("f64.sgd_momentum.after.0")) <= 1e-12);
}

/// The same numbers with adjacent channels in memory.
fn with_adjacent_channels(tensor: &Tensor) -> Tensor {
    if tensor.dim() != 4 {
        return tensor.copy();
    }
    tensor.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

#[test]
fn strides_that_differ_within_a_step_change_nothing() {
    let (golden, options) = (Golden::open(), adamw_options("adamw"));
    let params: Vec<_> = golden.pair("f64.start").iter().map(with_adjacent_channels).collect();
    assert!(!params[0].is_contiguous());
    let strides = params[0].stride();
    let mut exp_avgs = golden.pair("f64.start").iter().map(|tensor| tensor.zeros_like()).collect::<Vec<_>>();
    let mut exp_avg_sqs = zeros_like(&params);
    for step in 0..STEPS {
        let grads = golden.pair(&format!("f64.grad.{step}"));
        adamw_step(&params, &grads, &mut exp_avgs, &mut exp_avg_sqs, step + 1, options).unwrap();
    }
    assert_eq!(params[0].stride(), strides);
    assert!(difference(&params, &golden.pair("f64.adamw.after.5")) <= 1e-12);
    assert!(difference(&exp_avgs, &golden.pair("f64.adamw.exp_avg")) <= 1e-12);
    assert!(difference(&exp_avg_sqs, &golden.pair("f64.adamw.exp_avg_sq")) <= 1e-12);
}

#[test]
fn a_parameter_that_is_a_view_with_gaps_is_stepped_in_place() {
    let whole = Tensor::from_slice(&[1f64, 2., 3., 4., 5., 6.]);
    let every_other = whole.slice(0, 0, 6, 2);
    let grads = [Tensor::from_slice(&[1f64, 1., 1.])];
    let options = SgdOptions { lr: 0.5, momentum: 0.9, weight_decay: 0.0, nesterov: false };
    let mut buffers = [Tensor::zeros([3], (Kind::Double, Device::Cpu))];
    sgd_step(&[every_other], &grads, &mut buffers, options, true).unwrap();
    assert_eq!(Vec::<f64>::try_from(&whole).unwrap(), [0.5, 2., 2.5, 4., 4.5, 6.]);
}

#[test]
fn parameters_of_several_kinds_step_together() {
    let (golden, options) = (Golden::open(), adamw_options("adamw"));
    let both = |name: &str| concat(["f32", "f64"].map(|kind| golden.pair(&format!("{kind}.{name}"))));
    let params = both("start");
    let (mut exp_avgs, mut exp_avg_sqs) = (zeros_like(&params), zeros_like(&params));
    adamw_step(&params, &both("grad.0"), &mut exp_avgs, &mut exp_avg_sqs, 1, options).unwrap();
    assert!(difference(&params[..2], &golden.pair("f32.adamw.after.0")) <= 1e-6);
    assert!(difference(&params[2..], &golden.pair("f64.adamw.after.0")) <= 1e-12);
}

#[test]
fn a_step_over_no_parameters_does_nothing() {
    let options = SgdOptions { lr: 0.1, momentum: 0.9, weight_decay: 0.0, nesterov: false };
    sgd_step(&[], &[], &mut [], options, true).unwrap();
    adamw_step(&[], &[], &mut [], &mut [], 1, AdamWOptions::default()).unwrap();
}

#[test]
fn lists_that_do_not_match_are_refused_by_name() {
    let sgd = SgdOptions { lr: 0.1, momentum: 0.9, weight_decay: 0.0, nesterov: false };
    let zeros = |shape: &[i64], kind| Tensor::zeros(shape, (kind, Device::Cpu));
    let params = [zeros(&[2, 3], Kind::Float), zeros(&[4], Kind::Float)];
    let fitting = || [zeros(&[2, 3], Kind::Float), zeros(&[4], Kind::Float)];
    let step = |grads: &[Tensor], buffers: &mut [Tensor]| sgd_step(&params, grads, buffers, sgd, true).unwrap_err();

    let error = step(&fitting()[..1], &mut fitting());
    assert!(matches!(error, Error::Count { list: "gradients", expected: 2, found: 1 }), "{error}");

    let error = step(&[zeros(&[2, 3], Kind::Float), Tensor::new()], &mut fitting());
    assert!(matches!(error, Error::Undefined { list: "gradients", index: 1 }), "{error}");

    let error = step(&fitting(), &mut [zeros(&[3, 2], Kind::Float), zeros(&[4], Kind::Float)]);
    assert!(matches!(error, Error::Shape { list: "momentum buffers", index: 0, .. }), "{error}");
    assert_eq!(error.to_string(), "number 0 of the momentum buffers has shape [3, 2], expected [2, 3]");

    let error = step(&[zeros(&[2, 3], Kind::Float), zeros(&[4], Kind::Double)], &mut fitting());
    assert!(matches!(error, Error::Placement { list: "gradients", index: 1, found: Kind::Double, .. }), "{error}");
    assert_eq!(error.to_string(), "number 1 of the gradients is Double on Cpu, expected Float on Cpu");
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let sgd = SgdOptions { lr: 0.1, momentum: 0.0, weight_decay: 0.0, nesterov: true };
    let error = sgd_step(&[], &[], &mut [], sgd, true).unwrap_err();
    assert!(matches!(error, Error::Option { option: "momentum", .. }), "{error}");

    let adamw = AdamWOptions { lr: f64::NAN, ..AdamWOptions::default() };
    let error = adamw_step(&[], &[], &mut [], &mut [], 1, adamw).unwrap_err();
    assert!(matches!(error, Error::Option { option: "lr", .. }), "{error}");

    let error = adamw_step(&[], &[], &mut [], &mut [], 0, AdamWOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Option { option: "step", .. }), "{error}");
}

#[test]
fn an_exception_of_libtorch_becomes_an_error_of_one_line() {
    let counter = || Tensor::from_slice(&[1i64, 2]);
    let sgd = SgdOptions { lr: 0.1, momentum: 0.0, weight_decay: 0.0, nesterov: false };
    let error = sgd_step(&[counter()], &[counter()], &mut [], sgd, true).unwrap_err();
    let Error::Libtorch { call, message } = &error else { panic!("{error}") };
    assert_eq!(*call, "take an SGD step");
    assert!(!message.is_empty() && !message.contains('\n'), "{message}");
}
