#![doc = include_str!("../README.md")]

mod bootstrap;
mod checks;
pub mod classification;
pub mod coco;
mod confusion;
mod csv_file;
mod error;
mod exact_sum;
mod file;
pub mod segmentation;
pub mod statistics;
mod table;
pub mod voc;

pub use bootstrap::{BootstrapOptions, Comparison, MetricComparison, MetricInterval};
pub use confusion::{ConfusedPair, ConfusionMatrix};
pub use error::{Error, Place};
pub use table::{CsvReport, CsvTable, csv_line};
