//! Metrics: predictions and ground truth in, numbers out.
//!
//! | Module | Metric | Equal to |
//! |---|---|---|
//! | [`coco`] | detection, COCO's twelve statistics and AP of each class | pycocotools 2.0.11 |
//!
//! Every metric is used the same way: make an evaluator from the ground truth, add predictions image by image, finish it
//! to a report. Reports are plain data that serialise; nothing here prints, knows a model, or needs libtorch.

pub mod coco;
mod error;
mod file;

pub use error::{Entry, Error};
