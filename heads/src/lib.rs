#![doc = include_str!("../README.md")]
//! # Modules
//!
//! | module | holds |
//! |---|---|
//! | [`classifier`] | image classification: pooling, a linear layer, cross entropy with hard or mixed targets |
//! | [`ssdlite`] | single-shot detection: anchors, matching, losses, the network, post-processing |
//! | [`deeplabv3`] | semantic segmentation: atrous spatial pyramid pooling, auxiliary head, losses, class maps |
//! | `spec` | what a detector or segmenter is built for: [`HeadSpec`] |
//! | `cost` | the cost of the layers |
//! | `labels` | class ids of a batch |
//! | `setting` | checks of single settings |
//! | `tensors` | small operations that several heads share |
//! | `transfer` | copies between host and device |

pub mod classifier;
mod cost;
pub mod deeplabv3;
mod error;
mod labels;
mod setting;
mod spec;
pub mod ssdlite;
mod tensors;
mod transfer;

pub use error::Error;
pub use spec::HeadSpec;
