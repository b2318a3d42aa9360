//! Golden files.

use std::collections::BTreeMap;

use backbone::StateDict;
use tch::Tensor;

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
