//! Classification: top-k accuracy, accuracy of each class, calibration and ImageNet-ReaL.
//!
//! ```
//! use eval::classification::{ClassificationEvaluator, ClassificationOptions};
//!
//! # fn main() -> Result<(), eval::Error> {
//! let options = ClassificationOptions { top_k: vec![1, 2], ..Default::default() };
//! let mut evaluator = ClassificationEvaluator::new(["cat", "dog", "gear"], options)?;
//! evaluator.add("1.jpg", &[4.0, 1.0, -2.0], 0)?;
//! evaluator.add("2.jpg", &[3.0, 2.0, -2.0], 1)?;
//! let report = evaluator.finish();
//! assert_eq!((report.accuracy(1), report.accuracy(2)), (Some(0.5), Some(1.0)));
//! # Ok(())
//! # }
//! ```
//!
//! All numbers come from integer counts or exact sums: evaluating a set in parts and
//! [merging](ClassificationEvaluator::merge) them gives the same bits. Memory does not grow with the set.
//!
//! Class scores can be kept as a CSV file ([`PredictionWriter`]) and scored from it ([`score_files`]); written scores read
//! back to the same bits. [`ClassificationComparison`] tests whether one of two classifiers is better.

mod calibration;
mod comparison;
mod evaluator;
mod options;
mod predictions;
mod real_labels;
mod report;
mod score_files;
mod tally;

pub use calibration::CalibrationBin;
pub use comparison::{ClassificationComparison, compare_files};
pub use evaluator::ClassificationEvaluator;
pub use options::{ClassificationOptions, ScoreKind};
pub use predictions::{PredictionReader, PredictionWriter, ScoreRow};
pub use real_labels::RealLabels;
pub use report::{ClassReport, ClassificationReport, RealReport, TopK};
pub use score_files::{score_files, write_truth};
pub use tally::{best, probabilities};
