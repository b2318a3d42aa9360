//! The crate's error, with the file, element and value at fault.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why something could not be read, written or evaluated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be opened, is incomplete, or has another format than the expected one.
    #[error("cannot read {place}: {reason}")]
    Read {
        /// The file, and where in it.
        place: Place,
        /// What the system or the parser says.
        reason: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },

    /// An error in a certain file, image or element of a list.
    #[error("{place}: {source}")]
    Within {
        /// Where.
        place: Place,
        /// What is wrong there.
        source: Box<Error>,
    },

    /// A setting or a value of the data is outside its range.
    #[error("{name} is {value} instead of {expected}")]
    Value {
        /// The setting as written in a configuration, or what the value is.
        name: String,
        /// The value.
        value: String,
        /// What it may be.
        expected: String,
    },

    /// There are more or fewer of something than expected.
    #[error("{found} {what} instead of {expected}")]
    Count {
        /// What is counted: "scores", "predicted pixels".
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },

    /// The sizes of a predicted label image and of its truth differ.
    #[error("{} x {} pixels (height x width), but its truth is {} x {}", found[0], found[1], truth[0], truth[1])]
    SizesDiffer {
        /// Height and width of the prediction.
        found: [usize; 2],
        /// Height and width of the truth.
        truth: [usize; 2],
    },

    /// An image, category or class name occurs twice where it must be unique.
    #[error("{what} {key} occurs twice")]
    Repeated {
        /// "image", "category", "class".
        what: &'static str,
        /// Its id, or its name in quotes.
        key: String,
    },

    /// An image, category or class is not in the list that it refers to.
    #[error("{what} {key} is not in {list}")]
    Unlisted {
        /// "image", "category", "class".
        what: &'static str,
        /// Its id, or its name in quotes.
        key: String,
        /// The list: "the ground truth", a folder.
        list: String,
    },

    /// Images of the ground truth have no prediction.
    #[error("{count} image(s) have no prediction in {}, the first of them {image:?}", path.display())]
    NoPrediction {
        /// The file or folder of predictions.
        path: PathBuf,
        /// The first image without one.
        image: String,
        /// How many there are.
        count: usize,
    },

    /// Evaluations of different classes or with different options cannot be merged.
    #[error("two evaluations with different {what} cannot be merged")]
    Unlike {
        /// What differs: "classes", "options".
        what: &'static str,
    },

    /// A mask is missing, or does not fit its image.
    #[error("the mask cannot be evaluated: {problem}")]
    Mask {
        /// What is wrong with it.
        problem: String,
    },

    /// Some detections have a box beside their mask, others none, but the area of all is either the box's or the mask's.
    #[error("some masks have a box beside them and others have none")]
    BoxesBesideSome,

    /// Masks are to be evaluated, but the ground truth has boxes only.
    #[error("the ground truth was read without its masks, which the evaluation of masks needs")]
    WithoutMasks,

    /// The COCO engine failed on input that passed every check.
    #[error("the COCO evaluation failed: {0}")]
    Engine(#[from] ::coco::Error),
}

/// Where an error occurred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file, with line and column from 1 where they are known.
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: Option<usize>,
        /// The column, in bytes.
        column: Option<usize>,
    },
    /// One of two sets of predictions that are compared, A or B.
    PredictionSet(char),
    /// An image, by its id or by its name in quotes.
    Image(String),
    /// An element of a list: `annotations[3]`.
    Element {
        /// The list.
        list: &'static str,
        /// Index from 0.
        index: usize,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { path, line, column } => {
                write!(f, "{}", path.display())?;
                [line, column].into_iter().flatten().try_for_each(|number| write!(f, ":{number}"))
            }
            Place::PredictionSet(set) => write!(f, "prediction set {set}"),
            Place::Image(image) => write!(f, "image {image}"),
            Place::Element { list, index } => write!(f, "{list}[{index}]"),
        }
    }
}

impl Place {
    pub(crate) fn file(path: &Path) -> Place {
        Place::File { path: path.to_owned(), line: None, column: None }
    }

    pub(crate) fn line(path: &Path, line: usize) -> Place {
        Place::File { path: path.to_owned(), line: Some(line), column: None }
    }

    pub(crate) fn element(list: &'static str, index: usize) -> Place {
        Place::Element { list, index }
    }

    pub(crate) fn image_name(name: &str) -> Place {
        Place::Image(format!("{name:?}"))
    }

    pub(crate) fn image_id(id: u64) -> Place {
        Place::Image(id.to_string())
    }
}

impl Error {
    pub(crate) fn read(place: Place, reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::Read { place, reason: reason.into() }
    }

    pub(crate) fn value(name: impl Into<String>, value: impl ToString, expected: impl Into<String>) -> Error {
        Error::Value { name: name.into(), value: value.to_string(), expected: expected.into() }
    }

    pub(crate) fn repeated_image(key: impl ToString) -> Error {
        Error::Repeated { what: "image", key: key.to_string() }
    }

    pub(crate) fn unlisted_image(key: impl ToString) -> Error {
        Error::Unlisted { what: "image", key: key.to_string(), list: GROUND_TRUTH.to_owned() }
    }

    pub(crate) fn unlisted_category(id: impl ToString) -> Error {
        Error::Unlisted { what: "category", key: id.to_string(), list: GROUND_TRUTH.to_owned() }
    }

    /// This error with the place where it occurred.
    pub(crate) fn within(self, place: Place) -> Error {
        Error::Within { place, source: Box::new(self) }
    }
}

const GROUND_TRUTH: &str = "the ground truth";
