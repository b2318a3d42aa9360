//! What turns prepared samples into predictions: a network, or a file that was exported from one.

use backbone::Mode;
use formats::graph::Graph;
use tch::Tensor;

use super::Network;
use super::Normalizer;
use super::precision;
use crate::config::Precision;
use crate::failure::Failure;
use crate::task::{Evaluate, WithHead};

/// Predicts for the images of a batch.
pub trait Predictor<T: Evaluate> {
    /// A prediction for each sample.
    ///
    /// # Errors
    /// When the images do not fit the network, or its output cannot be decoded.
    fn predict(&self, task: &T, batch: &[T::Sample]) -> Result<Vec<T::Prediction>, Failure>;
}

/// A network, run operation by operation.
pub struct Eager<'a, T: Evaluate> {
    /// The network.
    pub network: &'a Network<T>,
    /// Brings images to its device and range.
    pub normalizer: &'a Normalizer,
    /// What the forward pass computes in.
    pub precision: Precision,
}

impl<T: Evaluate> Predictor<T> for Eager<'_, T> {
    fn predict(&self, task: &T, batch: &[T::Sample]) -> Result<Vec<T::Prediction>, Failure> {
        let Self { network, normalizer, precision } = self;
        tch::no_grad(|| {
            let images = normalizer.batch(batch.iter().map(T::image));
            let forward = |images: &Tensor| network.forward(task, images, Mode::Eval);
            let forward = || task.evaluation_output(&forward, &images);
            let output = precision::forward(*precision, network.device(), forward)??;
            task.predictions(&network.model, &output, batch)
        })
    }
}

/// A graph, run by its interpreter on the CPU.
pub struct Interpreted<'a, T: Evaluate> {
    /// The graph.
    pub graph: &'a Graph,
    /// The network that it was made from, for what follows it.
    pub model: &'a WithHead<T::Head>,
    /// Brings images to their range.
    pub normalizer: &'a Normalizer,
}

impl<T: Evaluate> Interpreted<'_, T> {
    /// The output for normalised images `[N, C, H, W]`.
    ///
    /// # Errors
    /// When they do not fit the graph.
    pub fn forward(&self, task: &T, images: &Tensor) -> Result<T::Output, Failure> {
        task.output_of(self.graph.run(&[images.shallow_clone()])?)
    }
}

impl<T: Evaluate> Predictor<T> for Interpreted<'_, T> {
    fn predict(&self, task: &T, batch: &[T::Sample]) -> Result<Vec<T::Prediction>, Failure> {
        tch::no_grad(|| {
            let images = self.normalizer.batch(batch.iter().map(T::image));
            let output = task.evaluation_output(&|images| self.forward(task, images), &images)?;
            task.predictions(self.model, &output, batch)
        })
    }
}
