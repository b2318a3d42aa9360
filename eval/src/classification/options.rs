//! Options of a classifier's evaluation.

use serde::{Deserialize, Serialize};

use crate::Error;

/// What the class scores of an image are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreKind {
    /// Any finite numbers; their softmax, in fp64, is the probability.
    #[default]
    Logits,
    /// Numbers from 0 to 1, used as they are: they need not add up to 1.
    Probabilities,
}

/// How classification is evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassificationOptions {
    /// What the scores are.
    pub scores: ScoreKind,
    /// Each k of the top-k accuracies. With no more than k classes the accuracy is 1.
    pub top_k: Vec<usize>,
    /// Bins of equal width for the calibration error: 15 in Guo et al. 2017.
    pub calibration_bins: usize,
    /// How many of the most frequent confusions the report lists.
    pub confused_pairs: usize,
}

impl Default for ClassificationOptions {
    fn default() -> ClassificationOptions {
        ClassificationOptions { scores: ScoreKind::Logits, top_k: vec![1, 5], calibration_bins: 15, confused_pairs: 20 }
    }
}

impl ClassificationOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// A k is 0 or occurs twice; there are no bins or more than 1000.
    pub fn validate(&self) -> Result<(), Error> {
        let repeated = self.top_k.iter().enumerate().any(|(i, k)| self.top_k[..i].contains(k));
        if self.top_k.contains(&0) || repeated {
            return Err(Error::value("top_k", format!("{:?}", self.top_k), "different numbers from 1"));
        }
        if !(1..=1000).contains(&self.calibration_bins) {
            return Err(Error::value("calibration_bins", self.calibration_bins, "a number from 1 to 1000"));
        }
        Ok(())
    }
}
