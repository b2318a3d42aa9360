//! The one seam between the stages and what a task is.
//!
//! A task says how to read a sample, build the model, compute losses, turn outputs into predictions and score them. The
//! stages (training, evaluation, prediction) are written once, against [`Task`].

mod body;
pub mod classify;
pub mod detect;
pub mod segment;

use backbone::{Cost, Form, MobileOne, Mode, StateDict};
use datasets::{Class, Dataset, Encoding, Findings, Image, SampleRng};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tch::{Tensor, nn};

use crate::config::{Config, Keys};
use crate::console::Table;
use crate::failure::Failure;
use crate::run_folder::write_whole;
pub use body::Body;

/// A set of samples as a stage needs it.
pub struct Data<D> {
    /// The samples.
    pub samples: Arc<D>,
    /// The classes, in the order of the indices that the samples carry.
    pub classes: Vec<Class>,
    /// What is odd in the set and how it is handled, a sentence each.
    pub findings: Vec<String>,
}

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
    type Keys: Keys;
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
    /// Counts predictions against the truth.
    type Scorer: Scorer<Self>;

    /// What stands before the backbone's keys; nothing where it is the root of the network.
    const BACKBONE: &'static str;

    /// The task for these classes.
    ///
    /// # Errors
    /// When the configuration does not describe a network that can be built for them.
    fn new(config: &Config<Self::Keys>, classes: &[Class]) -> Result<Self, Failure>;

    /// Reads the training set's annotations.
    ///
    /// # Errors
    /// When the data is missing or wrong.
    fn training_data(config: &Config<Self::Keys>) -> Result<Data<Self::Dataset>, Failure>;

    /// Reads the validation set's annotations; its classes must be `classes` where they are given.
    ///
    /// # Errors
    /// When the data is missing or wrong, or has other classes.
    fn validation_data(config: &Config<Self::Keys>, classes: Option<&[Class]>) -> Result<Data<Self::Dataset>, Failure>;

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

    /// A scorer for the samples of `data`. Where `folder` is given it writes the predictions there, and the truth beside
    /// them in the same format, so that other evaluators can be run on both.
    ///
    /// # Errors
    /// When the annotations cannot be evaluated, or a file cannot be written.
    fn scorer(&self, data: &Data<Self::Dataset>, folder: Option<&Path>) -> Result<Self::Scorer, Failure>;

    /// Prepares any image for the network, as in evaluation.
    ///
    /// # Errors
    /// When it cannot be read.
    fn prepare(&self, image: &Path) -> Result<Self::Sample, Failure>;

    /// Writes what the network sees in one image: pictures where `options` say, and a value for the JSON. `output` is of that image
    /// alone.
    ///
    /// # Errors
    /// When a picture cannot be written.
    fn render(
        &self,
        model: &Self::Model,
        output: &Self::Output,
        sample: &Self::Sample,
        options: &RenderOptions,
    ) -> Result<serde_json::Value, Failure>;
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
    write_whole(&path, &bytes)?;
    Ok(path)
}

/// The error of a data set whose classes are not those that a network was trained for.
fn differing_classes(found: &[Class], trained: &[Class]) -> Failure {
    let names = |classes: &[Class]| {
        let all: Vec<&str> = classes.iter().map(|class| class.name.as_str()).collect();
        match all.len() {
            0..=20 => all.join(", "),
            count => format!("{count}: {}, ...", all[..20].join(", ")),
        }
    };
    Failure::failed(format!(
        "the validation set's classes ({}) are not those of the network ({})",
        names(found),
        names(trained)
    ))
}

/// What is odd in a set, a sentence each.
fn sentences(findings: &Findings) -> Vec<String> {
    findings.to_string().lines().map(str::to_owned).collect()
}

/// An error of the data: a setting out of range is the configuration's fault.
fn data_failure(error: datasets::Error) -> Failure {
    match error {
        datasets::Error::Setting { .. } => Failure::usage(format!("data: {error}")),
        other => Failure::failed(other),
    }
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

    /// Takes the outputs for `batch`.
    ///
    /// # Errors
    /// When the outputs cannot be decoded.
    fn add(&mut self, task: &T, model: &T::Model, output: &T::Output, batch: &[T::Sample]) -> Result<(), Failure>;

    /// The result; the predictions' file is whole now.
    ///
    /// # Errors
    /// When nothing can be said, or the file cannot be written.
    fn finish(self) -> Result<Self::Report, Failure>;
}

/// How good a network is.
pub trait Report: Serialize {
    /// The name of the number that decides which checkpoint is best.
    const HEADLINE: &'static str;

    /// That number; higher is better.
    fn headline(&self) -> f64;

    /// What goes to CSV and TensorBoard each epoch.
    fn scalars(&self) -> Vec<(&'static str, f64)>;

    /// What is printed.
    fn tables(&self) -> Vec<Table>;
}
