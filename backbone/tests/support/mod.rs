//! Networks, values and comparisons for the tests of this crate and of `heads`.
#![allow(dead_code, reason = "each test program uses a part")]

use backbone::{Form, MobileOne, OutputStride, Spec, Stage, StateDict};
use tch::{Device, Kind, Tensor, nn::VarStore};

/// A specification of these stages (width, blocks, blocks with squeeze-and-excitation) with a stem of 16 channels.
pub fn spec(stages: [(i64, i64, i64); 4], branches: i64) -> Spec {
    let stages = stages.map(|(width, blocks, squeeze_excite)| Stage { width, blocks, squeeze_excite });
    Spec { in_channels: 3, stem: 16, stages, branches, scale: true, skip: true }
}

pub fn build(spec: &Spec, form: Form, output_stride: OutputStride, kind: Kind) -> (VarStore, MobileOne) {
    let mut store = VarStore::new(Device::Cpu);
    store.set_kind(kind);
    let network = MobileOne::new(&store.root(), spec, form, output_stride);
    (store, network)
}

/// Copies of the store's values.
pub fn snapshot(store: &VarStore) -> StateDict {
    store.variables().into_iter().map(|(name, variable)| (name, variable.detach().copy())).collect()
}

/// The store's keys in order.
pub fn names(store: &VarStore) -> Vec<String> {
    let mut names: Vec<String> = store.variables().into_keys().collect();
    names.sort();
    names
}

/// Values between -1 and 1 that depend only on the key and the index, `[size]` in fp64: FNV-1a of the key, then SplitMix64 of the
/// index, upper 24 bits. `tools/golden/weights.py` has the same function.
pub fn uniform(key: &str, size: &[i64]) -> Tensor {
    let seed =
        key.bytes().fold(0xCBF2_9CE4_8422_2325, |seed, byte| (seed ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
    let value = |index: i64| {
        let z: u64 = u64::wrapping_add(seed, (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 23) - 1.0
    };
    Tensor::from_slice(&(0..size.iter().product()).map(value).collect::<Vec<f64>>()).view(size)
}

/// A value that a trained network could have; `tools/golden/weights.py` has the same function.
pub fn fill(key: &str, size: &[i64]) -> Tensor {
    let random = uniform(key, size);
    if key.ends_with("running_var") {
        random * 0.5 + 1.0
    } else if key.ends_with("running_mean") || key.ends_with("bias") {
        random * 0.25
    } else if size.len() == 1 {
        random * 0.2 + 0.4
    } else {
        random * (6.0 / size[1..].iter().product::<i64>() as f64).sqrt()
    }
}

/// `[N, 3, H, W]` of unit variance.
pub fn images(size: [i64; 4], kind: Kind) -> Tensor {
    (uniform("images", &size) * 3f64.sqrt()).to_kind(kind)
}

/// Gives every variable a value that a trained network could have: weights of mixed sign at He's scale, running
/// statistics and scales away from their defaults. It does not use libtorch's generator, which tests share.
pub fn randomise(store: &VarStore, seed: i64) {
    for (name, variable) in store.variables() {
        let size = variable.size();
        let random = uniform(&format!("{seed} {name}"), &size);
        let values = match name.rsplit('.').next() {
            Some("running_var") => random * 0.75 + 1.25,
            Some("running_mean") | Some("bias") => random * 0.35,
            _ if size.len() == 1 => random * 0.5 + 0.5,
            _ => random * (6.0 / size[1..].iter().product::<i64>() as f64).sqrt(),
        };
        variable.detach().copy_(&values);
    }
}

/// Copies `tensors` into a store that holds exactly these keys and shapes.
pub fn load(store: &VarStore, tensors: &StateDict) {
    let variables = store.variables();
    assert_eq!(names(store), tensors.keys().cloned().collect::<Vec<_>>());
    for (name, variable) in variables {
        assert_eq!(variable.size(), tensors[&name].size(), "shape of {name}");
        variable.detach().copy_(&tensors[&name]);
    }
}

/// [`relative`] is below `tolerance`.
#[track_caller]
pub fn assert_close(actual: &Tensor, expected: &Tensor, tolerance: f64) {
    let difference = relative(actual, expected);
    assert!(difference < tolerance, "relative difference {difference:e} is not below {tolerance:e}");
}

/// The largest difference divided by the largest expected magnitude, which must not be zero.
pub fn relative(actual: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(actual.size(), expected.size());
    let (actual, expected) = (actual.detach().to_kind(Kind::Double), expected.detach().to_kind(Kind::Double));
    let scale = expected.abs().max().double_value(&[]);
    assert!(scale > 1e-3, "nothing to compare with: the largest expected magnitude is {scale:e}");
    (actual - expected).abs().max().double_value(&[]) / scale
}
