//! Results of a step and an epoch, and the trait of the hooks that receive them.

use std::time::Duration;

use crate::evaluate::Sample;
use crate::failure::Failure;
use crate::run::Tally;

impl Tally {
    /// Adds a step that ended `seconds` after the one before.
    pub fn add(&mut self, step: &Step, seconds: f64) {
        self.losses.add(&step.losses, step.images as f64);
        self.images += step.images;
        self.seconds += seconds;
        self.learning_rate = step.learning_rate;
    }
}

/// Results of one step.
#[derive(Clone, Debug)]
pub struct Step {
    /// The step's number, from 1.
    pub number: u64,
    /// The learning rate that it took.
    pub learning_rate: f64,
    /// The loss under `loss`, then its parts.
    pub losses: Vec<(&'static str, f64)>,
    /// The gradient's norm before clipping.
    pub gradient_norm: f64,
    /// Images in the batch.
    pub images: usize,
}

/// Results of one epoch.
#[derive(Clone, Debug)]
pub struct Epoch {
    /// The epoch's number, from 1.
    pub number: u64,
    /// Steps taken in all.
    pub step: u64,
    /// The last learning rate.
    pub learning_rate: f64,
    /// Means over the epoch's images.
    pub losses: Vec<(String, f64)>,
    /// Training images per second, without the evaluation.
    pub images_per_second: f64,
    /// Time since the run's start, with evaluations.
    pub elapsed: Duration,
    /// Metrics of the evaluation, where there was one.
    pub metrics: Vec<(&'static str, f64)>,
    /// Images of the evaluation, where some are shown.
    pub samples: Vec<Sample>,
}

/// Receives the results of every step and epoch. Slow work belongs in `epoch`.
pub trait Hook {
    /// An epoch of `batches` batches begins.
    fn begin(&mut self, _epoch: u64, _batches: usize) {}

    /// A step was taken.
    ///
    /// # Errors
    /// When what it writes cannot be written; the run ends.
    fn step(&mut self, step: &Step) -> Result<(), Failure>;

    /// An epoch's last step was taken; its evaluation comes next.
    fn end(&mut self) {}

    /// An epoch and its evaluation ended.
    ///
    /// # Errors
    /// When what it writes cannot be written; the run ends.
    fn epoch(&mut self, epoch: &Epoch) -> Result<(), Failure>;
}
