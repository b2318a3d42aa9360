//! What the tests of SSDLite share.

use std::collections::BTreeMap;

use backbone::{Form, OutputStride};
use heads::ssdlite::{Corners, SsdLite, SsdLiteConfig};
use proptest::prelude::*;
use tch::{Device, Tensor, nn::VarStore};

use crate::shared;
pub use crate::shared::{load, names, relative, with_prefix};

/// The tensors of a golden file.
pub fn golden(name: &str) -> BTreeMap<String, Tensor> {
    shared::golden(&format!("ssdlite_{name}"))
}

/// A head of few channels; its weights are random.
pub fn head(size: [i64; 2], classes: i64, config: &SsdLiteConfig) -> SsdLite {
    let store = VarStore::new(Device::Cpu);
    SsdLite::new(&store.root(), [4, 6, 12, 20], OutputStride::Os32, classes, size, config, Form::Train).unwrap()
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
