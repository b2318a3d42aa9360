//! What a user who compares numbers should know about files of annotations and predictions.

use std::fmt;

use serde::{Serialize, Serializer};

/// Something in a file that pycocotools handles differently, or leaves out as this crate does.
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
    /// Images are listed again; the last record counts, as in pycocotools.
    RepeatedImage {
        /// How many records have the id of another.
        images: usize,
    },
    /// Categories are listed again; the last record counts, as in pycocotools.
    RepeatedCategory {
        /// How many records have the id of another.
        categories: usize,
    },
    /// Masks have polygons of fewer than three points, which cover no pixel, or with a number without its pair, which is ignored;
    /// as in pycocotools.
    DegeneratePolygons {
        /// How many masks have one.
        annotations: usize,
    },
    /// Predictions of categories that the annotation file does not list are left out, as in pycocotools.
    UnlistedPrediction {
        /// How many.
        predictions: usize,
        /// The first categories, as the file writes them.
        categories: Vec<String>,
    },
    /// Predictions name their images in another way than the annotation file's ids; pycocotools refuses the file.
    MatchedImages {
        /// How many.
        predictions: usize,
        /// How their images are found.
        by: ImageMatch,
    },
    /// A results file has boxes beside masks: a prediction's area is its box's, as in pycocotools.
    AreaOfBoxes {
        /// How many.
        predictions: usize,
    },
    /// Detections beyond the limit of an image and category, of the lowest scores, are left out, as in pycocotools.
    BeyondLimit {
        /// How many.
        detections: usize,
        /// On how many images.
        images: usize,
        /// How many of an image and category count.
        limit: usize,
    },
}

/// How an image is found that a prediction does not name by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageMatch {
    /// By the number that its id spells, zeros in front aside.
    Number,
    /// By its file name, with or without the folder and the ending.
    FileName,
}

impl Finding {
    /// Whether detections beyond the limit of an image and category are left out.
    pub fn is_beyond_limit(&self) -> bool {
        matches!(self, Finding::BeyondLimit { .. })
    }

    /// Whether pycocotools counts otherwise than this crate, or leaves something out without a word.
    pub(super) fn is_oddity_of_annotations(&self) -> bool {
        matches!(
            self,
            Finding::UnlistedImage { .. }
                | Finding::UnlistedCategory { .. }
                | Finding::NoArea { .. }
                | Finding::RepeatedId { .. }
                | Finding::ZeroId
        )
    }
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
            Finding::RepeatedImage { images } => {
                write!(f, "{images} image(s) with the id of another, of which the last counts")
            }
            Finding::RepeatedCategory { categories } => {
                write!(f, "{categories} category(s) with the id of another, of which the last counts")
            }
            Finding::DegeneratePolygons { annotations } => write!(
                f,
                "{annotations} mask(s) with a polygon of fewer than three points or of an odd count of numbers, which is taken as \
                 in pycocotools"
            ),
            Finding::UnlistedPrediction { predictions, categories } => write!(
                f,
                "left out {predictions} prediction(s) of categories that the annotation file does not list ({})",
                categories.join(", ")
            ),
            Finding::MatchedImages { predictions, by } => {
                let by = match by {
                    ImageMatch::Number => "the numbers that their image ids spell",
                    ImageMatch::FileName => "file names as image ids",
                };
                write!(f, "{predictions} prediction(s) are matched by {by}; pycocotools refuses the file")
            }
            Finding::AreaOfBoxes { predictions } => write!(
                f,
                "the area of {predictions} prediction(s) is their box's and not their mask's, as in pycocotools for files with \
                 both; detectron2 removes the boxes first"
            ),
            Finding::BeyondLimit { detections, images, limit } => write!(
                f,
                "left out {detections} detection(s) on {images} image(s) beyond the best {limit} of an image and category"
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
