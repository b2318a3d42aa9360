//! Convolution with batch normalisation: names, both forms, both modes.

mod support;

use backbone::{Activation, ConvBn, ConvBnConfig, ConvBnKeys, Fold, Form, Geometry, Mode};
use support::{assert_close, load, names, randomise};
use tch::{Device, Kind, Tensor, nn::VarStore};
use tch_ext::autocast::Autocast;

fn config() -> ConvBnConfig {
    let pointwise = Geometry::pointwise(4, 6);
    ConvBnConfig::new(Geometry { kernel: 3, stride: 2, padding: 2, dilation: 2, groups: 2, ..pointwise })
}

#[test]
fn names_are_configurable_and_the_deploy_form_has_one_convolution() {
    let config = ConvBnConfig { keys: ConvBnKeys { conv: "0", norm: "1" }, ..config() };
    let train = VarStore::new(Device::Cpu);
    ConvBn::new(&(train.root() / "head" / "block"), &config, Form::Train);
    let expected = ["0.weight", "1.bias", "1.running_mean", "1.running_var", "1.weight"];
    assert_eq!(names(&train), expected.map(|name| format!("head.block.{name}")));
    assert_eq!(train.trainable_variables().len(), 3);

    let deploy = VarStore::new(Device::Cpu);
    ConvBn::new(&(deploy.root() / "head" / "block"), &config, Form::Deploy);
    assert_eq!(names(&deploy), ["head.block.0.bias", "head.block.0.weight"]);
    assert_eq!(deploy.trainable_variables().len(), 2);
}

#[test]
fn deploy_form_matches_train_form_under_every_activation() {
    for (kind, tolerance) in [(Kind::Float, 1e-5), (Kind::Double, 1e-12)] {
        for activation in [Activation::None, Activation::Relu, Activation::Relu6, Activation::HardSwish] {
            let config = ConvBnConfig { activation, ..config() };
            let mut stores = [VarStore::new(Device::Cpu), VarStore::new(Device::Cpu)];
            stores.iter_mut().for_each(|store| store.set_kind(kind));
            let train = ConvBn::new(&stores[0].root(), &config, Form::Train);
            let deploy = ConvBn::new(&stores[1].root(), &config, Form::Deploy);
            randomise(&stores[0], 1);
            let folded = train.folded();
            load(&stores[1], &folded);

            let xs = Tensor::randn([2, 4, 9, 11], (kind, Device::Cpu)) * 4.0;
            let expected = train.forward(&xs, Mode::Eval).unwrap();
            assert_eq!(expected.size(), [2, 6, 5, 6]);
            assert_eq!(train.geometry().output_side(9), 5);
            assert_close(&deploy.forward(&xs, Mode::Eval).unwrap(), &expected, tolerance);

            let again = deploy.folded();
            assert_eq!(again.keys().collect::<Vec<_>>(), folded.keys().collect::<Vec<_>>());
            assert!(again.iter().all(|(key, tensor)| *tensor == folded[key]));
        }
    }
}

#[test]
fn batch_statistics_normalise_and_update_the_running_ones() {
    let store = VarStore::new(Device::Cpu);
    let layer = ConvBn::new(&store.root(), &config(), Form::Train);
    let xs = Tensor::randn([8, 4, 9, 11], (Kind::Float, Device::Cpu));
    let ys = layer.forward(&xs, Mode::Train).unwrap();
    let dims: &[i64] = &[0, 2, 3];
    assert_close(&(ys.mean_dim(dims, false, Kind::Float) + 1.0), &Tensor::ones(6, (Kind::Float, Device::Cpu)), 1e-5);
    assert_close(&ys.var_dim(dims, false, false), &Tensor::ones(6, (Kind::Float, Device::Cpu)), 1e-4);

    let variables = store.variables();
    let weight = &variables["conv.weight"];
    let raw = xs.conv2d(weight, None::<&Tensor>, [2, 2], [2, 2], [2, 2], 2);
    assert_close(&variables["bn.running_mean"], &(raw.mean_dim(dims, false, Kind::Float) * 0.1), 1e-5);
    assert_close(&variables["bn.running_var"], &(raw.var_dim(dims, true, false) * 0.1 + 0.9), 1e-5);
}

#[test]
fn a_depthwise_convolution_over_one_pixel_has_a_whole_gradient_in_half_precision() {
    for (stride, dilation) in [(2, 1), (1, 1), (1, 4)] {
        let store = VarStore::new(Device::Cpu);
        let geometry = Geometry::depthwise(8, stride, dilation);
        let layer = ConvBn::new(&store.root(), &ConvBnConfig::new(geometry), Form::Train);
        let xs = Tensor::randn([6, 8, 1, 1], (Kind::Float, Device::Cpu));
        let weight = &store.variables()["conv.weight"];
        let pair = |value| [value, value];
        let plain = xs.conv2d(weight, None::<&Tensor>, pair(stride), pair(dilation), pair(dilation), 8);
        assert_close(&geometry.convolve(&xs, weight, None), &plain, 1e-6);
        tch_ext::convert_channels_last(&[weight.shallow_clone()]).unwrap();
        for _ in 0..100 {
            // What was freed before is what memory that nobody writes holds.
            let junk = |kind| (1..10).map(move |size| Tensor::full([8 << size], f64::NAN, (kind, Device::Cpu)));
            drop(junk(Kind::Float).chain(junk(Kind::BFloat16)).chain(junk(Kind::Float)).collect::<Vec<_>>());
            let ys = {
                let _half = Autocast::enter(Device::Cpu, Kind::BFloat16).unwrap();
                // The strides that a pointwise convolution leaves.
                let half = xs.to_kind(Kind::BFloat16).as_strided([6, 8, 1, 1], [8, 1, 8, 8], None);
                layer.forward(&half, Mode::Train).unwrap()
            };
            (ys.to_kind(Kind::Float) * xs.sin()).sum(Kind::Float).backward();
            let mut gradient = weight.grad();
            assert!(bool::try_from(gradient.isfinite().all()).unwrap(), "{gradient}");
            let _ = gradient.zero_();
        }
    }
}

#[test]
fn weights_start_at_the_fan_out_of_their_group() {
    let store = VarStore::new(Device::Cpu);
    ConvBn::new(&store.root(), &ConvBnConfig::new(Geometry::depthwise(512, 1, 1)), Form::Train);
    let std = store.variables()["conv.weight"].std(true).double_value(&[]);
    assert!((std / (2.0f64 / 9.0).sqrt() - 1.0).abs() < 0.05, "standard deviation {std}");
}
