//! What evaluation and prediction need of a task.

use datasets::{Class, Encoding, Image, Size};
use eval::{BootstrapOptions, Comparison};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use tch::Tensor;

use super::data::{self, Purpose, SetOf};
use super::{Data, Task, WithHead};
use crate::config::Config;
use crate::failure::Failure;
use crate::files;
use crate::report::page::{Insight, Picture};
use crate::report::{ImagePredictions, Report};

/// A task whose networks predict and are scored.
pub trait Evaluate: Task {
    /// The prediction for one image: plain data, as large as the task's own scale.
    type Prediction;
    /// Scores predictions against the truth.
    type Scorer: Scorer<Self>;
    /// Compares the predictions of two networks.
    type Pairing: Pairing<Self>;

    /// The columns of a prediction's rows: `id` and `name` of a class first.
    const COLUMNS: &'static [&'static str];

    /// The samples of a validation set.
    ///
    /// # Errors
    /// When the configuration does not fit the set.
    fn validation_samples(config: &Config<Self::Keys>, set: SetOf<Self::Keys>) -> Result<Self::Dataset, Failure>;

    /// The number of images that are evaluated together, where training takes `configured`.
    fn evaluation_batch(&self, configured: usize) -> usize {
        configured
    }

    /// The output that predictions are made from: that of the network, which `forward` runs, or an average over several views of the
    /// images.
    ///
    /// # Errors
    /// Those of `forward`.
    fn evaluation_output(
        &self,
        forward: &dyn Fn(&Tensor) -> Result<Self::Output, Failure>,
        images: &Tensor,
    ) -> Result<Self::Output, Failure> {
        forward(images)
    }

    /// The prediction for each image of `batch`.
    ///
    /// # Errors
    /// When the output cannot be decoded.
    fn predictions(
        &self,
        model: &WithHead<Self::Head>,
        output: &Self::Output,
        batch: &[Self::Sample],
    ) -> Result<Vec<Self::Prediction>, Failure>;

    /// A scorer for the samples of `data`. Where `folder` is given it writes the predictions there, and the truth beside
    /// them in the same format, so that other evaluators can be run on both.
    ///
    /// # Errors
    /// When the annotations cannot be evaluated, or a file cannot be written.
    fn scorer(&self, data: &Data<Self::Dataset>, folder: Option<&Path>) -> Result<Self::Scorer, Failure>;

    /// A comparison of two networks on the samples of `data`.
    ///
    /// # Errors
    /// When the annotations cannot be evaluated.
    fn pairing(&self, data: &Data<Self::Dataset>) -> Result<Self::Pairing, Failure>;

    /// The classes that a sample shows, by their indices.
    fn classes_in(sample: &Self::Sample) -> Vec<usize>;

    /// Prepares any image for the network, as in evaluation.
    ///
    /// # Errors
    /// When it cannot be resized.
    fn prepare(&self, picture: &Image, file: &Path) -> Result<Self::Sample, Failure>;

    /// The predictions for a picture as rows, drawn where `options` say.
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

    /// A small picture of a sample with its truth, in the proportions of `size`.
    ///
    /// # Errors
    /// When it cannot be encoded.
    fn truth(&self, sample: &Self::Sample, size: Size) -> Result<Picture, Failure>;

    /// A small picture of a sample in its file's proportions, with its truth and the prediction.
    ///
    /// # Errors
    /// When it cannot be encoded.
    fn picture(&self, prediction: &Self::Prediction, sample: &Self::Sample) -> Result<Picture, Failure>;

    /// Reads the validation set's annotations; its classes must be `classes` where they are given.
    ///
    /// # Errors
    /// When the data is missing or wrong, or has other classes.
    fn validation_data(config: &Config<Self::Keys>, classes: Option<&[Class]>) -> Result<Data<Self::Dataset>, Failure> {
        data::read(config, (Purpose::Validation, &config.data.val), classes, |set| {
            Self::validation_samples(config, set)
        })
    }

    /// Reads the training set's annotations, for its images prepared as in evaluation.
    ///
    /// # Errors
    /// When the data is missing or wrong.
    fn calibration_data(config: &Config<Self::Keys>) -> Result<Data<Self::Dataset>, Failure> {
        data::read(config, (Purpose::Training, &config.data.train), None, |set| Self::validation_samples(config, set))
    }
}

/// Takes predictions image by image and reports in the end how good they are.
pub trait Scorer<T: Evaluate> {
    /// The report.
    type Report: Report;
    /// What is scored of one image: plain data that any process of a job can score.
    type Result: Serialize + DeserializeOwned;

    /// How images that cannot be read are scored, as the end of a sentence about them.
    const UNREADABLE: &'static str;

    /// What [`Scorer::quality`] is, as a sentence without its full stop.
    const QUALITY: &'static str;

    /// What is scored of the prediction for a sample.
    ///
    /// # Errors
    /// When they do not fit each other.
    fn result(&self, task: &T, prediction: T::Prediction, sample: &T::Sample) -> Result<Self::Result, Failure>;

    /// Takes a result, in the order of the set.
    ///
    /// # Errors
    /// When it cannot be scored or written.
    fn add(&mut self, result: Self::Result) -> Result<(), Failure>;

    /// How good a result is on its own, from 0 to 1, where that can be said: images are ranked by it.
    ///
    /// # Errors
    /// When it cannot be scored.
    fn quality(&self, result: &Self::Result) -> Result<Option<f64>, Failure>;

    /// The report, and what is known beyond it where predictions are written. Completes the file of predictions.
    ///
    /// # Errors
    /// When there is nothing to score, or the file cannot be written.
    fn finish(self) -> Result<(Self::Report, Insight), Failure>;
}

/// The resamples by which the headline metric of a report gets its interval: with more its ends move less, but they cost time.
pub(super) const INTERVAL: BootstrapOptions = BootstrapOptions { resamples: 300, seed: 0, confidence: 0.95 };

/// What a sample's prediction is scored by.
pub type ResultOf<T> = <<T as Evaluate>::Scorer as Scorer<T>>::Result;

/// Takes what two networks, A and B, predict for the same images.
pub trait Pairing<T: Evaluate> {
    /// What is counted as agreement, as a noun.
    const AGREEMENT: &'static str;

    /// Takes the results for an image.
    ///
    /// # Errors
    /// When they cannot be scored.
    fn add(&mut self, a: ResultOf<T>, b: ResultOf<T>) -> Result<(), Failure>;

    /// The comparison.
    ///
    /// # Errors
    /// When there is nothing to compare.
    fn finish(self) -> Result<Paired, Failure>;
}

/// Two networks on the same images.
#[derive(Clone, Debug, Serialize)]
pub struct Paired {
    /// Their metrics, the headline first, and the differences with intervals.
    pub comparison: Comparison,
    /// The share of predictions that agree.
    pub agreement: f64,
}

/// How predictions are shown.
#[derive(Clone, Debug)]
pub struct RenderOptions {
    /// The path of the image's pictures, without an extension; none are drawn without it.
    pub picture: Option<PathBuf>,
    /// Predictions below this score are left out.
    pub threshold: f64,
}

/// JPEG quality of drawn pictures.
const JPEG_QUALITY: u8 = 92;

/// Writes a picture as JPEG to `place`, a path without an extension; returns the path with it.
pub(super) fn write_picture(place: &Path, image: &Image) -> Result<PathBuf, Failure> {
    let path = PathBuf::from(format!("{}.jpg", place.display()));
    let bytes = image.encode(Encoding::Jpeg(JPEG_QUALITY)).map_err(Failure::failed)?;
    files::write(&path, &bytes)?;
    Ok(path)
}

/// Counts predictions that agree.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    agreeing: usize,
    all: usize,
}

impl Agreement {
    pub fn add(&mut self, agreeing: usize, all: usize) {
        self.agreeing += agreeing;
        self.all += all;
    }

    /// The share that agrees; 1 where there is none.
    pub fn share(&self) -> f64 {
        if self.all == 0 { 1.0 } else { self.agreeing as f64 / self.all as f64 }
    }
}
