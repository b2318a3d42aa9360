//! Heads that stand on the features of a backbone: what they predict, how they are trained, how their outputs become answers.
//!
//! | module | holds |
//! |---|---|
//! | [`classifier`] | image classification: pooling, a linear layer, cross entropy with hard or mixed targets |
//! | [`ssdlite`] | single-shot detection: anchors, matching, losses, the network, post-processing |
//! | [`deeplabv3`] | semantic segmentation: atrous spatial pyramid pooling, auxiliary head, losses, class maps |
//! | `cost` | what the layers cost |
//! | `labels` | class ids of a batch |
//! | `setting` | checks of single settings |
//! | `tensors` | small operations that several heads share |
//! | `transfer` | copies between host and device |
//!
//! Nothing here reads files, prints or knows of configuration files; a head's configuration is a plain struct that serde can
//! read.

pub mod classifier;
mod cost;
pub mod deeplabv3;
mod error;
mod labels;
mod setting;
pub mod ssdlite;
mod tensors;
mod transfer;

pub use error::Error;
