//! Annotated images on their way into a network: readers, augmentation, loader, and a synthetic set to try them on.
//!
//! | module | what it holds |
//! |---|---|
//! | [`image`] | RGB images: decoding, encoding, resizing |
//!
//! Nothing here knows of tensors, prints or logs.

mod error;
pub mod image;

pub use error::Error;
pub use image::{Encoding, Image, Orientation, Size};
