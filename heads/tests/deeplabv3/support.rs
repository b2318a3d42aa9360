//! Heads and features for the tests of DeepLabV3.

use std::collections::BTreeMap;

use backbone::{Features, Form, OutputStride};
use heads::{
    HeadSpec,
    deeplabv3::{AuxiliaryConfig, DeepLabV3, DeepLabV3Config},
};
use tch::{Device, Kind, Tensor, nn::VarStore};

pub use crate::{
    golden::with_prefix,
    shared::{assert_close, load, names, randomise},
};

pub const CHANNELS: [i64; 4] = [4, 8, 16, 12];
pub const CLASSES: i64 = 4;

/// The tensors of a golden file.
pub fn golden(name: &str) -> BTreeMap<String, Tensor> {
    crate::golden::golden(&format!("deeplabv3_{name}"))
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
    let spec = HeadSpec { channels: CHANNELS, output_stride, classes: CLASSES, form };
    let head = DeepLabV3::new(&store.root(), &spec, config).unwrap();
    (store, head)
}

/// Features with C4 and C5 only, which the head uses.
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
