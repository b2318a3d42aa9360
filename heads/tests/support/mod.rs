//! What the tests of all heads share.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::collections::BTreeMap;

use backbone::StateDict;
use tch::{Kind, Tensor, nn::VarStore};

/// The tensors of a golden file.
pub fn golden(name: &str) -> BTreeMap<String, Tensor> {
    let path = format!("{}/tests/golden/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
    Tensor::read_safetensors(&path).unwrap_or_else(|error| panic!("{path}: {error}")).into_iter().collect()
}

/// The tensors below a prefix, without it.
pub fn with_prefix(golden: &BTreeMap<String, Tensor>, prefix: &str) -> StateDict {
    let tensor =
        |(name, tensor): (&String, &Tensor)| Some((name.strip_prefix(prefix)?.to_owned(), tensor.shallow_clone()));
    golden.iter().filter_map(tensor).collect()
}

/// The store's keys in order.
pub fn names(store: &VarStore) -> Vec<String> {
    let mut names: Vec<_> = store.variables().into_keys().collect();
    names.sort();
    names
}

/// Copies `tensors` into a store that holds exactly these keys and shapes.
pub fn load(store: &VarStore, tensors: &StateDict) {
    assert_eq!(names(store), tensors.keys().cloned().collect::<Vec<_>>());
    for (name, variable) in store.variables() {
        assert_eq!(variable.size(), tensors[&name].size(), "{name}");
        variable.detach().copy_(&tensors[&name]);
    }
}

/// The largest difference over the largest expected magnitude.
pub fn relative(actual: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(actual.size(), expected.size());
    let (actual, expected) = (actual.detach().to_kind(Kind::Double), expected.to_kind(Kind::Double));
    let scale = expected.abs().max().double_value(&[]);
    assert!(scale > 1e-3, "nothing to compare with: the largest expected magnitude is {scale:e}");
    (actual - expected).abs().max().double_value(&[]) / scale
}

#[track_caller]
pub fn assert_close(actual: &Tensor, expected: &Tensor, tolerance: f64) {
    let difference = relative(actual, expected);
    assert!(difference < tolerance, "relative difference {difference:e} is not below {tolerance:e}");
}
