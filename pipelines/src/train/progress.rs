//! Where a run stands, what one step gave, and who is told.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::failure::Failure;

/// Where a run stands. Everything that decides the next step is here or in the optimiser's and generator's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Epochs finished.
    pub epoch: u64,
    /// Batches taken of the epoch that runs.
    pub batch: usize,
    /// Steps taken in all.
    pub step: u64,
    /// The best evaluation so far.
    pub best: Option<Best>,
}

/// The best evaluation of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The headline of its report.
    pub headline: f64,
    /// The step after which it was made; the checkpoint of that step holds its weights.
    pub step: u64,
}

/// What the epoch that runs has given so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Means of the loss and its parts.
    pub losses: Means,
    /// Images trained on.
    pub images: usize,
    /// Time spent on steps.
    pub seconds: f64,
    /// The last learning rate.
    pub learning_rate: f64,
}

impl Tally {
    /// Takes a step that ended `seconds` after the one before.
    pub fn add(&mut self, step: &Step, seconds: f64) {
        self.losses.add(&step.losses, step.images as f64);
        self.images += step.images;
        self.seconds += seconds;
        self.learning_rate = step.learning_rate;
    }
}

/// What one step gave.
#[derive(Clone, Debug)]
pub struct Step {
    /// The step's number, from 1.
    pub number: u64,
    /// The learning rate that it took.
    pub learning_rate: f64,
    /// The parts of the loss, and the whole under `loss` first.
    pub losses: Vec<(&'static str, f64)>,
    /// The gradient's norm before clipping.
    pub gradient_norm: f64,
    /// Images in the batch.
    pub images: usize,
}

/// What one epoch gave.
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
    /// Training images a second, evaluation not counted.
    pub images_per_second: f64,
    /// Time of training since the run's start, evaluation included.
    pub elapsed: Duration,
    /// What the evaluation gave, where there was one.
    pub metrics: Vec<(&'static str, f64)>,
}

/// Told of every step and epoch. Slow work belongs in `epoch`.
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

    /// An epoch ended, evaluation included.
    ///
    /// # Errors
    /// When what it writes cannot be written; the run ends.
    fn epoch(&mut self, epoch: &Epoch) -> Result<(), Failure>;
}

/// Means of named values, weighted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Means {
    sums: Vec<(String, f64)>,
    weight: f64,
}

impl Means {
    /// Takes values of the same names each time.
    pub fn add(&mut self, values: &[(&'static str, f64)], weight: f64) {
        if self.sums.is_empty() {
            self.sums = values.iter().map(|(name, _)| ((*name).to_owned(), 0.0)).collect();
        }
        for ((_, sum), (_, value)) in self.sums.iter_mut().zip(values) {
            *sum += value * weight;
        }
        self.weight += weight;
    }

    /// The means so far.
    pub fn values(&self) -> Vec<(String, f64)> {
        let weight = self.weight.max(f64::MIN_POSITIVE);
        self.sums.iter().map(|(name, sum)| (name.clone(), sum / weight)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_weighted() {
        let mut means = Means::default();
        means.add(&[("loss", 1.0), ("boxes", 0.0)], 3.0);
        means.add(&[("loss", 5.0), ("boxes", 4.0)], 1.0);
        assert_eq!(means.values(), [("loss".to_owned(), 2.0), ("boxes".to_owned(), 1.0)]);
    }
}
