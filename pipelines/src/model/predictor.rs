//! What turns prepared samples into predictions: a network, or a file that was exported from one.

use super::Network;
use super::Normalizer;
use super::precision;
use crate::config::Precision;
use crate::failure::Failure;
use crate::task::Evaluate;

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
            let forward = || task.evaluation_output(&network.model, &images);
            let output = precision::forward(*precision, network.device(), forward)??;
            task.predictions(&network.model, &output, batch)
        })
    }
}
