//! Semantic segmentation: mIoU, pixel accuracy, Dice and the boundary F-score.
//!
//! ```
//! use eval::segmentation::{SegmentationEvaluator, SegmentationOptions};
//!
//! # fn main() -> Result<(), eval::Error> {
//! let mut evaluator = SegmentationEvaluator::new(["sky", "road"], Some(255), SegmentationOptions::default())?;
//! let predicted = [0, 0, 1, 1, 1, 1];
//! let truth = [0, 0, 0, 1, 1, 255];
//! evaluator.add("1.png", &predicted, &truth, [2, 3])?;
//! assert_eq!(evaluator.finish().mean_iou, Some((2.0 / 3.0 + 2.0 / 3.0) / 2.0));
//! # Ok(())
//! # }
//! ```
//!
//! All numbers except the boundary F-score come from one matrix of pixel counts over all images. Evaluating a set in parts and
//! [merging](SegmentationEvaluator::merge) them gives the same bits; memory does not grow with the set.

mod boundary;
mod comparison;
mod evaluator;
mod folders;
mod label_image;
mod options;
mod report;
mod tally;

pub use comparison::{SegmentationComparison, SegmentationInterval, compare_folders, image_iou};
pub use evaluator::SegmentationEvaluator;
pub use folders::score_folders;
pub use options::SegmentationOptions;
pub use report::{BoundaryReport, ClassReport, SegmentationReport};
