//! Heads that stand on the features of a backbone: what they predict, how they are trained, how their outputs become answers.
//!
//! | module | holds |
//! |---|---|
//! | [`ssdlite`] | single-shot detection: anchors, matching, losses, the network, post-processing |
//!
//! Nothing here reads files, prints or knows of configuration files; a head's configuration is a plain struct that serde can
//! read.

mod error;
pub mod ssdlite;

pub use error::Error;
