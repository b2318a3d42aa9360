use heads::{
    Error,
    classifier::{Classifier, ClassifierConfig, Targets, cross_entropy, mixed_targets},
};
use proptest::prelude::*;
use tch::{Device, Kind, Tensor, nn::VarStore};

use crate::{golden::golden, support::assert_close};

fn head(config: ClassifierConfig) -> Classifier {
    Classifier::new(&VarStore::new(Device::Cpu).root(), 10, 5, &config).unwrap()
}

/// Loss and gradient of the logits.
fn run(logits: &Tensor, targets: &Targets, smoothing: f64, class_weights: Option<&Tensor>) -> (Tensor, Tensor) {
    let leaf = logits.copy().set_requires_grad(true);
    let loss = cross_entropy(&leaf, targets, smoothing, class_weights).unwrap();
    assert_eq!(loss.size(), Vec::<i64>::new());
    loss.backward();
    (loss, leaf.grad())
}

#[test]
fn losses_and_gradients_equal_pytorch_and_timm() {
    let golden = golden("classifier");
    let labels = || Targets::Labels(golden["labels"].shallow_clone());
    let mixed = |name: &str| Targets::Distributions(golden[name].shallow_clone());
    let weights = Some(&golden["class_weights"]);
    for (kind, tolerance) in [(Kind::Float, 1e-5), (Kind::Double, 1e-12)] {
        let logits = golden["logits"].to_kind(kind);
        for (name, targets, smoothing, class_weights) in [
            ("hard", labels(), 0.0, None),
            ("hard.smooth", labels(), 0.1, None),
            ("hard.weighted", labels(), 0.0, weights),
            ("hard.smooth.weighted", labels(), 0.1, weights),
            ("soft", mixed("mixed"), 0.0, None),
            ("soft.smooth.weighted", mixed("mixed.plain"), 0.1, weights),
        ] {
            let (loss, grad) = run(&logits, &targets, smoothing, class_weights);
            assert_eq!(loss.kind(), kind);
            assert_close(&loss, &golden[&format!("{name}.loss")], tolerance);
            assert_close(&grad, &golden[&format!("{name}.grad")], tolerance);
        }
    }
}

#[test]
fn mixed_targets_equal_timm() {
    let golden = golden("classifier");
    let labels = golden["labels"].to_kind(Kind::Uint8);
    let lam = Tensor::full([6], 0.3, (Kind::Float, Device::Cpu));
    for (name, smoothing) in [("mixed", 0.1), ("mixed.plain", 0.0)] {
        let targets = mixed_targets(&labels, &labels.flip([0]), &lam, 5, smoothing).unwrap();
        assert_eq!(targets.kind(), Kind::Float);
        assert_close(&targets, &golden[name], 1e-6);
    }
}

#[test]
fn the_head_smooths_and_weighs_as_configured() {
    let golden = golden("classifier");
    let weights: Vec<f64> = golden["class_weights"].to_kind(Kind::Double).try_into().unwrap();
    let head = head(ClassifierConfig { label_smoothing: 0.1, class_weights: Some(weights), ..Default::default() });
    let loss = head.loss(&golden["logits"], &Targets::Labels(golden["labels"].shallow_clone())).unwrap();
    assert_close(&loss, &golden["hard.smooth.weighted.loss"], 1e-12);
}

#[test]
fn half_precision_logits_are_scored_in_single_precision() {
    let golden = golden("classifier");
    let half = golden["logits"].to_kind(Kind::BFloat16);
    let targets = Targets::Distributions(golden["mixed"].shallow_clone());
    let loss = cross_entropy(&half, &targets, 0.1, Some(&golden["class_weights"])).unwrap();
    let single = cross_entropy(&half.to_kind(Kind::Float), &targets, 0.1, Some(&golden["class_weights"])).unwrap();
    assert_eq!((loss.kind(), &loss), (Kind::Float, &single));
}

#[test]
fn targets_that_do_not_fit_are_refused_by_name() {
    let logits = Tensor::zeros([2, 5], (Kind::Float, Device::Cpu));
    let head = head(ClassifierConfig::default());
    let refuse = |targets: Targets| head.loss(&logits, &targets).unwrap_err().to_string();
    let labels = |labels: &[i64]| Targets::Labels(Tensor::from_slice(labels));
    assert_eq!(refuse(labels(&[0, 5])), "labels hold 5 at [1], expected 0 to 4");
    assert_eq!(refuse(labels(&[-100, 1])), "labels hold -100 at [0], expected 0 to 4");
    assert_eq!(refuse(labels(&[0, 1, 2])), "labels have shape [3], expected [2]");
    let fractional = Targets::Labels(Tensor::from_slice(&[0.0_f32, 1.0]));
    assert_eq!(refuse(fractional), "labels are of kind Float, expected integers");
    let narrow = Targets::Distributions(Tensor::zeros([2, 4], (Kind::Float, Device::Cpu)));
    assert_eq!(refuse(narrow), "distributions have shape [2, 4], expected [2, 5]");
    let other = head.loss(&Tensor::zeros([2, 4], (Kind::Float, Device::Cpu)), &labels(&[0, 1])).unwrap_err();
    assert_eq!(other.to_string(), "logits have shape [2, 4], expected [N, 5]");

    let weights = Tensor::ones([4], (Kind::Float, Device::Cpu));
    let error = cross_entropy(&logits, &labels(&[0, 1]), 0.0, Some(&weights)).unwrap_err();
    assert_eq!(error.to_string(), "class weights have shape [4], expected [5]");
    let ids = Tensor::from_slice(&[0_i64, 7]);
    let lam = Tensor::from_slice(&[0.5_f32, 0.5]);
    let error = mixed_targets(&Tensor::from_slice(&[0_i64, 1]), &ids, &lam, 5, 0.0).unwrap_err();
    assert!(matches!(error, Error::ClassId { what: "partner labels", found: 7, .. }), "{error}");
    let error = mixed_targets(&ids, &ids, &Tensor::from_slice(&[0.5_f32]), 5, 0.0).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn mixed_targets_are_distributions_and_their_loss_is_the_mix_of_two(
        images in prop::collection::vec((0..7_i64, 0..7_i64, 0.0..=1.0_f32, -5.0..5.0_f64), 1..9),
        smoothing in 0.0..0.9_f64,
    ) {
        let column = |of: fn(&(i64, i64, f32, f64)) -> i64| Tensor::from_slice(&images.iter().map(of).collect::<Vec<_>>());
        let (labels, partners) = (column(|image| image.0), column(|image| image.1));
        let lam = Tensor::from_slice(&images.iter().map(|image| image.2).collect::<Vec<_>>());
        let targets = mixed_targets(&labels, &partners, &lam, 7, smoothing).unwrap();
        prop_assert!((targets.sum_dim_intlist(1, false, Kind::Double) - 1.0).abs().max().double_value(&[]) < 1e-6);
        prop_assert!(targets.min().double_value(&[]) >= 0.0);

        let scores = Tensor::from_slice(&images.iter().map(|image| image.3).collect::<Vec<_>>());
        let logits = scores.unsqueeze(1) * Tensor::arange(7, (Kind::Double, Device::Cpu)).sin();
        let whole = cross_entropy(&logits, &Targets::Distributions(targets), 0.0, None).unwrap().double_value(&[]);
        let parts = images.iter().enumerate().map(|(image, &(label, partner, lam, _))| {
            let row = logits.narrow(0, image as i64, 1);
            let of = |label: i64| {
                let targets = Targets::Labels(Tensor::from_slice(&[label]));
                cross_entropy(&row, &targets, smoothing, None).unwrap().double_value(&[])
            };
            f64::from(lam) * of(label) + (1.0 - f64::from(lam)) * of(partner)
        });
        let expected = parts.sum::<f64>() / images.len() as f64;
        prop_assert!((whole - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{whole} {expected}");
    }
}
