//! The one seam between the stages and what a task is.
//!
//! A task says how to read a sample, build the model, compute losses, turn outputs into predictions and score them. The
//! stages (training, evaluation, prediction) are written once, against [`Task`].

mod body;
pub mod classify;
mod data;
pub mod detect;
pub mod segment;
mod shipping;

use backbone::{Cost, Form, MobileOne, Mode, StateDict};
use datasets::{Class, Dataset, Encoding, Image, SampleRng};
use formats::onnx;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tch::{Tensor, nn};

use crate::config::{Config, Keys, TaskKind};
use crate::failure::Failure;
use crate::files;
use crate::report::{ImagePredictions, Report};
pub use body::Body;
pub use data::{AnnotatedSet, Data, Source, read_splits, warn_findings};
use data::{SetOf, below};
pub use shipping::{OnnxGraph, Port, Shipped};
use shipping::{foreign_outputs, relative_difference};

/// One part of the loss, already weighted; the parts add up to what is minimised.
pub struct Loss {
    /// The part's name in progress, CSV and TensorBoard.
    pub name: &'static str,
    /// A scalar.
    pub value: Tensor,
}

/// One of the things that the toolbox trains.
pub trait Task: Sized {
    /// What the task adds to the configuration.
    type Keys: Keys<Source: Source>;
    /// A sample, decoded and at the size that the network sees.
    type Sample: Send + 'static;
    /// Where samples come from.
    type Dataset: Dataset<Sample = Self::Sample> + 'static;
    /// The network.
    type Model;
    /// What the network puts out.
    type Output;
    /// What the images of a batch are to be taken for.
    type Targets;
    /// What an output says about one image: plain data, as large as the task's own scale.
    type Prediction;
    /// Counts predictions against the truth.
    type Scorer: Scorer<Self>;

    /// The word for the task in configurations.
    const KIND: TaskKind;

    /// What stands before the backbone's keys; nothing where it is the root of the network.
    const BACKBONE: &'static str;

    /// The columns of a prediction's rows: `id` and `name` of a class first.
    const COLUMNS: &'static [&'static str];

    /// The task for these classes.
    ///
    /// # Errors
    /// When the configuration does not describe a network that can be built for them.
    fn new(config: &Config<Self::Keys>, classes: &[Class]) -> Result<Self, Failure>;

    /// The samples of a training set.
    ///
    /// # Errors
    /// When the configuration does not fit the set.
    fn training_samples(config: &Config<Self::Keys>, set: SetOf<Self::Keys>) -> Result<Self::Dataset, Failure>;

    /// The samples of a validation set.
    ///
    /// # Errors
    /// When the configuration does not fit the set.
    fn validation_samples(config: &Config<Self::Keys>, set: SetOf<Self::Keys>) -> Result<Self::Dataset, Failure>;

    /// Reads the training set's annotations.
    ///
    /// # Errors
    /// When the data is missing or wrong.
    fn training_data(config: &Config<Self::Keys>) -> Result<Data<Self::Dataset>, Failure> {
        data::read(config, &config.data.train, None, |set| Self::training_samples(config, set))
    }

    /// Reads the validation set's annotations; its classes must be `classes` where they are given.
    ///
    /// # Errors
    /// When the data is missing or wrong, or has other classes.
    fn validation_data(config: &Config<Self::Keys>, classes: Option<&[Class]>) -> Result<Data<Self::Dataset>, Failure> {
        data::read(config, &config.data.val, classes, |set| Self::validation_samples(config, set))
    }

    /// Registers the model's weights under `path`. `Form::Train` is the form that the configuration trains.
    ///
    /// # Errors
    /// When the configuration does not describe a model that can be built.
    fn build(&self, path: &nn::Path, form: Form) -> Result<Self::Model, Failure>;

    /// The backbone of a model.
    fn backbone(model: &Self::Model) -> &MobileOne;

    /// What a model of that form costs for one image of the configured size, layer by layer. The form is that of the heads too.
    fn cost(&self, model: &Self::Model, form: Form) -> Cost;

    /// The numbers of an output, by name, for comparing two models.
    fn numbers<'a>(&self, output: &'a Self::Output) -> Vec<(&'static str, &'a Tensor)>;

    /// Writes the model's deploy-form weights under their keys.
    fn fold(&self, model: &Self::Model, into: &mut StateDict);

    /// Images that are evaluated together, where training takes `configured`.
    fn evaluation_batch(&self, configured: usize) -> usize {
        configured
    }

    /// The image of a sample.
    fn image(sample: &Self::Sample) -> &Image;

    /// The file that a sample was read from.
    fn file(sample: &Self::Sample) -> &Path;

    /// Runs the network on normalised images `[N, 3, H, W]`.
    ///
    /// # Errors
    /// When the images do not fit the network.
    fn forward(&self, model: &Self::Model, images: &Tensor, mode: Mode) -> Result<Self::Output, Failure>;

    /// What a training step shows the network, made from the batch's normalised images `[N, 3, H, W]`, and what the network is
    /// to take it for. Everything random comes from `rng`.
    ///
    /// # Errors
    /// When a sample does not fit the task.
    fn targets(
        &self,
        images: Tensor,
        batch: &[Self::Sample],
        rng: &mut SampleRng,
    ) -> Result<(Tensor, Self::Targets), Failure>;

    /// The parts of the loss, in fp32.
    ///
    /// # Errors
    /// When the targets do not fit the output.
    fn losses(&self, model: &Self::Model, output: &Self::Output, targets: &Self::Targets)
    -> Result<Vec<Loss>, Failure>;

    /// What `output` says about each image of `batch`.
    ///
    /// # Errors
    /// When the output cannot be decoded.
    fn predictions(
        &self,
        model: &Self::Model,
        output: &Self::Output,
        batch: &[Self::Sample],
    ) -> Result<Vec<Self::Prediction>, Failure>;

    /// The part of the network that an exported file holds as recorded, from normalised images `[N, 3, H, W]` on: the same
    /// operations for any number of images, and for any size where [`Shipped::fixed_size`] is not set.
    ///
    /// # Errors
    /// When the images do not fit the network.
    fn shipped_network(&self, model: &Self::Model, images: &Tensor) -> Result<Vec<Tensor>, Failure>;

    /// What an exported file does with what its network gives.
    fn shipped(&self, raw: bool) -> Shipped;

    /// What the outputs of an exported file say about each image of `batch`.
    ///
    /// # Errors
    /// When they are not those of [`Task::shipped`].
    fn read_shipped(
        &self,
        outputs: &[Tensor],
        raw: bool,
        batch: &[Self::Sample],
    ) -> Result<Vec<Self::Prediction>, Failure>;

    /// Adds the last steps of an ONNX file: from the network's [numbers](Task::numbers) and the file's own images, which the task
    /// may take a size from, to its outputs, as [`Task::shipped`] has them.
    ///
    /// # Errors
    /// When a step cannot be built from these.
    fn ship_onnx(&self, model: &Self::Model, graph: &mut OnnxGraph<'_>, raw: bool) -> Result<(), onnx::Error>;

    /// What an exported file is to put out for these normalised images `[N, 3, H, W]`, computed by the network.
    ///
    /// # Errors
    /// When the images do not fit the network.
    fn shipped_outputs(&self, model: &Self::Model, images: &Tensor, raw: bool) -> Result<Vec<Tensor>, Failure>;

    /// How far the outputs of an exported file are from what the network says about the same normalised images, relative to
    /// the largest number. What only a tie decides is no difference.
    ///
    /// # Errors
    /// When the outputs are not those of [`Task::shipped`].
    fn difference(&self, model: &Self::Model, images: &Tensor, outputs: &[Tensor], raw: bool) -> Result<f64, Failure>;

    /// A scorer for the samples of `data`. Where `folder` is given it writes the predictions there, and the truth beside
    /// them in the same format, so that other evaluators can be run on both.
    ///
    /// # Errors
    /// When the annotations cannot be evaluated, or a file cannot be written.
    fn scorer(&self, data: &Data<Self::Dataset>, folder: Option<&Path>) -> Result<Self::Scorer, Failure>;

    /// Prepares any image for the network, as in evaluation.
    ///
    /// # Errors
    /// When it cannot be resized.
    fn prepare(&self, picture: &Image, file: &Path) -> Result<Self::Sample, Failure>;

    /// The predictions for a picture, drawn where `options` say.
    ///
    /// # Errors
    /// When a picture cannot be written.
    fn render(
        &self,
        prediction: &Self::Prediction,
        sample: &Self::Sample,
        picture: &Image,
        options: &RenderOptions,
    ) -> Result<ImagePredictions, Failure>;
}

/// A section of the configuration that a task has no keys for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nothing {}

/// JPEG quality of drawn pictures.
const QUALITY: u8 = 92;

/// Writes a picture whole as JPEG; `place` is its path without the ending. Gives the whole path back.
fn write_picture(place: &Path, image: &Image) -> Result<PathBuf, Failure> {
    let path = PathBuf::from(format!("{}.jpg", place.display()));
    let bytes = image.encode(Encoding::Jpeg(QUALITY)).map_err(Failure::failed)?;
    files::write(&path, &bytes)?;
    Ok(path)
}

/// How predictions are shown.
#[derive(Clone, Debug)]
pub struct RenderOptions {
    /// Where the image's pictures go, without their ending; none are drawn without it.
    pub picture: Option<PathBuf>,
    /// Predictions below this score are left out.
    pub threshold: f64,
}

/// Takes predictions batch by batch and says in the end how good they were.
pub trait Scorer<T: Task> {
    /// The result.
    type Report: Report;

    /// Takes the predictions for `batch`.
    ///
    /// # Errors
    /// When they cannot be counted or written.
    fn add(&mut self, task: &T, predictions: &[T::Prediction], batch: &[T::Sample]) -> Result<(), Failure>;

    /// The result; the predictions' file is whole now.
    ///
    /// # Errors
    /// When nothing can be said, or the file cannot be written.
    fn finish(self) -> Result<Self::Report, Failure>;
}

/// Evaluates an expression with `T` as the task of that kind: the only place that knows the type of each kind.
macro_rules! for_task {
    ($kind:expr, $task:ident => $body:expr) => {
        match $kind {
            $crate::config::TaskKind::Classify => {
                type $task = $crate::task::classify::Classify;
                $body
            }
            $crate::config::TaskKind::Detect => {
                type $task = $crate::task::detect::Detect;
                $body
            }
            $crate::config::TaskKind::Segment => {
                type $task = $crate::task::segment::Segment;
                $body
            }
        }
    };
}
pub(crate) use for_task;
