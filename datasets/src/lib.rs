//! Annotated images on their way into a network: readers, augmentation, loader, and a synthetic set to try them on.
//!
//! | module | what it holds |
//! |---|---|
//! | [`image`] | RGB images: decoding, encoding, resizing |
//! | [`annotations`] | classes, objects and records, as read; the view that training takes |
//! | [`findings`] | what was odd about them |
//! | [`coco`], [`voc`] | readers of COCO JSON and of PASCAL VOC devkits |
//! | [`transforms`] | SSD's augmentation |
//! | [`random`] | randomness by seed, epoch and index |
//!
//! Nothing here knows of tensors, prints or logs.

pub mod annotations;
pub mod coco;
mod error;
pub mod findings;
pub mod image;
pub mod random;
pub mod transforms;
pub mod voc;

pub use annotations::{Class, DetectionSet, Object, Record, Target, TargetOptions};
pub use error::Error;
pub use findings::{Finding, Findings, Oddity};
pub use image::{Encoding, Image, Orientation, Size};
pub use random::SampleRng;
pub use transforms::Augmentation;
