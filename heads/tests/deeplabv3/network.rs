use backbone::{Form, Mode, OutputStride, StateDict};
use heads::{
    Error, HeadSpec,
    deeplabv3::{AuxiliaryConfig, DeepLabV3, DeepLabV3Config, upsample},
};
use tch::{Kind, Tensor};

use crate::support::{
    assert_close, auxiliary, build, features, golden, load, names, random_features, small, with_prefix,
};

/// Each golden file with the configuration that it was made for.
fn cases() -> [(&'static str, DeepLabV3Config); 3] {
    [
        ("full", DeepLabV3Config { auxiliary: auxiliary(), ..small() }),
        ("bare", DeepLabV3Config { rates: Some(vec![1, 2]), extra_conv: false, ..small() }),
        (
            "separable",
            DeepLabV3Config { rates: Some(vec![2, 3, 5]), separable: true, auxiliary: auxiliary(), ..small() },
        ),
    ]
}

const PRECISIONS: [(Kind, f64); 2] = [(Kind::Float, 1e-5), (Kind::Double, 1e-12)];

#[test]
fn names_and_outputs_with_running_statistics_equal_torchvision() {
    for (name, config) in cases() {
        let golden = golden(name);
        for (kind, tolerance) in PRECISIONS {
            let (store, head) = build(&config, OutputStride::Os16, Form::Train, kind);
            load(&store, &with_prefix(&golden, "before."));
            let features = features(&golden["c4"].to_kind(kind), &golden["c5"].to_kind(kind));
            let output = head.forward(&features, Mode::Eval).unwrap();
            assert_close(&output.logits, &golden["eval.logits"], tolerance);
            assert!(output.auxiliary.is_none(), "{name}: the auxiliary head is for training");
        }
    }
}

#[test]
fn outputs_with_batch_statistics_and_the_statistics_afterwards_equal_torchvision() {
    for (name, config) in cases() {
        let golden = golden(name);
        for (kind, tolerance) in PRECISIONS {
            let (store, head) = build(&config, OutputStride::Os16, Form::Train, kind);
            load(&store, &with_prefix(&golden, "before."));
            let features = features(&golden["c4"].to_kind(kind), &golden["c5"].to_kind(kind));
            let output = head.forward(&features, Mode::Train).unwrap();
            assert_close(&output.logits, &golden["train.logits"], tolerance);
            assert_eq!(output.auxiliary.is_some(), golden.contains_key("train.auxiliary"));
            if let Some(auxiliary) = &output.auxiliary {
                assert_close(auxiliary, &golden["train.auxiliary"], tolerance);
            }
            let size = [golden["targets"].size()[1], golden["targets"].size()[2]];
            let upsampled = upsample(&output.logits, size).unwrap();
            assert_close(&upsampled.narrow(0, 0, 1), &golden["train.upsampled"], tolerance);

            let (variables, after) = (store.variables(), with_prefix(&golden, "after."));
            assert!(after.len() >= 10);
            after.iter().for_each(|(name, expected)| assert_close(&variables[name], expected, tolerance));
        }
    }
}

#[test]
fn losses_and_gradients_equal_torchvision() {
    for (name, config) in cases() {
        let golden = golden(name);
        for (kind, tolerance) in [(Kind::Float, 1e-4), (Kind::Double, 1e-11)] {
            let (store, head) = build(&config, OutputStride::Os16, Form::Train, kind);
            load(&store, &with_prefix(&golden, "before."));
            let [c4, c5] = ["c4", "c5"].map(|name| golden[name].to_kind(kind).copy().set_requires_grad(true));
            let output = head.forward(&features(&c4, &c5), Mode::Train).unwrap();
            let losses = head.loss(&output, &golden["targets"]).unwrap();
            assert_close(&losses.main, &golden["loss.out"], tolerance);
            assert_eq!(losses.auxiliary.is_some(), config.auxiliary.is_some());
            let mut total = losses.main;
            if let Some(auxiliary) = losses.auxiliary {
                assert_close(&auxiliary, &(&golden["loss.aux"] * 0.5), tolerance);
                assert_eq!(auxiliary.kind(), kind);
                total += auxiliary;
            }
            total.backward();
            assert_close(&c5.grad(), &golden["grad.c5"], tolerance);
            if config.auxiliary.is_some() {
                assert_close(&c4.grad(), &golden["grad.c4"], tolerance);
            }
            let expected = with_prefix(&golden, "grad.");
            for (name, variable) in store.variables().into_iter().filter(|(_, variable)| variable.requires_grad()) {
                assert_close(&variable.grad(), &expected[&name], tolerance);
            }
        }
    }
}

#[test]
fn class_maps_equal_torchvision() {
    for (name, config) in cases() {
        let golden = golden(name);
        let (store, head) = build(&config, OutputStride::Os16, Form::Train, Kind::Double);
        load(&store, &with_prefix(&golden, "before."));
        let features = features(&golden["c4"].to_kind(Kind::Double), &golden["c5"].to_kind(Kind::Double));
        let output = head.forward(&features, Mode::Eval).unwrap();
        let size = [golden["targets"].size()[1], golden["targets"].size()[2]];
        assert_eq!(head.predict(&output, size).unwrap(), golden["eval.classes"].to_kind(Kind::Int64));
    }
}

#[test]
fn only_training_applies_dropout() {
    let plain = DeepLabV3Config { auxiliary: auxiliary(), ..small() };
    let both = AuxiliaryConfig { dropout: 0.5, ..AuxiliaryConfig::default() };
    let dropping = DeepLabV3Config { dropout: 0.5, auxiliary: Some(both), ..small() };
    let features = random_features(2, [64, 48], OutputStride::Os8, Kind::Float);
    for (config, drops) in [(plain, false), (dropping, true)] {
        let (_, head) = build(&config, OutputStride::Os8, Form::Train, Kind::Float);
        let run = |mode| head.forward(&features, mode).unwrap();
        assert_eq!(run(Mode::Eval).logits, run(Mode::Eval).logits);
        let (first, second) = (run(Mode::Train), run(Mode::Train));
        assert_eq!(first.logits != second.logits, drops);
        assert_eq!(first.auxiliary.unwrap() != second.auxiliary.unwrap(), drops);

        let (_, head) = build(&config, OutputStride::Os8, Form::Deploy, Kind::Float);
        let run = |mode| head.forward(&features, mode).unwrap();
        assert_eq!(run(Mode::Train).logits, run(Mode::Eval).logits);
        assert!(run(Mode::Train).auxiliary.is_none());
    }
}

#[test]
fn weights_start_as_in_torchvision() {
    let store = tch::nn::VarStore::new(tch::Device::Cpu);
    let config = DeepLabV3Config { auxiliary: auxiliary(), separable: true, ..DeepLabV3Config::default() };
    let (channels, output_stride) = ([48, 128, 256, 512], OutputStride::Os16);
    let spec = HeadSpec { channels, output_stride, classes: 21, form: Form::Train };
    DeepLabV3::new(&store.root(), &spec, &config).unwrap();
    let variables = store.variables();
    for (name, tensor) in &variables {
        let fan_in = |weight: &Tensor| weight.size()[1..].iter().product::<i64>() as f64;
        let (largest, std) = (tensor.abs().max().double_value(&[]), tensor.std(false).double_value(&[]));
        let weight = variables.get(&name.replace("bias", "weight")).filter(|weight| weight.dim() == 4);
        if let Some(weight) = weight.filter(|_| !name.contains("running")) {
            let bound = 1.0 / fan_in(weight).sqrt();
            assert!(largest <= bound, "{name}: {largest} is above {bound}");
            if tensor.dim() == 4 {
                assert!((std * 3f64.sqrt() / bound - 1.0).abs() < 0.05, "{name}: deviation {std}, bound {bound}");
            }
        } else {
            let expected = if name.ends_with("bias") || name.ends_with("mean") { 0.0 } else { 1.0 };
            assert_eq!((largest, std), (expected, 0.0), "{name}");
        }
    }
    assert_eq!(variables["aux_classifier.0.weight"].size(), [64, 256, 3, 3]);
    assert_eq!(variables["classifier.0.convs.2.0.0.weight"].size(), [512, 1, 3, 3]);
    assert_eq!(variables["classifier.0.project.0.weight"].size(), [256, 5 * 256, 1, 1]);
}

#[test]
fn the_classifier_keeps_its_name_without_the_extra_convolution() {
    let of_extra = |name: &String| name.starts_with("classifier.1.") || name.starts_with("classifier.2.");
    let [with, without] = [true, false].map(|extra_conv| {
        let config = DeepLabV3Config { extra_conv, ..small() };
        names(&build(&config, OutputStride::Os16, Form::Train, Kind::Float).0)
    });
    assert_eq!(with.iter().filter(|name| of_extra(name)).count(), 5);
    assert_eq!(without, with.into_iter().filter(|name| !of_extra(name)).collect::<Vec<_>>());
}

#[test]
fn features_in_channels_last_give_the_same_logits() {
    let config = DeepLabV3Config { channels: 32, ..small() };
    let (store, head) = build(&config, OutputStride::Os16, Form::Deploy, Kind::Float);
    let plain = random_features(2, [96, 80], OutputStride::Os16, Kind::Float);
    let expected = head.forward(&plain, Mode::Eval).unwrap().logits;
    tch_ext::memory_format::convert_channels_last(&store.variables().into_values().collect::<Vec<_>>()).unwrap();
    let channels_last = features(&plain.c4, &tch_ext::memory_format::channels_last(&plain.c5));
    let logits = head.forward(&channels_last, Mode::Eval).unwrap().logits;
    assert_close(&logits, &expected, 1e-5);
}

#[test]
fn one_image_cannot_train() {
    let one = random_features(1, [64, 64], OutputStride::Os8, Kind::Float);
    let (_, head) = build(&small(), OutputStride::Os8, Form::Train, Kind::Float);
    let error = head.forward(&one, Mode::Train).unwrap_err();
    assert!(matches!(error, Error::SingleImage), "{error}");
    head.forward(&one, Mode::Eval).unwrap();
    build(&small(), OutputStride::Os8, Form::Deploy, Kind::Float).1.forward(&one, Mode::Train).unwrap();
    let finite = head.forward(&random_features(2, [8, 8], OutputStride::Os8, Kind::Float), Mode::Train).unwrap();
    assert!(finite.logits.sum(Kind::Float).double_value(&[]).is_finite(), "two images of one cell can");
}

#[test]
fn other_features_are_refused() {
    let config = DeepLabV3Config { auxiliary: auxiliary(), ..small() };
    let (_, head) = build(&config, OutputStride::Os16, Form::Train, Kind::Float);
    let zeros = |size: &[i64]| Tensor::zeros(size, (Kind::Float, tch::Device::Cpu));
    let refuse = |c4: &[i64], c5: &[i64]| head.forward(&features(&zeros(c4), &zeros(c5)), Mode::Train).unwrap_err();
    assert_eq!(
        refuse(&[2, 16, 4, 4], &[2, 11, 4, 4]).to_string(),
        "features have shape [2, 11, 4, 4], expected [N, 12, H, W]"
    );
    for (c4, c5) in [
        (vec![2, 15, 4, 4], vec![2, 12, 4, 4]),
        (vec![2, 16, 4, 4], vec![2, 12, 0, 4]),
        (vec![2, 16, 4, 4], vec![0, 12, 4, 4]),
        (vec![2, 16, 4, 4], vec![12, 4, 4]),
    ] {
        assert!(matches!(refuse(&c4, &c5), Error::Shape { what: "features", .. }));
    }
}

#[test]
fn torchvision_weights_of_another_layout_have_other_keys() {
    let golden = golden("separable");
    let before: StateDict = with_prefix(&golden, "before.");
    let config = DeepLabV3Config { rates: Some(vec![2, 3, 5]), auxiliary: auxiliary(), ..small() };
    let (store, _) = build(&config, OutputStride::Os16, Form::Train, Kind::Float);
    assert_ne!(names(&store), before.into_keys().collect::<Vec<_>>(), "plain and separable branches have other keys");
}
