//! What the tests of this crate share.
#![allow(dead_code, reason = "each test program uses its own part")]

use backbone::StateDict;
use tch::{Kind, Tensor, nn::VarStore};

/// The store's keys in order.
pub fn names(store: &VarStore) -> Vec<String> {
    let mut names: Vec<String> = store.variables().into_keys().collect();
    names.sort();
    names
}

/// Gives every variable a value that a trained network could have: weights of mixed sign at He's scale, running
/// statistics and scales away from their defaults, a few of the scales negative.
pub fn randomise(store: &VarStore, seed: i64) {
    tch::manual_seed(seed);
    let variables = store.variables();
    for name in names(store) {
        let mut variable = variables[&name].detach();
        let size = variable.size();
        let options = (variable.kind(), variable.device());
        let values = match name.rsplit('.').next() {
            Some("running_var") => Tensor::rand(&size, options) * 1.5 + 0.5,
            Some("running_mean") | Some("bias") => Tensor::randn(&size, options) * 0.2,
            _ if size.len() == 1 => Tensor::randn(&size, options) * 0.3 + 0.5,
            _ => {
                let fan_in: i64 = size[1..].iter().product();
                Tensor::randn(&size, options) * (2.0 / fan_in as f64).sqrt()
            }
        };
        variable.copy_(&values);
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

/// The largest difference over the largest expected magnitude stays below `tolerance`, and the expectation is no zero.
pub fn assert_close(actual: &Tensor, expected: &Tensor, tolerance: f64) {
    let difference = relative(actual, expected);
    assert!(difference < tolerance, "relative difference {difference:e} is not below {tolerance:e}");
}

/// The largest difference over the largest expected magnitude.
pub fn relative(actual: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(actual.size(), expected.size());
    let (actual, expected) = (actual.detach().to_kind(Kind::Double), expected.detach().to_kind(Kind::Double));
    let scale = expected.abs().max().double_value(&[]);
    assert!(scale > 1e-3, "nothing to compare with: the largest expected magnitude is {scale:e}");
    (actual - expected).abs().max().double_value(&[]) / scale
}
