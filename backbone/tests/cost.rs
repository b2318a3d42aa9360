//! Costs: the published ones, and those of the built networks.

mod support;

use backbone::{Backbone, Complexity, Cost, Form, Mode, OutputStride, Spec, Variant};
use support::build;
use tch::{Device, Kind, Tensor};

fn cost(variant: Variant, form: Form) -> Cost {
    Cost::of(&Spec::from(variant), form, [224, 224], OutputStride::Os32).with_classifier(1000)
}

#[test]
fn parameters_are_the_published_ones() {
    let published = [
        (5_293_272, 2_078_504),
        (4_825_192, 4_764_840),
        (7_884_648, 7_808_168),
        (10_170_600, 10_078_312),
        (14_951_248, 14_838_352),
    ];
    for (variant, (train, deploy)) in Variant::ALL.into_iter().zip(published) {
        assert_eq!(cost(variant, Form::Train).total().parameters, train, "{variant}");
        assert_eq!(cost(variant, Form::Deploy).total().parameters, deploy, "{variant}");
    }
}

#[test]
fn multiply_adds_of_the_deploy_form_are_the_published_ones() {
    for (variant, millions) in Variant::ALL.into_iter().zip([275.11, 825.06, 1298.43, 1895.79, 2979.27]) {
        let counted = cost(variant, Form::Deploy).total().macs as f64 / 1e6;
        assert!((counted / millions - 1.0).abs() < 1e-4, "{variant}: {counted}");
    }
}

#[test]
fn rows_match_the_network_at_every_output_stride() {
    let custom = support::spec([(16, 2, 0), (24, 2, 1), (32, 2, 2), (40, 1, 0)], 3);
    for spec in [Spec::from(Variant::S0), Spec::from(Variant::S4), custom] {
        for form in [Form::Train, Form::Deploy] {
            for output_stride in OutputStride::ALL {
                let cost = Cost::of(&spec, form, [72, 64], output_stride);
                let (store, network) = build(&spec, form, output_stride, Kind::Float);
                let trainable: usize = store.trainable_variables().iter().map(Tensor::numel).sum();
                assert_eq!(cost.total().parameters, trainable as i64);

                let xs = Tensor::zeros([1, 3, 72, 64], (Kind::Float, Device::Cpu));
                let c5 = tch::no_grad(|| network.forward(&xs, Mode::Eval).unwrap().c5).size();
                let last = &cost.rows[cost.rows.len() - 1];
                assert_eq!(last.output[..], c5[1..]);
                assert_eq!(last.activation_bytes, c5.iter().product::<i64>() * 4);
            }
        }
    }
}

#[test]
fn multiply_adds_grow_with_the_area_and_with_the_branches() {
    let spec = Spec::from(Variant::S0);
    let macs = |form, side| Cost::of(&spec, form, [side, side], OutputStride::Os32).total().macs;
    assert_eq!(macs(Form::Deploy, 448), 4 * macs(Form::Deploy, 224));
    let rows = Cost::of(&spec, Form::Train, [224, 224], OutputStride::Os32).rows;
    let deploy = Cost::of(&spec, Form::Deploy, [224, 224], OutputStride::Os32).rows;
    for (train, deploy) in rows.iter().zip(&deploy).skip(1) {
        let depthwise = train.name.ends_with(['0', '2', '4', '6', '8']);
        let deploy = deploy.complexity.macs;
        let expected = if depthwise { deploy * 4 + deploy / 9 } else { deploy * 4 };
        assert_eq!(train.complexity.macs, expected, "{}", train.name);
    }
}

#[test]
fn squeeze_excite_and_the_classifier_have_their_own_rows() {
    let cost = cost(Variant::S4, Form::Deploy);
    let row = |name: &str| cost.rows.iter().find(|row| row.name == name).unwrap();
    assert_eq!(cost.rows.iter().filter(|row| row.name.ends_with(".se")).count(), 12);
    assert_eq!(row("stage4.1.se").complexity.parameters, 2 * 2048 * 128 + 2048 + 128);
    let linear = Complexity { parameters: 2048 * 1000 + 1000, macs: 2048 * 1000 };
    assert_eq!(row("linear").complexity, linear);
    assert_eq!(row("stage0").output, [64, 112, 112]);
    assert_eq!(row("stage4.1").output, [2048, 7, 7]);
}
