//! What the tests of DeepLabV3 share.

use std::collections::BTreeMap;

use backbone::{Features, Form, OutputStride};
use heads::deeplabv3::{AuxiliaryConfig, DeepLabV3, DeepLabV3Config};
use tch::{Device, Kind, Tensor, nn::VarStore};

use crate::shared;
pub use crate::shared::{assert_close, load, names, with_prefix};

pub const CHANNELS: [i64; 4] = [4, 8, 16, 12];
pub const CLASSES: i64 = 4;

/// The tensors of a golden file.
pub fn golden(name: &str) -> BTreeMap<String, Tensor> {
    shared::golden(&format!("deeplabv3_{name}"))
}

/// Few channels and nothing random.
pub fn small() -> DeepLabV3Config {
    DeepLabV3Config { channels: 8, dropout: 0.0, ..DeepLabV3Config::default() }
}

pub fn auxiliary() -> Option<AuxiliaryConfig> {
    Some(AuxiliaryConfig { dropout: 0.0, ..AuxiliaryConfig::default() })
}

pub fn build(config: &DeepLabV3Config, output_stride: OutputStride, form: Form, kind: Kind) -> (VarStore, DeepLabV3) {
    let mut store = VarStore::new(Device::Cpu);
    store.set_kind(kind);
    let head = DeepLabV3::new(&store.root(), CHANNELS, output_stride, CLASSES, config, form).unwrap();
    (store, head)
}

/// Features of which the head sees C4 and C5 alone.
pub fn features(c4: &Tensor, c5: &Tensor) -> Features {
    let unused = || Tensor::zeros([0], (Kind::Float, Device::Cpu));
    Features { c2: unused(), c3: unused(), c4: c4.shallow_clone(), c5: c5.shallow_clone() }
}

/// Random features for an input of `size` (height, width).
pub fn random_features(images: i64, size: [i64; 2], output_stride: OutputStride, kind: Kind) -> Features {
    let map = |channels, stride: i64| {
        let stride = stride.min(output_stride.into());
        let [height, width] = size.map(|side| (side + stride - 1) / stride);
        Tensor::randn([images, channels, height, width], (kind, Device::Cpu))
    };
    features(&map(CHANNELS[2], 16), &map(CHANNELS[3], 32))
}

/// Gives every variable a value that a trained network could have.
pub fn randomise(store: &VarStore) {
    for (name, variable) in store.variables() {
        let random = variable.rand_like() * 2.0 - 1.0;
        let size = variable.size();
        let values = match name.rsplit('.').next() {
            Some("running_var") => random * 0.75 + 1.25,
            Some("running_mean" | "bias") => random * 0.35,
            _ if size.len() == 1 => random * 0.5 + 0.75,
            _ => random * (6.0 / size[1..].iter().product::<i64>() as f64).sqrt(),
        };
        variable.detach().copy_(&values);
    }
}
