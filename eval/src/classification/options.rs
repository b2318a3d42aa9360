//! What is measured, and what the scores are.

use serde::{Deserialize, Serialize};

use crate::Error;

/// What the class scores of an image are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreKind {
    /// Any finite numbers; their softmax, in fp64, is the probability.
    #[default]
    Logits,
    /// Numbers from 0 to 1, taken as they stand: they need not add up to 1.
    Probabilities,
}

/// How classification is evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassificationOptions {
    /// What the scores are.
    pub scores: ScoreKind,
    /// Each k for which the truth is looked for among the k best classes. With no more than k classes all is right.
    pub top_k: Vec<usize>,
    /// Bins of equal width on the confidence, of which the calibration error is made: 15 in Guo et al. 2017.
    pub calibration_bins: usize,
    /// How many of the most frequent confusions the report names.
    pub confused_pairs: usize,
}

impl Default for ClassificationOptions {
    fn default() -> ClassificationOptions {
        ClassificationOptions { scores: ScoreKind::Logits, top_k: vec![1, 5], calibration_bins: 15, confused_pairs: 20 }
    }
}

impl ClassificationOptions {
    /// Whether an evaluation can be made of these.
    ///
    /// # Errors
    /// A k of 0 or one that stands twice, no bins or more than 1000.
    pub fn validate(&self) -> Result<(), Error> {
        let repeated = self.top_k.iter().enumerate().any(|(i, k)| self.top_k[..i].contains(k));
        if self.top_k.contains(&0) || repeated {
            let value = format!("{:?}", self.top_k);
            return Err(Error::Setting { key: "top_k", value, expected: "different numbers from 1" });
        }
        if !(1..=1000).contains(&self.calibration_bins) {
            let value = self.calibration_bins.to_string();
            return Err(Error::Setting { key: "calibration_bins", value, expected: "a number from 1 to 1000" });
        }
        Ok(())
    }
}
