//! PASCAL VOC detection: average precision by the eleven-point rule of 2007 and the every-point rule of 2010.
//!
//! ```
//! use eval::voc::{Detection, GroundTruth, Object, VocEvaluator, VocOptions};
//!
//! # fn main() -> Result<(), eval::Error> {
//! let bbox = [48.0, 240.0, 195.0, 371.0];
//! let object = Object { image: "000001".into(), class: 0, bbox, difficult: false };
//! let ground_truth = GroundTruth::from_parts(vec!["000001".into()], ["dog", "person"], vec![object])?;
//! let mut evaluator = VocEvaluator::new(ground_truth, VocOptions::default())?;
//! evaluator.add("000001", &[Detection { class: 0, bbox, score: 0.9 }])?;
//! assert_eq!(evaluator.finish().voc_2010.map, Some(1.0));
//! # Ok(())
//! # }
//! ```
//!
//! The rules are those of the development kit (`VOCevaldet.m`): boxes include their last pixel; a detection is matched with the
//! object with which it overlaps most, and is correct if their IoU reaches 0.5 and no better detection is matched with that
//! object; `difficult` objects need not be found, and detections matched with them are ignored.
//!
//! [`score_files`] scores predictions in COCO's results format.

mod average_precision;
mod evaluator;
mod ground_truth;
mod options;
mod report;
mod score_files;

pub use evaluator::{Detection, VocEvaluator};
pub use ground_truth::{GroundTruth, Object};
pub use options::VocOptions;
pub use report::{ClassReport, RuleReport, VocReport};
pub use score_files::{FileIds, inclusive, score_files};
