//! The one seam between the stages and what a task is.
//!
//! A task says how to read a sample, build the model, compute losses, turn outputs into predictions and score them. The
//! stages (training, evaluation, prediction) are written once, against [`Task`].

pub mod detect;

use backbone::{Form, Mode, StateDict};
use datasets::{Class, Dataset, Image};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tch::{Tensor, nn};

use crate::config::{Config, Keys};
use crate::console::Table;
use crate::failure::Failure;

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
    /// Counts predictions against the truth.
    type Scorer: Scorer<Self>;

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

    /// Writes the model's deploy-form weights under their keys.
    fn fold(&self, model: &Self::Model, into: &mut StateDict);

    /// The image of a sample.
    fn image(sample: &Self::Sample) -> &Image;

    /// The file that a sample was read from.
    fn file(sample: &Self::Sample) -> &Path;

    /// Runs the network on normalised images `[N, 3, H, W]`.
    ///
    /// # Errors
    /// When the images do not fit the network.
    fn forward(&self, model: &Self::Model, images: &Tensor, mode: Mode) -> Result<Self::Output, Failure>;

    /// The parts of the loss, in fp32.
    ///
    /// # Errors
    /// When a sample does not fit the network.
    fn losses(&self, model: &Self::Model, output: &Self::Output, batch: &[Self::Sample]) -> Result<Vec<Loss>, Failure>;

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

    /// Writes what the network sees in `sample`: a picture below `folder`, and a value for the JSON.
    ///
    /// # Errors
    /// When the picture cannot be written.
    fn render(
        &self,
        model: &Self::Model,
        output: &Self::Output,
        batch: &[Self::Sample],
        options: &RenderOptions,
    ) -> Result<Vec<serde_json::Value>, Failure>;
}

/// How predictions are shown.
#[derive(Clone, Debug)]
pub struct RenderOptions {
    /// Where pictures go; none are drawn without it.
    pub folder: Option<PathBuf>,
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
    /// The number that decides which checkpoint is best, and its name; higher is better.
    fn headline(&self) -> (&'static str, f64);

    /// What goes to CSV and TensorBoard each epoch.
    fn scalars(&self) -> Vec<(&'static str, f64)>;

    /// What is printed.
    fn tables(&self) -> Vec<Table>;
}
