//! What the tasks share in exporting their networks.

use formats::onnx;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::failure::Failure;

/// An ONNX file that lacks its last steps.
pub struct OnnxGraph<'a> {
    /// What builds it.
    pub builder: &'a mut onnx::Builder,
    /// What the network gives, in the order of [`Task::numbers`].
    pub numbers: Vec<onnx::Value>,
    /// What the file takes.
    pub images: onnx::Value,
    /// Where these images have their channels.
    pub layout: onnx::Layout,
    /// The free side of the batch.
    pub batch: onnx::Dim,
    /// Height and width of the images, which may be free.
    pub sides: [onnx::Dim; 2],
}

/// The last part of an exported file, in TorchScript's own words.
pub struct Shipped {
    /// Methods that `body` calls, each a whole `def`.
    pub helpers: String,
    /// Names for what the network gives, in its order.
    pub names: &'static [&'static str],
    /// Statements that turn these, and the normalised images `x`, into the outputs; the last one returns them.
    pub body: String,
    /// What they return.
    pub outputs: Vec<Port>,
    /// Whether the file takes images of the configured size only.
    pub fixed_size: bool,
}

/// An output of an exported file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The type of its numbers.
    pub dtype: String,
    /// Its shape, with a word for every side that varies.
    pub shape: Vec<String>,
    /// What it says, in a sentence.
    pub meaning: String,
}

impl Port {
    pub(super) fn new(name: &str, dtype: &str, shape: &[&str], meaning: impl Into<String>) -> Self {
        let shape = shape.iter().map(|side| (*side).to_owned()).collect();
        Self { name: name.to_owned(), dtype: dtype.to_owned(), shape, meaning: meaning.into() }
    }
}

/// The largest difference of two tensors of one shape, relative to the largest number of the first.
pub(super) fn relative_difference(expected: &Tensor, found: &Tensor) -> Result<f64, Failure> {
    if expected.size() != found.size() {
        return Err(foreign_outputs(&format!("{:?}", expected.size()), std::slice::from_ref(found)));
    }
    let expected = expected.to_kind(Kind::Double);
    let largest = |tensor: &Tensor| if tensor.numel() == 0 { 0.0 } else { tensor.abs().max().double_value(&[]) };
    Ok(largest(&(found.to_kind(Kind::Double) - &expected)) / largest(&expected).max(f64::MIN_POSITIVE))
}

/// The error of an exported file whose outputs are not those that its task has.
pub(super) fn foreign_outputs(expected: &str, outputs: &[Tensor]) -> Failure {
    let found: Vec<String> = outputs.iter().map(|output| format!("{:?}", output.size())).collect();
    Failure::failed(format!("the file's outputs are {}, not {expected}", found.join(", ")))
}
