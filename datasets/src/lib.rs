//! Annotated images on their way into a network: readers, augmentation, loader, and a synthetic set to try them on.
//!
//! | module | what it holds |
//! |---|---|
//! | [`image`] | RGB images: decoding, encoding, resizing |
//! | [`annotations`] | classes, objects and records, as read; the view that training takes |
//! | [`findings`] | what was odd about them |
//! | [`coco`], [`voc`] | readers of COCO JSON and of PASCAL VOC devkits |
//! | [`transforms`] | SSD's augmentation |
//! | [`detection`] | annotated images as a detector's samples |
//! | [`draw`] | boxes and their labels on a picture |
//! | [`loader`] | batches in a fixed order from any number of threads |
//! | [`random`] | randomness by seed, epoch and index |
//! | [`shapes`] | a synthetic set of coloured shapes, written as COCO, VOC and class folders |
//!
//! Nothing here knows of tensors, prints or logs.

pub mod annotations;
pub mod coco;
pub mod detection;
pub mod draw;
mod error;
pub mod findings;
pub mod image;
pub mod loader;
pub mod random;
pub mod shapes;
pub mod transforms;
pub mod voc;

pub use annotations::{Class, DetectionSet, Object, Record, Target, TargetOptions};
pub use detection::{DetectionDataset, DetectionSample};
pub use error::Error;
pub use findings::{Finding, Findings, Oddity};
pub use image::{Encoding, Image, Orientation, Size};
pub use loader::{Batch, Dataset, Epoch, LastBatch, Loader, LoaderOptions, OnError, Order, Skipped};
pub use random::SampleRng;
pub use shapes::ShapesOptions;
pub use transforms::Augmentation;
