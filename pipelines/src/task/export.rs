//! What an exported file needs of a task.

use formats::graph::Graph;
use formats::graph::ends::Suppression;
use front::words::Format;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{Evaluate, WithHead};
use crate::failure::Failure;

/// A task whose networks can be exported. An exported file holds the network, recorded, and behind it the task's final
/// steps, in TorchScript or as ONNX nodes.
pub trait Export: Evaluate {
    /// What is recorded behind the network, by the same operations for any number of images, and for any size where
    /// [`FinalSteps::fixed_size`] is not set; nothing where not stated otherwise.
    ///
    /// # Errors
    /// When the output is not from the network.
    fn decode(&self, _: &WithHead<Self::Head>, output: &Self::Output) -> Result<Vec<Tensor>, Failure> {
        Ok(self.numbers(output).into_iter().map(|(_, numbers)| numbers.shallow_clone()).collect())
    }

    /// The tensors that [`Export::decode`] uses, by name; they share memory with the model. In a TorchScript file they are buffers.
    fn export_buffers(&self, _: &WithHead<Self::Head>) -> Vec<(String, Tensor)> {
        Vec::new()
    }

    /// The steps behind the recorded network, in TorchScript.
    fn final_steps(&self, kind: OutputKind) -> FinalSteps;

    /// The final steps as a graph, whose inputs are the network's [numbers](super::Task::numbers) and, behind them, its images. Where
    /// [`Export::suppression`] follows, boxes and probabilities.
    ///
    /// # Errors
    /// When they cannot be built.
    fn ends(&self, model: &WithHead<Self::Head>, kind: OutputKind) -> Result<Graph, formats::Error>;

    /// The outputs of a file of a convention, which are those of [`Export::final_steps`] where not stated otherwise.
    fn outputs_by(&self, _: Convention, kind: OutputKind) -> Vec<Port> {
        self.final_steps(kind).outputs
    }

    /// The outputs of [`Export::final_steps`] from those of a file of a convention, for the image at a position of a batch, or for a whole
    /// batch.
    ///
    /// # Errors
    /// When they are not those of [`Export::outputs_by`].
    fn read_by(&self, _: Convention, outputs: Vec<Tensor>, _: OutputKind, _: i64) -> Result<Vec<Tensor>, Failure> {
        Ok(outputs)
    }

    /// The limits of the suppression behind [`Export::ends`], where the outputs are detections.
    fn suppression(&self, _: OutputKind) -> Option<Suppression> {
        None
    }

    /// The outputs that an exported file should give for images of `size` (height, width) for which the network has this output.
    ///
    /// # Errors
    /// When the output is not from the network.
    fn expected_outputs(
        &self,
        model: &WithHead<Self::Head>,
        output: &Self::Output,
        size: [i64; 2],
        kind: OutputKind,
    ) -> Result<Vec<Tensor>, Failure>;

    /// The predictions for each image of `batch` from the outputs of an exported file. The file may be anything: shapes, class
    /// ids and labels are checked.
    ///
    /// # Errors
    /// When they are not those of [`Export::final_steps`], or name a class that the task does not have.
    fn read_outputs(
        &self,
        outputs: &[Tensor],
        kind: OutputKind,
        batch: &[Self::Sample],
    ) -> Result<Vec<Self::Prediction>, Failure>;

    /// The difference between the outputs of an exported file and what the network's output for the same images, `expected` with
    /// their size, leads to,
    /// relative to the largest number. A difference that only a tie decides is none.
    ///
    /// # Errors
    /// When the outputs are not those of [`Export::final_steps`].
    fn difference(
        &self,
        model: &WithHead<Self::Head>,
        expected: (&Self::Output, [i64; 2]),
        outputs: &[Tensor],
        kind: OutputKind,
    ) -> Result<f64, Failure>;
}

/// In which form files give their outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// As torchvision's models do.
    Pytorch,
    /// As Task Library and Android's samples expect them: channels last, detections as `TFLite_Detection_PostProcess` gives them.
    Litert,
    /// As Vision reads them: labels with probabilities, detections as confidences and coordinates.
    Coreml,
}

impl Convention {
    /// That of the files of a format.
    pub fn of(format: Format) -> Self {
        match format {
            Format::Torchscript | Format::Lite | Format::Onnx => Self::Pytorch,
            Format::Litert => Self::Litert,
            Format::Coreml => Self::Coreml,
        }
    }
}

/// Which outputs an exported file has. Written as `raw: true` or `raw: false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub enum OutputKind {
    /// Those of the network.
    Raw,
    /// Those of the steps that usually follow: probabilities, suppression, class ids.
    Final,
}

impl From<bool> for OutputKind {
    fn from(raw: bool) -> Self {
        if raw { Self::Raw } else { Self::Final }
    }
}

impl From<OutputKind> for bool {
    fn from(kind: OutputKind) -> Self {
        kind == OutputKind::Raw
    }
}

/// The last part of an exported file, in TorchScript.
pub struct FinalSteps {
    /// Methods that `body` calls, each a complete `def`.
    pub helpers: String,
    /// Names for what [`Export::decode`] gives, in its order.
    pub names: &'static [&'static str],
    /// Statements that turn these, and the normalised images `x`, into the outputs; the last one returns them.
    pub body: String,
    /// The outputs.
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
    /// What it means, in a sentence.
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
        return Err(unexpected_outputs(&format!("{:?}", expected.size()), std::slice::from_ref(found)));
    }
    let expected = expected.to_kind(Kind::Double);
    let largest = |tensor: &Tensor| if tensor.numel() == 0 { 0.0 } else { tensor.abs().max().double_value(&[]) };
    Ok(largest(&(found.to_kind(Kind::Double) - &expected)) / largest(&expected).max(f64::MIN_POSITIVE))
}

/// The error of outputs that are not those of the task.
pub(super) fn unexpected_outputs(expected: &str, outputs: &[Tensor]) -> Failure {
    let found: Vec<String> = outputs.iter().map(|output| format!("{:?}", output.size())).collect();
    Failure::failed(format!("the outputs have the shapes {}, expected {expected}", found.join(", ")))
}

/// Checks that class ids, of any integer kind, are from `first` to below `end`.
pub(super) fn check_ids(ids: &Tensor, first: i64, end: i64) -> Result<(), Failure> {
    let outside = ids.to_kind(Kind::Int64);
    let outside = outside.masked_select(&outside.lt(first).logical_or(&outside.ge(end)));
    if outside.numel() == 0 {
        return Ok(());
    }
    let id = outside.int64_value(&[0]);
    Err(Failure::failed(format!("an output names class {id}, but the classes are {first} to {}", end - 1)))
}
