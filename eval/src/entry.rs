//! What an error speaks of, by its place.

use std::fmt;

/// One element of a list, as its place in the list; indices count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// An annotation of the ground truth.
    Annotation {
        /// Place in the list of annotations.
        index: usize,
    },
    /// A detection among those added for one image.
    Detection {
        /// The image.
        image_id: u64,
        /// Place among the image's detections.
        index: usize,
    },
    /// An element of a predictions file.
    Prediction {
        /// Place in the file.
        index: usize,
    },
    /// An object to find, among those of a list or of an image.
    Object {
        /// Place in the list.
        index: usize,
    },
    /// A detected box among those of an image that the error names itself.
    DetectedBox {
        /// Place among the image's boxes.
        index: usize,
    },
    /// What an image truly shows.
    Truth,
    /// One of the labels of an image in a file of ReaL labels.
    RealLabel {
        /// Place of the image in the file.
        index: usize,
    },
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::Annotation { index } => write!(f, "annotations[{index}]"),
            Entry::Detection { image_id, index } => write!(f, "detection [{index}] of image {image_id}"),
            Entry::Prediction { index } => write!(f, "predictions[{index}]"),
            Entry::Object { index } => write!(f, "objects[{index}]"),
            Entry::DetectedBox { index } => write!(f, "detection [{index}]"),
            Entry::Truth => f.write_str("the truth"),
            Entry::RealLabel { index } => write!(f, "a label in [{index}]"),
        }
    }
}

/// One of the two label images that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What was predicted.
    Prediction,
    /// What is true.
    Truth,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Prediction => "prediction",
            Side::Truth => "truth",
        })
    }
}
