//! The position of a run: what a checkpoint keeps beside tensors, so that training continues with the same next step.

use serde::{Deserialize, Serialize};

/// The position of a run. Everything that decides the next step is here or in the state of the optimiser and the generators.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Epochs finished.
    pub epoch: u64,
    /// Batches of the current epoch that were trained on.
    pub batch: usize,
    /// Steps since the start of the run.
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

/// Running figures of the current epoch.
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

/// Means of named values, weighted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Means {
    sums: Vec<(String, f64)>,
    weight: f64,
}

impl Means {
    /// Adds values, which have the same names each time.
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
