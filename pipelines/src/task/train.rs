//! What the training stage needs of a task.

use datasets::SampleRng;
use std::path::Path;
use tch::Tensor;

use super::data::{self, Purpose, SetOf};
use super::{Data, Task, WithHead};
use crate::config::Config;
use crate::failure::Failure;

/// One part of the loss, already weighted; training minimises the sum of the parts.
pub struct Loss {
    /// The part's name in progress, CSV and TensorBoard.
    pub name: &'static str,
    /// A scalar: a mean over the batch.
    pub value: Tensor,
    /// What divides the mean, a scalar of any kind: with it, the means over parts of a batch become that over the batch.
    pub weight: Tensor,
}

/// A task that can be trained.
pub trait Train: Task {
    /// The truth of a batch, as the losses take it.
    type Targets;

    /// The file of a sample.
    fn file(sample: &Self::Sample) -> &Path;

    /// The samples of a training set.
    ///
    /// # Errors
    /// When the configuration does not fit the set.
    fn training_samples(config: &Config<Self::Keys>, set: SetOf<Self::Keys>) -> Result<Self::Dataset, Failure>;

    /// The input of a training step, made from the batch's normalised images `[N, C, H, W]`, and its targets. Everything
    /// random comes from `rng`.
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
    fn losses(
        &self,
        model: &WithHead<Self::Head>,
        output: &Self::Output,
        targets: &Self::Targets,
    ) -> Result<Vec<Loss>, Failure>;

    /// Reads the training set's annotations.
    ///
    /// # Errors
    /// When the data is missing or wrong.
    fn training_data(config: &Config<Self::Keys>) -> Result<Data<Self::Dataset>, Failure> {
        data::read(config, (Purpose::Training, &config.data.train), None, |set| Self::training_samples(config, set))
    }
}
