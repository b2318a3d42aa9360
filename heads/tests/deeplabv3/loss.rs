use backbone::{Form, OutputStride};
use heads::deeplabv3::{DeepLabV3Config, OhemConfig, Output};
use proptest::prelude::*;
use tch::{Device, Kind, Tensor};

use crate::support::{CLASSES, assert_close, auxiliary, build, golden, small};

const IGNORED: i64 = 255;

/// Main loss and gradient of logits at the resolution of the targets.
fn run(config: &DeepLabV3Config, logits: &Tensor, targets: &Tensor) -> (Tensor, Tensor) {
    let (_, head) = build(config, OutputStride::Os16, Form::Train, Kind::Float);
    let leaf = logits.copy().set_requires_grad(true);
    let output = Output { logits: leaf.shallow_clone(), auxiliary: None };
    let losses = head.loss(&output, targets).unwrap();
    assert!(losses.auxiliary.is_none());
    losses.main.backward();
    (losses.main, leaf.grad())
}

fn mining(threshold: f64, min_kept: i64) -> DeepLabV3Config {
    DeepLabV3Config { ohem: Some(OhemConfig { threshold, min_kept }), ..small() }
}

fn weighted(weights: &[f64], config: DeepLabV3Config) -> DeepLabV3Config {
    DeepLabV3Config { class_weights: Some(weights.to_vec()), ..config }
}

#[test]
fn losses_and_gradients_equal_pytorch_and_mmsegmentation() {
    let golden = golden("loss");
    for (name, config) in [
        ("plain", small()),
        ("weighted", weighted(&[0.25, 1.0, 3.5, 0.0], small())),
        ("ohem.threshold", mining(0.7, 5)),
        ("ohem.least", mining(0.01, 20)),
    ] {
        for (kind, tolerance) in [(Kind::Float, 1e-5), (Kind::Double, 1e-12)] {
            let (loss, grad) = run(&config, &golden["logits"].to_kind(kind), &golden["targets"]);
            assert_eq!((loss.kind(), loss.size()), (kind, vec![]));
            assert_close(&loss, &golden[&format!("{name}.loss")], tolerance);
            assert_close(&grad, &golden[&format!("{name}.grad")], tolerance);
        }
    }
}

#[test]
fn a_batch_of_ignored_pixels_has_no_loss_and_no_gradient() {
    let logits = Tensor::randn([2, CLASSES, 3, 4], (Kind::Float, Device::Cpu));
    let targets = Tensor::full([2, 6, 8], IGNORED, (Kind::Uint8, Device::Cpu));
    for config in [small(), weighted(&[1.0, 2.0, 3.0, 4.0], small()), mining(0.7, 10), mining(1.0, 1000)] {
        let (loss, grad) = run(&config, &logits, &targets);
        assert_eq!(loss.double_value(&[]), 0.0);
        assert_eq!(grad, logits.zeros_like());
    }
    let only_weightless = Tensor::full([2, 6, 8], 3, (Kind::Int64, Device::Cpu));
    let (loss, grad) = run(&weighted(&[1.0, 1.0, 1.0, 0.0], small()), &logits, &only_weightless);
    assert_eq!((loss.double_value(&[]), grad), (0.0, logits.zeros_like()));
}

#[test]
fn a_loss_that_is_not_a_number_is_returned() {
    let logits = Tensor::randn([1, CLASSES, 4, 4], (Kind::Float, Device::Cpu));
    let _ = logits.get(0).get(1).get(2).fill_(f64::NAN);
    let targets = Tensor::zeros([1, 4, 4], (Kind::Int64, Device::Cpu));
    for config in [small(), mining(0.7, 1), mining(0.7, 1000)] {
        assert!(run(&config, &logits, &targets).0.double_value(&[]).is_nan());
    }
}

#[test]
fn another_id_may_be_ignored() {
    let logits = Tensor::randn([1, CLASSES, 2, 2], (Kind::Double, Device::Cpu));
    let targets = |ids: [i64; 4]| Tensor::from_slice(&ids).view([1, 2, 2]);
    let zero = DeepLabV3Config { ignore_index: 0, ..small() };
    let (by_zero, _) = run(&zero, &logits, &targets([0, 3, 2, 0]));
    let (by_default, _) = run(&small(), &logits, &targets([255, 3, 2, 255]));
    assert_close(&by_zero, &by_default, 1e-12);
}

#[test]
fn half_precision_logits_are_scored_in_single_precision() {
    let golden = golden("loss");
    let half = golden["logits"].to_kind(Kind::BFloat16);
    let targets = &golden["targets"];
    for config in [small(), mining(0.5, 4)] {
        let (loss, _) = run(&config, &half, targets);
        assert_eq!((loss.kind(), &loss), (Kind::Float, &run(&config, &half.to_kind(Kind::Float), targets).0));
    }
}

#[test]
fn the_auxiliary_loss_counts_every_pixel_and_is_weighted() {
    let golden = golden("loss");
    let config = DeepLabV3Config { auxiliary: auxiliary(), ..mining(0.7, 5) };
    let (_, head) = build(&config, OutputStride::Os16, Form::Train, Kind::Float);
    let logits = || golden["logits"].to_kind(Kind::Double);
    let output = Output { logits: logits(), auxiliary: Some(logits()) };
    let losses = head.loss(&output, &golden["targets"]).unwrap();
    assert_close(&losses.main, &golden["ohem.threshold.loss"], 1e-12);
    assert_close(&losses.auxiliary.unwrap(), &(&golden["plain.loss"] * 0.5), 1e-12);
}

#[test]
fn targets_that_do_not_fit_are_refused_by_name() {
    let (_, head) = build(&small(), OutputStride::Os16, Form::Train, Kind::Float);
    let output = Output { logits: Tensor::zeros([2, CLASSES, 2, 2], (Kind::Float, Device::Cpu)), auxiliary: None };
    let refuse = |targets: Tensor| head.loss(&output, &targets).unwrap_err().to_string();
    let zeros = |size: &[i64]| Tensor::zeros(size, (Kind::Uint8, Device::Cpu));
    let wrong = zeros(&[2, 3, 5]);
    let _ = wrong.get(1).get(2).narrow(0, 3, 1).fill_(4);
    assert_eq!(refuse(wrong), "masks hold 4 at [1, 2, 3], expected 0 to 3, or 255 to ignore");
    assert_eq!(
        refuse(zeros(&[2, 3, 5]).to_kind(Kind::Int) - 1),
        "masks hold -1 at [0, 0, 0], expected 0 to 3, or 255 to ignore"
    );
    assert_eq!(refuse(zeros(&[1, 3, 5])), "masks have shape [1, 3, 5], expected [2, H, W]");
    assert_eq!(refuse(zeros(&[2, 0, 5])), "masks have shape [2, 0, 5], expected [2, H, W]");
    assert_eq!(refuse(zeros(&[2, 1, 3, 5])), "masks have shape [2, 1, 3, 5], expected [2, H, W]");
    assert_eq!(refuse(zeros(&[2, 3, 5]).to_kind(Kind::Float)), "masks are of kind Float, expected integers");
}

/// Logits of `CLASSES` classes and targets of a row of pixels, some of them ignored; few distinct values, so that many tie.
fn pixels() -> impl Strategy<Value = (Tensor, Tensor)> {
    let target = prop_oneof![4 => 0..CLASSES, 1 => Just(IGNORED)];
    let pixel = (prop::array::uniform4((-3_i8..=3).prop_map(f64::from)), target);
    prop::collection::vec(pixel, 1..60).prop_map(|pixels| {
        let (logits, targets): (Vec<[f64; 4]>, Vec<i64>) = pixels.into_iter().unzip();
        let logits = Tensor::from_slice(logits.as_flattened()).view([1, -1, 1, CLASSES]).permute([0, 3, 1, 2]);
        (logits.contiguous(), Tensor::from_slice(&targets).view([1, -1, 1]))
    })
}

/// The pixels that the loss has a gradient for; none of them can have a gradient of 0 by chance.
fn counted(grad: &Tensor) -> Tensor {
    grad.abs().sum_dim_intlist(1, false, Kind::Double).gt(0.0)
}

fn count(mask: &Tensor) -> i64 {
    mask.sum(Kind::Int64).int64_value(&[])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn mining_keeps_the_hard_pixels_and_at_least_so_many(
        (logits, targets) in pixels(), threshold in 0.05..1.0_f64, min_kept in 1..70_i64,
    ) {
        let (loss, grad) = run(&mining(threshold, min_kept), &logits, &targets);
        let kept = counted(&grad);
        let valid = targets.ne(IGNORED);
        prop_assert_eq!(count(&kept.logical_and(&valid.logical_not())), 0, "ignored pixels are not counted");
        prop_assert!(count(&kept) >= min_kept.min(count(&valid)));

        let indices = targets.masked_fill(&valid.logical_not(), 0).unsqueeze(1);
        let probability = logits.softmax(1, Kind::Double).gather(1, &indices, false).squeeze_dim(1);
        let hard = probability.lt(threshold - 1e-9).logical_and(&valid);
        prop_assert_eq!(count(&hard.logical_and(&kept.logical_not())), 0, "hard pixels are counted");
        let bound = probability.masked_select(&kept);
        let left = probability.masked_select(&valid.logical_and(&kept.logical_not()));
        if count(&kept) > 0 && left.numel() > 0 {
            let (easiest, next) = (bound.max().double_value(&[]), left.min().double_value(&[]));
            prop_assert!(easiest < next + 1e-12, "no easier pixel is preferred");
        }
        if count(&kept) > 0 {
            let mean = -bound.log().mean(Kind::Double).double_value(&[]);
            prop_assert!((loss.double_value(&[]) - mean).abs() <= 1e-12 * mean.max(1.0));
        }
    }

    #[test]
    fn mining_up_to_a_probability_of_one_is_plain_cross_entropy(
        (logits, targets) in pixels(), min_kept in 1..70_i64, weights in prop::array::uniform4(0.1..5.0_f64),
    ) {
        let scaled = &logits * 30.0;
        for logits in [logits, scaled.to_kind(Kind::Float)] {
            for (plain, mined) in [
                (small(), mining(1.0, min_kept)),
                (weighted(&weights, small()), weighted(&weights, mining(1.0, min_kept))),
            ] {
                let (expected, expected_grad) = run(&plain, &logits, &targets);
                let (loss, grad) = run(&mined, &logits, &targets);
                let (expected, loss) = (expected.double_value(&[]), loss.double_value(&[]));
                prop_assert!((loss - expected).abs() <= 1e-5 * expected.abs().max(1e-3), "{loss} {expected}");
                prop_assert!((grad - expected_grad).abs().max().double_value(&[]) <= 1e-6);
            }
        }
    }
}
