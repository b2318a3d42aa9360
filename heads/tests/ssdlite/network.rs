use std::collections::BTreeMap;

use backbone::{Complexity, Cost, Features, Fold, Form, Mode, OutputStride, Variant};
use heads::{
    Error, HeadSpec,
    ssdlite::{FirstLevel, Predictions, SsdLite, SsdLiteConfig},
};
use tch::{CModule, Device, Kind, Tensor, nn::VarStore};

use crate::support::{golden, load, names, relative, with_prefix};

const CHANNELS: [i64; 4] = [4, 6, 12, 20];
const SIZE: [i64; 2] = [96, 80];

fn small() -> SsdLiteConfig {
    SsdLiteConfig { extra_channels: vec![16, 12, 10, 8], ..SsdLiteConfig::default() }
}

fn build(config: &SsdLiteConfig, output_stride: OutputStride, form: Form) -> (VarStore, SsdLite) {
    let store = VarStore::new(Device::Cpu);
    let spec = HeadSpec { channels: CHANNELS, output_stride, classes: 3, form };
    let head = SsdLite::new(&store.root(), &spec, SIZE, config).unwrap();
    (store, head)
}

fn features(golden: &BTreeMap<String, Tensor>) -> Features {
    let unused = || Tensor::zeros([0], (Kind::Float, Device::Cpu));
    let map = |name: &str| golden[name].shallow_clone();
    Features { c2: unused(), c3: unused(), c4: map("c4"), c5: map("c5") }
}

/// Random features of the backbone for an input of [`SIZE`].
fn random_features(images: i64, strides: [i64; 4]) -> Features {
    let [c2, c3, c4, c5] = std::array::from_fn(|level| {
        let [rows, columns] = SIZE.map(|side| (side + strides[level] - 1) / strides[level]);
        Tensor::randn([images, CHANNELS[level], rows, columns], (Kind::Float, Device::Cpu))
    });
    Features { c2, c3, c4, c5 }
}

#[test]
fn names_and_outputs_with_running_statistics_equal_torchvision() {
    let golden = golden("network");
    let (store, head) = build(&small(), OutputStride::Os32, Form::Train);
    load(&store, &with_prefix(&golden, "before."));
    let predictions = head.forward(&features(&golden), Mode::Eval).unwrap();
    assert!(relative(&predictions.logits, &golden["eval.logits"]) < 1e-5);
    assert!(relative(&predictions.deltas, &golden["eval.deltas"]) < 1e-5);
}

#[test]
fn outputs_with_batch_statistics_and_the_statistics_afterwards_equal_torchvision() {
    let golden = golden("network");
    let (store, head) = build(&small(), OutputStride::Os32, Form::Train);
    load(&store, &with_prefix(&golden, "before."));
    let predictions = head.forward(&features(&golden), Mode::Train).unwrap();
    assert!(relative(&predictions.logits, &golden["train.logits"]) < 1e-5);
    assert!(relative(&predictions.deltas, &golden["train.deltas"]) < 1e-5);
    let variables = store.variables();
    for (name, expected) in with_prefix(&golden, "after.") {
        assert!(relative(&variables[&name], &expected) < 1e-5, "{name}");
    }
}

#[test]
fn gradients_equal_torchvision() {
    let golden = golden("network");
    let (store, head) = build(&small(), OutputStride::Os32, Form::Train);
    load(&store, &with_prefix(&golden, "before."));
    let Predictions { logits, deltas } = head.forward(&features(&golden), Mode::Train).unwrap();
    (logits.square().sum(Kind::Float) + deltas.square().sum(Kind::Float)).backward();
    let variables = store.variables();
    let expected = with_prefix(&golden, "grad.");
    assert_eq!(expected.len(), 4 * 3 * 3);
    for (name, expected) in expected {
        assert!(relative(&variables[&name].grad(), &expected) < 1e-4, "{name}");
    }
}

/// The head of a detector of COCO on S0.
fn on_s0(form: Form) -> (VarStore, SsdLite) {
    let store = VarStore::new(Device::Cpu);
    let spec = HeadSpec { channels: [48, 128, 256, 1024], output_stride: OutputStride::Os32, classes: 80, form };
    let head = SsdLite::new(&store.root(), &spec, [320, 320], &SsdLiteConfig::default()).unwrap();
    (store, head)
}

#[test]
fn cost_counts_every_parameter_and_the_multiply_adds_of_the_convolutions() {
    for form in [Form::Train, Form::Deploy] {
        let (store, head) = on_s0(form);
        let rows = head.cost();
        let parameters: i64 = rows.iter().map(|row| row.complexity.parameters).sum();
        let registered: usize = store.trainable_variables().iter().map(Tensor::numel).sum();
        assert_eq!(parameters as usize, registered);

        let keys = names(&store);
        for row in &rows {
            assert!(keys.iter().any(|key| key.starts_with(&format!("{}.", row.name))), "{}", row.name);
        }
        let down = rows.iter().find(|row| row.name == "extra.1.1").unwrap();
        assert_eq!((down.output, down.complexity.macs), ([128, 3, 3], 128 * 9 * 9));
        let scores = rows.iter().find(|row| row.name == "head.classification_head.module_list.0.1").unwrap();
        assert_eq!((scores.output, scores.complexity.macs), ([486, 20, 20], 256 * 486 * 400));
    }
}

#[test]
fn deploy_form_matches_train_form() {
    let golden = golden("network");
    let (store, trained) = build(&small(), OutputStride::Os32, Form::Train);
    load(&store, &with_prefix(&golden, "before."));
    let folded = trained.folded();
    let (store, deployed) = build(&small(), OutputStride::Os32, Form::Deploy);
    load(&store, &folded);
    for mode in [Mode::Eval, Mode::Train] {
        let predictions = deployed.forward(&features(&golden), mode).unwrap();
        assert!(relative(&predictions.logits, &golden["eval.logits"]) < 1e-5);
        assert!(relative(&predictions.deltas, &golden["eval.deltas"]) < 1e-5);
    }
    let again = deployed.folded();
    assert_eq!(again, folded);
}

#[test]
fn weights_start_as_in_torchvision() {
    tch::manual_seed(3);
    let (store, _) = build(&SsdLiteConfig::default(), OutputStride::Os32, Form::Train);
    for (name, tensor) in store.variables() {
        let (mean, std) = (tensor.mean(Kind::Float).double_value(&[]), tensor.std(false).double_value(&[]));
        let is_norm = tensor.dim() == 1 && !name.ends_with(".1.bias") && !name.ends_with("running_mean");
        if tensor.dim() == 4 {
            let noise = 4.0 * 0.03 / (tensor.numel() as f64).sqrt();
            assert!(mean.abs() < noise && (std - 0.03).abs() < noise, "{name}: mean {mean}, deviation {std}");
        } else {
            assert_eq!((mean, std), (if is_norm { 1.0 } else { 0.0 }, 0.0), "{name}");
        }
    }
}

/// 2.93 M parameters and 0.71 G multiply-adds: counted by hand for MMDetection's head of the same layout.
#[test]
fn a_detector_on_s0_has_the_known_cost() {
    let mut cost = Cost::of(&Variant::S0.into(), Form::Deploy, [320, 320], OutputStride::Os32);
    cost.rows.extend(on_s0(Form::Deploy).1.cost());
    let Complexity { parameters, macs } = cost.total();
    assert_eq!(format!("{:.2} M", parameters as f64 / 1e6), "2.93 M");
    assert_eq!(format!("{:.2} G", macs as f64 / 1e9), "0.71 G");
}

#[test]
fn a_level_from_c3_comes_first() {
    let config = SsdLiteConfig { first_level: FirstLevel::C3, ..small() };
    let (store, head) = build(&config, OutputStride::Os32, Form::Train);
    let predictions = head.forward(&random_features(2, [4, 8, 16, 32]), Mode::Train).unwrap();
    let anchors = 6 * (12 * 10 + 6 * 5 + 3 * 3 + 2 * 2 + 1 + 1 + 1);
    assert_eq!(predictions.logits.size(), [2, anchors, 4]);
    assert_eq!(predictions.deltas.size(), [2, anchors, 4]);
    assert_eq!(head.anchors().len() as i64, anchors);
    assert_eq!(store.variables()["head.regression_head.module_list.0.0.0.weight"].size(), [6, 1, 3, 3]);
}

#[test]
fn finer_output_strides_give_finer_levels() {
    for (output_stride, strides, cells) in [
        (OutputStride::Os16, [4, 8, 16, 16], 30 + 30 + 9 + 4 + 1 + 1),
        (OutputStride::Os8, [4, 8, 8, 8], 120 + 120 + 30 + 9 + 4 + 1),
    ] {
        let (_, head) = build(&small(), output_stride, Form::Deploy);
        let predictions = head.forward(&random_features(1, strides), Mode::Eval).unwrap();
        assert_eq!(predictions.logits.size(), [1, 6 * cells, 4]);
        assert_eq!(head.anchors().len() as i64, 6 * cells);
    }
}

#[test]
fn a_traced_head_gives_scores_and_boxes_for_any_number_of_images() {
    let (mut store, head) = build(&small(), OutputStride::Os32, Form::Deploy);
    store.freeze();
    let run = |c4: &Tensor, c5: &Tensor| {
        let unused = || Tensor::zeros([0], (Kind::Float, Device::Cpu));
        let features = Features { c2: unused(), c3: unused(), c4: c4.shallow_clone(), c5: c5.shallow_clone() };
        let decoded = head.decode(&head.forward(&features, Mode::Eval).unwrap()).unwrap();
        Tensor::cat(&[decoded.scores, decoded.boxes], -1)
    };
    let features = |images| {
        let Features { c4, c5, .. } = random_features(images, [4, 8, 16, 32]);
        [c4, c5]
    };
    let mut traced = |xs: &[Tensor]| vec![run(&xs[0], &xs[1])];
    let module = CModule::create_by_tracing("detector", "forward", &features(1), &mut traced).unwrap();
    let [c4, c5] = features(3);
    let found = module.forward_ts(&[&c4, &c5]).unwrap();
    assert!(relative(&found, &run(&c4, &c5)) < 1e-6);
}

#[test]
fn one_image_cannot_train_a_level_of_one_cell() {
    let (_, head) = build(&small(), OutputStride::Os32, Form::Train);
    let features = random_features(1, [4, 8, 16, 32]);
    let error = head.forward(&features, Mode::Train).unwrap_err();
    assert!(matches!(error, Error::SingleValueStatistics { level: 3 }), "{error}");
    head.forward(&features, Mode::Eval).unwrap();
    build(&small(), OutputStride::Os32, Form::Deploy).1.forward(&features, Mode::Train).unwrap();
}

#[test]
fn features_of_another_input_size_are_refused() {
    let (_, head) = build(&small(), OutputStride::Os32, Form::Train);
    let error = head.forward(&random_features(2, [2, 4, 8, 16]), Mode::Eval).unwrap_err();
    assert_eq!(error.to_string(), "features have shape [2, 12, 12, 10], expected [N, 12, 6, 5]");
}

#[test]
fn sizes_below_one_are_refused() {
    let store = VarStore::new(Device::Cpu);
    let new = |channels, classes, size| {
        let spec = HeadSpec { channels, output_stride: OutputStride::Os32, classes, form: Form::Train };
        SsdLite::new(&store.root(), &spec, size, &small()).map(drop)
    };
    assert!(matches!(new(CHANNELS, 0, SIZE), Err(Error::NotPositive { what: "class count", value: 0 })));
    assert!(matches!(new(CHANNELS, 3, [0, 64]), Err(Error::NotPositive { what: "input height", value: 0 })));
    assert!(matches!(new(CHANNELS, 3, [64, -1]), Err(Error::NotPositive { what: "input width", value: -1 })));
    assert!(new([4, 6, 0, 20], 3, SIZE).is_err());
    assert!(store.is_empty(), "nothing is registered");
}
