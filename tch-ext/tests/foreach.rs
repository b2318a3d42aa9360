//! Gradients, clipping, averages and copies over lists.

mod difference;
mod golden_file;

use difference::difference;
use golden_file::{Golden, KINDS, PATH};
use tch::{Device, Kind, Tensor, no_grad};
use tch_ext::{Error, foreach};

/// Parameters whose gradients are `grads`.
fn params_with(grads: &[Tensor]) -> Vec<Tensor> {
    grads
        .iter()
        .map(|grad| {
            let param = grad.zeros_like().set_requires_grad(true);
            (&param * grad).sum(grad.kind()).backward();
            param
        })
        .collect()
}

fn defined_gradients(params: &[Tensor]) -> Vec<Tensor> {
    foreach::gradients(params).into_iter().flatten().collect()
}

fn expected_norm(kind: &str) -> f64 {
    let bytes = std::fs::read(PATH).expect("the golden file is readable");
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).expect("the golden file has a header");
    let metadata = header.metadata().as_ref().expect("the header has metadata");
    metadata[&format!("{kind}.norm")].parse().expect("the norm is a number")
}

#[test]
fn gradients_are_the_parameters_own_and_none_where_there_is_none() {
    let grads = [Tensor::from_slice(&[1f32, 2.])];
    let mut params = params_with(&grads);
    params.push(Tensor::zeros([3], (Kind::Float, Device::Cpu)).set_requires_grad(true));
    params.push(Tensor::new());

    let found = foreach::gradients(&params);
    assert_eq!(found.len(), 3);
    assert!(found[1].is_none() && found[2].is_none());
    let found = found[0].as_ref().unwrap();
    assert_eq!(*found, grads[0]);
    assert_eq!(found.data_ptr(), params[0].grad().data_ptr());
}

#[test]
fn zeroed_gradients_keep_their_memory() {
    let grads = [Tensor::from_slice(&[1f32, 2.]), Tensor::from_slice(&[3f32])];
    let mut params = params_with(&grads);
    params.push(Tensor::ones([2], (Kind::Float, Device::Cpu)).set_requires_grad(true));
    let memory = params[0].grad().data_ptr();
    foreach::scale_gradients(&params, 2.0).unwrap();
    assert_eq!(params[0].grad(), &grads[0] * 2.0);
    foreach::zero_gradients(&params).unwrap();
    assert_eq!(params[0].grad().data_ptr(), memory);
    assert_eq!(params[0].grad(), grads[0].zeros_like());
    assert!(!params[2].grad().defined());
}

#[test]
fn cleared_gradients_are_undefined_and_the_next_backward_stores() {
    let grads = [Tensor::from_slice(&[1f32, 2.]), Tensor::from_slice(&[3f32])];
    let mut params = params_with(&grads);
    params.push(Tensor::new());
    foreach::clear_gradients(&params);
    assert!(params[..2].iter().all(|param| !param.grad().defined() && param.requires_grad()));
    (&params[0] * &grads[0]).sum(Kind::Float).backward();
    assert_eq!(params[0].grad(), grads[0]);
}

#[test]
fn clipping_equals_pytorch() {
    let golden = Golden::open();
    for (kind, _, tolerance) in KINDS {
        for max_norm in ["0.5", "1000"] {
            let params = params_with(&golden.pair(&format!("{kind}.grad.0")));
            let norm = foreach::clip_grad_norm(&params, max_norm.parse().unwrap()).unwrap();
            assert!((norm / expected_norm(kind) - 1.0).abs() <= tolerance, "{norm}");
            let difference =
                difference(&defined_gradients(&params), &golden.pair(&format!("{kind}.clipped.{max_norm}")));
            assert!(difference <= tolerance, "{kind}, {max_norm}: {difference:e}");
        }
    }
}

#[test]
fn an_infinite_limit_measures_and_changes_nothing() {
    let grads = [Tensor::from_slice(&[3f32, f32::INFINITY]), Tensor::from_slice(&[4f32])];
    let params = params_with(&grads);
    assert_eq!(foreach::clip_grad_norm(&params, f64::INFINITY).unwrap(), f64::INFINITY);
    assert_eq!(defined_gradients(&params), grads);
}

#[test]
fn parameters_without_gradients_do_not_count_into_the_norm() {
    let mut params = params_with(&[Tensor::from_slice(&[3f32]), Tensor::from_slice(&[4f64])]);
    params.push(Tensor::ones([9], (Kind::Float, Device::Cpu)).set_requires_grad(true));
    assert!((foreach::clip_grad_norm(&params, 1.0).unwrap() - 5.0).abs() < 1e-6);
    assert!((foreach::clip_grad_norm(&params, 1.0).unwrap() - 1.0).abs() < 1e-5);
    assert_eq!(foreach::clip_grad_norm(&params[2..], 1.0).unwrap(), 0.0);
}

#[test]
fn a_norm_that_is_not_a_number_reaches_every_gradient_and_the_caller() {
    let params = params_with(&[Tensor::from_slice(&[f32::NAN]), Tensor::from_slice(&[1f32])]);
    assert!(foreach::clip_grad_norm(&params, 1.0).unwrap().is_nan());
    assert!(defined_gradients(&params)[1].double_value(&[0]).is_nan());
}

#[test]
fn a_limit_below_zero_is_refused() {
    let error = foreach::clip_grad_norm(&[], -1.0).unwrap_err();
    assert!(matches!(error, Error::Option { option: "max_norm", .. }), "{error}");
    let error = foreach::clip_grad_norm(&[Tensor::new()], 1.0).unwrap_err();
    assert!(matches!(error, Error::Undefined { list: "parameters", index: 0 }), "{error}");
}

#[test]
fn moving_averages_equal_pytorch() {
    let golden = Golden::open();
    for (kind, _, tolerance) in KINDS {
        let averages = golden.pair(&format!("{kind}.start"));
        for step in 0..6 {
            let weights = golden.pair(&format!("{kind}.grad.{step}"));
            foreach::lerp(&averages, &weights, 0.1).unwrap();
        }
        let difference = difference(&averages, &golden.pair(&format!("{kind}.average")));
        assert!(difference <= tolerance, "{kind}: {difference:e}");
    }
}

#[test]
fn averaging_copies_counters_and_converts_kinds() {
    let targets = [Tensor::from_slice(&[3i64]), Tensor::from_slice(&[0f32, 4.]), Tensor::from(true)];
    let weights = Tensor::from_slice(&[4f64, 0.]).set_requires_grad(true);
    let sources = [Tensor::from_slice(&[8i64]), weights.shallow_clone(), Tensor::from(false)];
    foreach::lerp(&targets, &sources, 0.25).unwrap();
    assert_eq!(targets[0], Tensor::from_slice(&[8i64]));
    assert_eq!(targets[1], Tensor::from_slice(&[1f32, 3.]));
    assert_eq!(targets[2], Tensor::from(false));
    assert!(!targets[1].requires_grad());
}

#[test]
fn averaging_refuses_lists_that_do_not_match() {
    let targets = [Tensor::from_slice(&[1f32, 2.])];
    let error = foreach::lerp(&targets, &[Tensor::from_slice(&[1f32])], 0.5).unwrap_err();
    assert!(matches!(error, Error::Shape { list: "sources", index: 0, .. }), "{error}");
    let error = foreach::lerp(&targets, &[], 0.5).unwrap_err();
    assert!(matches!(error, Error::Count { list: "sources", expected: 1, found: 0 }), "{error}");
    let error = foreach::lerp(&targets, &targets, f64::NAN).unwrap_err();
    assert!(matches!(error, Error::Option { option: "weight", .. }), "{error}");
}

#[test]
fn copies_reach_parameters_across_kinds_and_strides() {
    let param = Tensor::zeros([2, 3, 2, 2], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let source = Tensor::arange(24, (Kind::Double, Device::Cpu)).view([2, 2, 2, 3]).permute([0, 3, 1, 2]);
    foreach::copy(&[param.shallow_clone(), Tensor::new()][..1], &[source.shallow_clone()]).unwrap();
    no_grad(|| assert_eq!(param.to_kind(Kind::Double), source));
    assert!(param.requires_grad() && param.is_leaf());

    let error = foreach::copy(&[param], &[Tensor::from_slice(&[1f32])]).unwrap_err();
    assert!(matches!(error, Error::Shape { list: "sources", index: 0, .. }), "{error}");
}
