//! Heads and conversions for the tests of SSDLite.

use std::collections::BTreeMap;

use backbone::{Form, OutputStride};
use heads::{
    HeadSpec,
    ssdlite::{Corners, SsdLite, SsdLiteConfig},
};
use proptest::prelude::*;
use tch::{Device, Tensor, nn::VarStore};

pub use crate::{
    golden::with_prefix,
    shared::{load, names, relative},
};

/// The tensors of a golden file.
pub fn golden(name: &str) -> BTreeMap<String, Tensor> {
    crate::golden::golden(&format!("ssdlite_{name}"))
}

/// A head of few channels; its weights are random.
pub fn head(size: [i64; 2], classes: i64, config: &SsdLiteConfig) -> SsdLite {
    let store = VarStore::new(Device::Cpu);
    let spec = HeadSpec { channels: [4, 6, 12, 20], output_stride: OutputStride::Os32, classes, form: Form::Train };
    SsdLite::new(&store.root(), &spec, size, config).unwrap()
}

pub fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.reshape(-1).try_into().unwrap()
}

pub fn integers(tensor: &Tensor) -> Vec<i64> {
    tensor.reshape(-1).try_into().unwrap()
}

/// Rows of a `[.., 4]` tensor.
pub fn rows(tensor: &Tensor) -> Vec<[f32; 4]> {
    floats(tensor).as_chunks().0.to_vec()
}

/// Boxes with sides from 1 to 150 pixels around a 320x320 image.
pub fn any_box() -> impl Strategy<Value = Corners> {
    (0.0_f32..300.0, 0.0_f32..300.0, 1.0_f32..150.0, 1.0_f32..150.0).prop_map(|(x, y, w, h)| [x, y, x + w, y + h])
}
