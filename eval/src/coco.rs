//! COCO detection, by boxes (`bbox`) or by masks (`segm`): the twelve statistics, and AP of each class, equal to pycocotools
//! 2.0.11.
//!
//! ```
//! use eval::coco::{Annotation, Category, CocoEvaluator, Detection, GroundTruth, Image};
//!
//! # fn main() -> Result<(), eval::Error> {
//! let bbox = [10.0, 20.0, 30.0, 40.0];
//! let ground_truth = GroundTruth::from_parts(
//!     vec![Image { id: 7, width: 640, height: 480, file_name: "cat.jpg".into() }],
//!     vec![Category { id: 17, name: "cat".into() }],
//!     vec![Annotation { image_id: 7, category_id: 17, bbox, area: 1200.0, crowd: false }],
//! )?;
//! let mut evaluator = CocoEvaluator::new(ground_truth)?;
//! evaluator.add(7, &[Detection { category_id: 17, bbox, score: 0.9 }])?;
//! assert_eq!(evaluator.finish()?.ar_100(), 1.0);
//! # Ok(())
//! # }
//! ```
//!
//! Matching and accumulation are hotcoco's, a port of `cocoeval.py`. Images are matched when they are added, and some twenty
//! bytes are kept of a detection, nothing of its mask: the end of an epoch does not wait for the matching of the complete set.
//!
//! Predictions can be kept as a COCO results file ([`PredictionWriter`]) and scored from it ([`score_files`]). Written numbers
//! read back to the same bits, so that the report from the file equals the report from memory.
//!
//! [`CocoComparison`] tests whether one of two detectors is better. [`CocoAnalysis`] reports what a detector gets wrong:
//! precision and recall of each class, its best threshold, confusions with other classes and with background, and TIDE's
//! kinds of error.

mod analysis;
mod annotation;
mod annotation_file;
mod background_confusion;
mod comparison;
mod detected;
mod evaluator;
mod feed;
mod finding;
mod ground_truth;
mod image_ap;
mod mask;
mod operating_point;
mod outcomes;
mod predictions;
mod report;
mod results;
mod tables;

pub use annotation_files::coco::{FileIds, Id, Mask, Numbering};

pub use analysis::{
    AnalysisOptions, AnalysisReport, ClassAnalysis, CocoAnalysis, TideError, TideReport, analyze_files,
};
pub use annotation::{Annotation, Category, Image};
pub use background_confusion::ConfusionReport;
pub use comparison::{CocoComparison, CocoInterval, compare_files};
pub use detected::{Detected, IouType};
pub use evaluator::{CocoEvaluator, score_files, score_files_with};
pub use finding::{Finding, ImageMatch};
pub use ground_truth::GroundTruth;
pub use operating_point::OperatingPoint;
pub(crate) use predictions::read_results;
pub use predictions::{Detection, MaskDetection, Prediction, PredictionWriter, read_predictions, write_predictions};
pub use report::{ClassReport, CocoReport, Row};
