//! What the tests share.

use std::collections::BTreeMap;

use backbone::{Form, OutputStride};
use heads::ssdlite::{Corners, SsdLite, SsdLiteConfig};
use proptest::prelude::*;
use tch::{Device, Kind, Tensor, nn::VarStore};

/// The tensors of a golden file.
pub fn golden(name: &str) -> BTreeMap<String, Tensor> {
    let path = format!("{}/tests/golden/ssdlite_{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
    Tensor::read_safetensors(&path).unwrap_or_else(|error| panic!("{path}: {error}")).into_iter().collect()
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

/// The largest difference over the largest expected magnitude.
pub fn relative(actual: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(actual.size(), expected.size());
    let (actual, expected) = (actual.detach().to_kind(Kind::Double), expected.to_kind(Kind::Double));
    let scale = expected.abs().max().double_value(&[]);
    assert!(scale > 1e-3, "nothing to compare with: the largest expected magnitude is {scale:e}");
    (actual - expected).abs().max().double_value(&[]) / scale
}

/// Boxes with sides from 1 to 150 pixels around a 320x320 image.
pub fn any_box() -> impl Strategy<Value = Corners> {
    (0.0_f32..300.0, 0.0_f32..300.0, 1.0_f32..150.0, 1.0_f32..150.0).prop_map(|(x, y, w, h)| [x, y, x + w, y + h])
}
