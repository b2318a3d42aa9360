//! What a user who compares numbers should know about an annotation file.

use std::fmt;

use serde::{Serialize, Serializer};

/// Something in an annotation file that pycocotools handles differently, or leaves out as this crate does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Annotations of images that are not listed are left out, as in pycocotools.
    UnlistedImage {
        /// How many.
        annotations: usize,
    },
    /// Annotations of categories that are not listed are left out, as in pycocotools.
    UnlistedCategory {
        /// How many.
        annotations: usize,
    },
    /// The area of these annotations is their box's; pycocotools cannot evaluate the file.
    NoArea {
        /// How many.
        annotations: usize,
    },
    /// Annotations share an id; each counts here, but pycocotools counts the last one several times.
    RepeatedId {
        /// How many have the id of another.
        annotations: usize,
    },
    /// An annotation has the id 0, which means "unmatched" in pycocotools: its scores are too low.
    ZeroId,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::UnlistedImage { annotations } => {
                write!(f, "left out {annotations} annotation(s) of images that are not listed")
            }
            Finding::UnlistedCategory { annotations } => {
                write!(f, "left out {annotations} annotation(s) of categories that are not listed")
            }
            Finding::NoArea { annotations } => {
                write!(f, "{annotations} annotation(s) without an area, taken as width x height of the box")
            }
            Finding::RepeatedId { annotations } => write!(
                f,
                "{annotations} annotation(s) with the id of another: each counts here, pycocotools counts the last one for all"
            ),
            Finding::ZeroId => f.write_str(
                "an annotation has the id 0, which pycocotools counts as never found: its numbers are lower",
            ),
        }
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
