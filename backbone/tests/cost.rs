//! Costs: the published ones, and those of the networks as built.

use backbone::{
    Form, MobileOne, Mode, OutputStride, Spec, Stage, Variant,
    cost::{Classifier, Cost},
};
use tch::{Device, Kind, Tensor, nn::VarStore};

const IMAGENET: Classifier = Classifier::Linear { classes: 1000 };

fn cost(variant: Variant, form: Form) -> Cost {
    Cost::of(&Spec::from(variant), form, [224, 224], OutputStride::Os32, IMAGENET)
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
        assert_eq!(cost(variant, Form::Train).parameters(), train, "{variant}");
        assert_eq!(cost(variant, Form::Deploy).parameters(), deploy, "{variant}");
    }
}

#[test]
fn multiply_adds_of_the_deploy_form_are_the_published_ones() {
    for (variant, millions) in Variant::ALL.into_iter().zip([275.11, 825.06, 1298.43, 1895.79, 2979.27]) {
        let counted = cost(variant, Form::Deploy).macs() as f64 / 1e6;
        assert!((counted / millions - 1.0).abs() < 1e-4, "{variant}: {counted}");
    }
}

#[test]
fn rows_are_what_is_built_at_every_output_stride() {
    let stage = |width, blocks, squeeze_excite| Stage { width, blocks, squeeze_excite };
    let own = Spec {
        stem: 16,
        stages: [stage(16, 2, 0), stage(24, 2, 1), stage(32, 2, 2), stage(40, 1, 0)],
        branches: 3,
        scale: true,
        skip: true,
    };
    for spec in [Spec::from(Variant::S0), Spec::from(Variant::S4), own] {
        for form in [Form::Train, Form::Deploy] {
            for output_stride in OutputStride::ALL {
                let cost = Cost::of(&spec, form, [72, 64], output_stride, Classifier::None);
                let store = VarStore::new(Device::Cpu);
                let network = MobileOne::new(&store.root(), &spec, form, output_stride);
                let trainable: usize = store.trainable_variables().iter().map(Tensor::numel).sum();
                assert_eq!(cost.parameters(), trainable as i64);

                let xs = Tensor::zeros([1, 3, 72, 64], (Kind::Float, Device::Cpu));
                let c5 = tch::no_grad(|| network.forward(&xs, Mode::Eval).c5).size();
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
    let macs = |form, side| Cost::of(&spec, form, [side, side], OutputStride::Os32, Classifier::None).macs();
    assert_eq!(macs(Form::Deploy, 448), 4 * macs(Form::Deploy, 224));
    let rows = Cost::of(&spec, Form::Train, [224, 224], OutputStride::Os32, Classifier::None).rows;
    let deploy = Cost::of(&spec, Form::Deploy, [224, 224], OutputStride::Os32, Classifier::None).rows;
    for (train, deploy) in rows.iter().zip(&deploy).skip(1) {
        let depthwise = train.name.ends_with(['0', '2', '4', '6', '8']);
        let expected = if depthwise { deploy.macs * 4 + deploy.macs / 9 } else { deploy.macs * 4 };
        assert_eq!(train.macs, expected, "{}", train.name);
    }
}

#[test]
fn squeeze_excite_and_the_classifier_have_rows_of_their_own() {
    let cost = cost(Variant::S4, Form::Deploy);
    let row = |name: &str| cost.rows.iter().find(|row| row.name == name).unwrap();
    assert_eq!(cost.rows.iter().filter(|row| row.name.ends_with(".se")).count(), 12);
    assert_eq!(row("stage4.1.se").parameters, 2 * 2048 * 128 + 2048 + 128);
    assert_eq!((row("linear").parameters, row("linear").macs), (2048 * 1000 + 1000, 2048 * 1000));
    assert_eq!(row("stage0").output, [64, 112, 112]);
    assert_eq!(row("stage4.1").output, [2048, 7, 7]);
}
