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
