use backbone::{Complexity, Cost, CostRow, Form, OutputStride, Variant};
use heads::{
    HeadSpec,
    deeplabv3::{AuxiliaryConfig, DeepLabV3, DeepLabV3Config},
};
use tch::{Device, Tensor, nn::VarStore};

use crate::support::names;

/// A head on S0.
fn head(config: &DeepLabV3Config, output_stride: OutputStride, form: Form) -> (VarStore, DeepLabV3) {
    let store = VarStore::new(Device::Cpu);
    let spec = HeadSpec { channels: [48, 128, 256, 1024], output_stride, classes: 21, form };
    let head = DeepLabV3::new(&store.root(), &spec, config).unwrap();
    (store, head)
}

fn rows(config: &DeepLabV3Config, output_stride: OutputStride, form: Form) -> (VarStore, Vec<CostRow>) {
    let (store, head) = head(config, output_stride, form);
    (store, head.cost([512, 500]))
}

#[test]
fn cost_counts_every_parameter_and_names_every_layer() {
    for form in [Form::Train, Form::Deploy] {
        for (separable, extra_conv) in [(false, true), (true, false)] {
            let auxiliary = Some(AuxiliaryConfig::default());
            let config = DeepLabV3Config { separable, extra_conv, auxiliary, ..DeepLabV3Config::default() };
            let (store, rows) = rows(&config, OutputStride::Os16, form);
            let registered: usize = store.trainable_variables().iter().map(Tensor::numel).sum();
            assert_eq!(rows.iter().map(|row| row.complexity.parameters).sum::<i64>() as usize, registered);
            for row in &rows {
                let below = format!("{}.", row.name);
                assert!(names(&store).iter().any(|key| key.starts_with(&below)), "{}", row.name);
            }
            let of_auxiliary = rows.iter().filter(|row| row.name.starts_with("aux_classifier")).count();
            assert_eq!(of_auxiliary, if form == Form::Train { 2 } else { 0 });
        }
    }
}

#[test]
fn multiply_adds_follow_the_grid_of_the_features() {
    let config = DeepLabV3Config { auxiliary: Some(AuxiliaryConfig::default()), ..DeepLabV3Config::default() };
    for (output_stride, c5, c4) in [
        (OutputStride::Os32, [16, 16], [32, 32]),
        (OutputStride::Os16, [32, 32], [32, 32]),
        (OutputStride::Os8, [64, 63], [64, 63]),
    ] {
        let (_, rows) = rows(&config, output_stride, Form::Train);
        let row = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
        let assert_row = |name, [height, width]: [i64; 2], channels: i64, kernel: i64| {
            assert_eq!(row(name).output, [channels, height, width], "{name}");
            assert_eq!(row(name).complexity.macs, kernel * channels * height * width, "{name}");
        };
        assert_row("classifier.0.convs.0", c5, 256, 1024);
        assert_row("classifier.0.convs.2", c5, 256, 9 * 1024);
        assert_row("classifier.0.convs.4", [1, 1], 256, 1024);
        assert_row("classifier.0.project", c5, 256, 5 * 256);
        assert_row("classifier.1", c5, 256, 9 * 256);
        assert_row("classifier.4", c5, 21, 256);
        assert_row("aux_classifier.0", c4, 64, 9 * 256);
        assert_row("aux_classifier.4", c4, 21, 64);
    }
}

/// 9.0 M parameters and 9.5 G multiply-adds at 512x512: counted by hand for CVNets' head, which has no extra convolution.
#[test]
fn a_segmenter_on_s0_has_the_known_cost() {
    let (size, output_stride) = ([512, 512], OutputStride::Os16);
    let config = DeepLabV3Config { extra_conv: false, ..DeepLabV3Config::default() };
    let mut cost = Cost::of(&Variant::S0.into(), Form::Deploy, size, output_stride);
    cost.rows.extend(head(&config, output_stride, Form::Deploy).1.cost(size));
    let Complexity { parameters, macs } = cost.total();
    assert_eq!(format!("{:.1} M", parameters as f64 / 1e6), "9.0 M");
    assert_eq!(format!("{:.1} G", macs as f64 / 1e9), "9.5 G");
}
