//! The crate's one error, with the file, entry and value at fault.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why something could not be read, written or evaluated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused a file.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: "read", "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A JSON file ends before its last value does.
    #[error("{} was cut short: its JSON ends in the middle of a value, after {bytes} bytes", path.display())]
    CutShort {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: usize,
    },

    /// A file is of another kind than the one asked for, as when arguments are swapped.
    #[error("{} is not {expected}", path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
    },

    /// A JSON file is not JSON, or not of the layout that is read.
    #[error("{}:{line}:{column}: {problem}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
        /// What was found and what was expected.
        problem: String,
    },

    /// What is wrong with the content of a file that could be read.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<Error>,
    },

    /// Two images of the ground truth share an id.
    #[error("two images have the id {id}")]
    RepeatedImage {
        /// The id.
        id: u64,
    },

    /// Two categories of the ground truth share an id.
    #[error("two categories have the id {id}")]
    RepeatedCategory {
        /// The id.
        id: u64,
    },

    /// An annotation or prediction names an image that the ground truth does not list.
    #[error("{entry} names image {image_id}, which the ground truth does not list")]
    UnknownImage {
        /// Which one.
        entry: Entry,
        /// The id it names.
        image_id: u64,
    },

    /// An annotation or prediction names a category that the ground truth does not list.
    #[error("{entry} names category {category_id}, which the ground truth does not list")]
    UnknownCategory {
        /// Which one.
        entry: Entry,
        /// The id it names.
        category_id: u64,
    },

    /// Detections were added for an image that the ground truth does not list.
    #[error("detections were added for image {image_id}, which the ground truth does not list")]
    UnlistedImage {
        /// The image.
        image_id: u64,
    },

    /// A coordinate, area or score is infinite or not a number.
    #[error("{entry} has {field} {value}, which is not a finite number")]
    NotFinite {
        /// Which one.
        entry: Entry,
        /// The field: "bbox", "area", "score".
        field: &'static str,
        /// Its value.
        value: f64,
    },

    /// An image's detections were added a second time.
    #[error("the detections of image {image_id} were added twice")]
    AddedTwice {
        /// The image.
        image_id: u64,
    },

    /// The COCO engine failed on input that passed every check above.
    #[error("the COCO evaluation failed: {0}")]
    Engine(#[from] ::coco::Error),
}

impl Error {
    /// This error, with the file it was found in.
    pub(crate) fn in_file(self, path: &Path) -> Error {
        Error::InFile { path: path.to_owned(), source: Box::new(self) }
    }
}

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
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::Annotation { index } => write!(f, "annotations[{index}]"),
            Entry::Detection { image_id, index } => write!(f, "detection [{index}] of image {image_id}"),
            Entry::Prediction { index } => write!(f, "predictions[{index}]"),
        }
    }
}
