//! Reads what `tools/golden/optim.py` wrote.

use std::{collections::BTreeMap, path::Path};

use tch::{Kind, Tensor};

pub const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/optim.safetensors");

/// The kinds in the file, and how closely results have to agree relative to the largest value.
pub const KINDS: [(&str, Kind, f64); 2] = [("f32", Kind::Float, 1e-6), ("f64", Kind::Double, 1e-12)];

pub struct Golden {
    tensors: BTreeMap<String, Tensor>,
}

impl Golden {
    pub fn open() -> Self {
        let tensors = Tensor::read_safetensors(Path::new(PATH)).expect("the golden file is readable");
        Self { tensors: tensors.into_iter().collect() }
    }

    /// Copies of the two tensors named `prefix.0` and `prefix.1`.
    pub fn pair(&self, prefix: &str) -> Vec<Tensor> {
        (0..2).map(|i| self.tensors[&format!("{prefix}.{i}")].copy()).collect()
    }
}

/// Largest difference over largest expected value, worst over the list.
pub fn difference(found: &[Tensor], expected: &[Tensor]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let relative = |(found, expected): (&Tensor, &Tensor)| {
        assert_eq!((found.size(), found.kind()), (expected.size(), expected.kind()));
        let difference = (found - expected).abs().max().double_value(&[]);
        difference / expected.abs().max().double_value(&[])
    };
    found.iter().zip(expected).map(relative).fold(0.0, f64::max)
}
