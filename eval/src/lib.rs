//! Metrics: predictions and ground truth in, numbers out.
//!
//! | Module | Metric | Equal to |
//! |---|---|---|
//! | [`classification`] | top-k, per class, calibration, ImageNet-ReaL | numpy's stable sort, Guo et al. 2017, timm 1.0.31 |
//! | [`coco`] | detection by boxes or masks, COCO's twelve statistics and AP of each class | pycocotools 2.0.11 |
//! | [`coco::CocoAnalysis`] | curves, best thresholds, confusions, kinds of error | pycocotools, ultralytics, TIDE |
//! | [`segmentation`] | mIoU, accuracy, Dice, boundary F-score | torchvision 0.26's references, DAVIS 2017 |
//! | [`voc`] | detection, PASCAL VOC's AP by the rules of 2007 and of 2010 | the VOC development kit |
//! | [`statistics`] | Spearman's rank correlation | scipy |
//!
//! Two sets of predictions are compared by a paired bootstrap over images ([`Comparison`]), in each of the three tasks.
//!
//! Every report names the rule of its numbers and says whether they may be compared with a leaderboard. It can be written as
//! tables for machines ([`CsvReport`]), and what it holds of curves and confusions drawn ([`plot`]).
//!
//! Every metric is used the same way: make an evaluator, add predictions image by image, finish it to a report. Reports are
//! plain data that serialise; nothing here prints, knows a model, or needs libtorch.

mod bootstrap;
pub mod classification;
pub mod coco;
mod confusion;
mod csv;
mod entry;
mod error;
mod exact_sum;
mod file;
mod ids;
mod names;
pub mod plot;
pub mod segmentation;
pub mod statistics;
pub mod voc;

pub use bootstrap::{BootstrapOptions, Comparison, MetricComparison};
pub use confusion::{ConfusedPair, ConfusionMatrix};
pub use csv::{Cell, CsvReport, CsvTable, csv_field};
pub use entry::{Entry, Side};
pub use error::Error;
