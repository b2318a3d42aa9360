//! The crate's one error, with the file, entry and value at fault.

use std::io;
use std::path::{Path, PathBuf};

use crate::entry::{Entry, Side};

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

    /// A CSV file is not laid out as the reader expects, or holds what cannot be evaluated.
    #[error("{}:{line}:{column}: {problem}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
        /// What was found and what was expected.
        problem: String,
    },

    /// A CSV file ends before its last line does.
    #[error("{} was cut short: line {line} does not end", path.display())]
    CutShortLine {
        /// The file.
        path: PathBuf,
        /// The last line, from 1.
        line: usize,
    },

    /// A PNG file is damaged, cut short, or not one of labels.
    #[error("cannot read labels from {}: {problem}", path.display())]
    LabelFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// A prediction lies beside no truth of the same name.
    #[error("{} has no truth beside it: {} does not exist", path.display(), truth.display())]
    NoTruth {
        /// The prediction.
        path: PathBuf,
        /// Where the truth should be.
        truth: PathBuf,
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

    /// What is wrong with the content of a file that could be read.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<Error>,
    },

    /// What is wrong with one image.
    #[error("image {image:?}: {source}")]
    OfImage {
        /// The image, as it was named when it was added.
        image: String,
        /// What is wrong.
        source: Box<Error>,
    },

    /// A setting lies outside its range.
    #[error("{key} is {value} instead of {expected}")]
    Setting {
        /// The setting, as written in a configuration.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },

    /// Two classes share a name.
    #[error("two classes have the name {name:?}")]
    RepeatedClass {
        /// The name.
        name: String,
    },

    /// A name cannot stand in a file of lines.
    #[error("the name {name:?} has a line break, which a line of a CSV file cannot hold")]
    LineBreak {
        /// The name.
        name: String,
    },

    /// Two evaluations that measure different things cannot be one.
    #[error("two evaluations with different {what} cannot be merged")]
    Unlike {
        /// What differs: "classes", "options".
        what: &'static str,
    },

    /// An image has too few or too many class scores.
    #[error("{found} scores instead of {classes}, one for each class")]
    ScoreCount {
        /// How many there are.
        found: usize,
        /// How many classes there are.
        classes: usize,
    },

    /// A class score cannot be evaluated.
    #[error("the score of class {class:?} is {value} instead of {expected}")]
    Score {
        /// The class's name.
        class: String,
        /// The score.
        value: f32,
        /// What it may be.
        expected: &'static str,
    },

    /// A class index is beyond the classes.
    #[error("{entry} is of class {class}, but there are {classes} classes, from 0")]
    ClassOutside {
        /// What is of that class.
        entry: Entry,
        /// The class's index.
        class: usize,
        /// How many classes there are.
        classes: usize,
    },

    /// ReaL labels are known for the images of ImageNet's validation set alone, by their file names.
    #[error("there are no ReaL labels for it, but for ILSVRC2012_val_00000001.JPEG to ILSVRC2012_val_{labels:08}.JPEG")]
    NoRealLabels {
        /// How many images have an entry.
        labels: usize,
    },

    /// A label image has another number of pixels than was said.
    #[error("the {side} has {found} pixels instead of {height} x {width} (height x width)")]
    PixelCount {
        /// Which one.
        side: Side,
        /// How many pixels there are.
        found: usize,
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
    },

    /// A prediction has another size than its truth.
    #[error("{} x {} pixels (height x width), but its truth is {} x {}", found[0], found[1], truth[0], truth[1])]
    SizesDiffer {
        /// Height and width of the prediction.
        found: [usize; 2],
        /// Height and width of the truth.
        truth: [usize; 2],
    },

    /// A pixel has a label that is no class.
    #[error("the {side} has label {label} at row {row}, column {column}, but there are {classes} classes, from 0")]
    Label {
        /// Which one.
        side: Side,
        /// The label.
        label: u8,
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
        /// How many classes there are.
        classes: usize,
    },

    /// The ground truth lists an image twice.
    #[error("the ground truth lists it twice")]
    ListedTwice,

    /// The ground truth does not list an image.
    #[error("the ground truth does not list it")]
    NotListed,

    /// An image was added a second time.
    #[error("it was added twice")]
    Again,

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

    /// A prediction names an image, by its name, that the ground truth does not list.
    #[error("{entry} names image {image:?}, which the ground truth does not list")]
    UnknownImageName {
        /// Which one.
        entry: Entry,
        /// The name.
        image: String,
    },

    /// There are more or fewer ids than what they stand for.
    #[error("{found} ids were given for {expected} {what}")]
    IdCount {
        /// What they stand for: "images", "classes".
        what: &'static str,
        /// How many ids there are.
        found: usize,
        /// How many there should be.
        expected: usize,
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

    /// Masks are evaluated, and an annotation or prediction has none.
    #[error("{entry} has no mask")]
    NoMask {
        /// Which one.
        entry: Entry,
    },

    /// A mask is none of its image.
    #[error("{entry} has a mask that cannot be evaluated: {problem}")]
    Mask {
        /// Which one.
        entry: Entry,
        /// What is wrong with it.
        problem: String,
    },

    /// An image has masks, but no size that they could be of.
    #[error("image {image_id} is of {height} x {width} pixels (height x width), and no mask can be")]
    NoSize {
        /// The image.
        image_id: u64,
        /// Height in pixels, 0 where it was not said.
        height: usize,
        /// Width in pixels, 0 where it was not said.
        width: usize,
    },

    /// Masks were to be evaluated against ground truth of boxes alone.
    #[error("the ground truth was read without its masks, which the evaluation of masks needs")]
    WithoutMasks,

    /// What is wrong with one of two sets of predictions that are compared.
    #[error("prediction set {set}: {source}")]
    InSet {
        /// The set, A or B.
        set: char,
        /// What is wrong.
        source: Box<Error>,
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

    /// This error, with the set of predictions it was found in.
    pub(crate) fn in_set(self, set: char) -> Error {
        Error::InSet { set, source: Box::new(self) }
    }

    /// This error, with the image it was found on.
    pub(crate) fn of_image(self, image: &str) -> Error {
        Error::OfImage { image: image.to_owned(), source: Box::new(self) }
    }
}
