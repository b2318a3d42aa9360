use std::collections::BTreeMap;

use heads::{
    Error,
    ssdlite::{GroundTruth, Losses, Predictions, SsdLiteConfig},
};
use tch::{Kind, Tensor};

use crate::support::{floats, golden, head, integers, relative, rows};

const SIZE: [i64; 2] = [96, 96];
const CLASSES: i64 = 5;
const IMAGES: usize = 4;

fn targets(golden: &BTreeMap<String, Tensor>) -> Vec<GroundTruth> {
    let target = |image| GroundTruth {
        boxes: rows(&golden[&format!("boxes.{image}")]),
        labels: integers(&golden[&format!("labels.{image}")]),
    };
    (0..IMAGES).map(target).collect()
}

/// Losses and the gradients of classification + 2 localization.
fn run(logits: &Tensor, deltas: &Tensor, targets: &[GroundTruth], config: &SsdLiteConfig) -> ([f32; 2], [Tensor; 2]) {
    let inputs = [logits, deltas].map(|tensor| tensor.copy().set_requires_grad(true));
    let predictions = Predictions { logits: inputs[0].shallow_clone(), deltas: inputs[1].shallow_clone() };
    let Losses { classification, localization, .. } = head(SIZE, CLASSES, config).loss(&predictions, targets).unwrap();
    (&classification + &localization * 2.0).backward();
    let values = [classification, localization].map(|loss| {
        assert_eq!((loss.kind(), loss.size()), (Kind::Float, vec![]));
        loss.double_value(&[]) as f32
    });
    (values, inputs.map(|input| input.grad()))
}

#[track_caller]
fn assert_losses([classification, localization]: [f32; 2], golden: &BTreeMap<String, Tensor>, case: &str) {
    for (value, name) in [(classification, "classification"), (localization, "localization")] {
        let expected = floats(&golden[&format!("{case}.{name}")])[0];
        assert!((value - expected).abs() <= 2e-6 * expected, "{case}: {name} is {value}, expected {expected}");
    }
}

#[test]
fn losses_and_gradients_equal_torchvision() {
    let golden = golden("loss");
    let (values, [logits_grad, deltas_grad]) =
        run(&golden["logits"], &golden["deltas"], &targets(&golden), &SsdLiteConfig::default());
    assert_losses(values, &golden, "default");
    assert!(relative(&logits_grad, &golden["default.logits_grad"]) < 1e-5);
    assert!(relative(&deltas_grad, &golden["default.deltas_grad"]) < 1e-5);
    let counted = |grad: &Tensor| grad.abs().sum_dim_intlist(-1, false, Kind::Float).gt(0.0);
    assert_eq!(counted(&logits_grad), counted(&golden["default.logits_grad"]), "the same anchors are counted");
}

#[test]
fn a_positive_fraction_without_an_integer_ratio_equals_torchvision() {
    let golden = golden("loss");
    let config = SsdLiteConfig { positive_fraction: 0.35, ..SsdLiteConfig::default() };
    assert_losses(run(&golden["logits"], &golden["deltas"], &targets(&golden), &config).0, &golden, "third_positive");
}

#[test]
fn of_equally_hard_negatives_those_of_torchvision_are_counted() {
    let golden = golden("loss");
    let (logits, deltas) = (golden["logits"].zeros_like(), golden["deltas"].zeros_like());
    let (values, [logits_grad, _]) = run(&logits, &deltas, &targets(&golden), &SsdLiteConfig::default());
    assert_losses(values, &golden, "flat");
    let counted = logits_grad.abs().sum_dim_intlist(-1, false, Kind::Float).gt(0.0).to_kind(Kind::Uint8);
    assert_eq!(counted, golden["flat.counted"]);
}

#[test]
fn a_batch_without_objects_has_no_loss_and_no_gradient() {
    let golden = golden("loss");
    let empty = vec![GroundTruth::default(); IMAGES];
    let (values, grads) = run(&golden["logits"], &golden["deltas"], &empty, &SsdLiteConfig::default());
    assert_eq!(values, [0.0, 0.0]);
    assert_losses(values, &golden, "empty");
    assert!(grads.iter().all(|grad| grad.abs().max().double_value(&[]) == 0.0));
}

#[test]
fn weights_scale_the_losses() {
    let golden = golden("loss");
    let targets = targets(&golden);
    let config = SsdLiteConfig { classification_weight: 3.0, localization_weight: 0.5, ..SsdLiteConfig::default() };
    let (plain, _) = run(&golden["logits"], &golden["deltas"], &targets, &SsdLiteConfig::default());
    let (weighted, _) = run(&golden["logits"], &golden["deltas"], &targets, &config);
    assert_eq!(weighted, [plain[0] * 3.0, plain[1] * 0.5]);
}

#[test]
fn half_precision_predictions_are_scored_in_single_precision() {
    let golden = golden("loss");
    let targets = targets(&golden);
    let rounded = ["logits", "deltas"].map(|name| golden[name].to_kind(Kind::BFloat16));
    let exact = ["logits", "deltas"].map(|name| golden[name].to_kind(Kind::BFloat16).to_kind(Kind::Float));
    let config = SsdLiteConfig::default();
    assert_eq!(run(&rounded[0], &rounded[1], &targets, &config).0, run(&exact[0], &exact[1], &targets, &config).0);
}

#[test]
fn targets_that_do_not_fit_are_refused_by_name() {
    let head = head(SIZE, CLASSES, &SsdLiteConfig::default());
    let anchors = head.anchors().len() as i64;
    let predictions = |images| Predictions {
        logits: Tensor::zeros([images, anchors, CLASSES + 1], (Kind::Float, tch::Device::Cpu)),
        deltas: Tensor::zeros([images, anchors, 4], (Kind::Float, tch::Device::Cpu)),
    };
    let good = GroundTruth { boxes: vec![[1.0, 1.0, 20.0, 20.0]], labels: vec![CLASSES] };
    let refuse = |images, targets: &[GroundTruth]| head.loss(&predictions(images), targets).unwrap_err();

    head.loss(&predictions(1), std::slice::from_ref(&good)).unwrap();
    assert_eq!(refuse(2, std::slice::from_ref(&good)).to_string(), "predictions hold 2 images, targets 1");
    let bad = |boxes: &[[f32; 4]], labels: &[i64]| {
        refuse(2, &[good.clone(), GroundTruth { boxes: boxes.to_vec(), labels: labels.to_vec() }])
    };
    assert_eq!(bad(&[[0.0, 0.0, 9.0, 9.0]], &[]).to_string(), "image 1 of the batch has 1 boxes, 0 labels");
    assert_eq!(
        bad(&[[0.0, 0.0, 9.0, 9.0]], &[6]).to_string(),
        "object 0 of image 1 of the batch has label 6, expected 1 to 5"
    );
    assert!(matches!(bad(&[[0.0, 0.0, 9.0, 9.0]], &[0]), Error::Label { label: 0, .. }));
    assert_eq!(
        bad(&[[0.0, 0.0, 9.0, 9.0], [5.0, 5.0, 5.0, 9.0]], &[1, 1]).to_string(),
        "object 1 of image 1 of the batch has the box [5.0, 5.0, 5.0, 9.0], expected finite corners x1 < x2, y1 < y2"
    );
    assert!(matches!(bad(&[[0.0, 0.0, f32::INFINITY, 9.0]], &[1]), Error::Box { .. }));

    let wrong = Predictions { logits: predictions(1).deltas, deltas: predictions(1).deltas };
    assert!(matches!(head.loss(&wrong, &[good]), Err(Error::Shape { what: "logits", .. })));
}
