//! Errors of this crate.

use tch::{Kind, TchError};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A number of the configuration is outside its range.
    #[error("`{key}` is {value}, expected {expected}")]
    ConfigRange {
        /// The key in the configuration of the head.
        key: &'static str,
        /// The given value.
        value: f64,
        /// The allowed range, in words.
        expected: &'static str,
    },
    /// A list of the configuration has the wrong length.
    #[error("`{key}` has {found} entries, expected {expected}")]
    ConfigLength {
        /// The key in the configuration of the head.
        key: &'static str,
        /// The given length.
        found: usize,
        /// The expected length, in words.
        expected: String,
    },
    /// A head cannot be built for these classes, this input size or these feature channels.
    #[error("{what} of a head must be at least 1, found {value}")]
    NotPositive {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: i64,
    },
    /// The number of images in the predictions and in the targets differ.
    #[error("predictions hold {images} images, targets {targets}")]
    TargetCount {
        /// Images in the predictions.
        images: usize,
        /// Images in the targets.
        targets: usize,
    },
    /// An image has a different number of boxes and labels.
    #[error("image {image} of the batch has {boxes} boxes, {labels} labels")]
    LabelCount {
        /// Position in the batch.
        image: usize,
        /// Number of boxes.
        boxes: usize,
        /// Number of labels.
        labels: usize,
    },
    /// A ground-truth label is not a class.
    #[error("object {object} of image {image} of the batch has label {label}, expected 1 to {classes}")]
    Label {
        /// Position in the batch.
        image: usize,
        /// Position in the image.
        object: usize,
        /// The label.
        label: i64,
        /// Number of classes without background.
        classes: i64,
    },
    /// A ground-truth box is empty or not finite.
    #[error(
        "object {object} of image {image} of the batch has the box {bbox:?}, expected finite corners x1 < x2, y1 < y2"
    )]
    Box {
        /// Position in the batch.
        image: usize,
        /// Position in the image.
        object: usize,
        /// Corners `x1, y1, x2, y2` in pixels.
        bbox: [f32; 4],
    },
    /// A tensor does not have the shape that the head was built for.
    #[error("{what} have shape {found:?}, expected {expected}")]
    Shape {
        /// Which tensor.
        what: &'static str,
        /// Its shape.
        found: Vec<i64>,
        /// The expected shape.
        expected: String,
    },
    /// Batch statistics of a single value do not exist.
    #[error("cannot train a head whose level {level} is a single cell on one image: use at least two")]
    SingleValueStatistics {
        /// The level, from the finest.
        level: usize,
    },
    /// Image pooling gives one value per channel and image, and one value has no variance.
    #[error("cannot train the image pooling of the head on one image: use at least two")]
    SingleImage,
    /// A tensor whose elements have the wrong kind.
    #[error("{what} are of kind {found:?}, expected {expected}")]
    Kind {
        /// Which tensor.
        what: &'static str,
        /// Its kind.
        found: Kind,
        /// The expected kind, in words.
        expected: &'static str,
    },
    /// An unknown class id.
    #[error("{what} hold {found} at {place:?}, expected 0 to {}{}", .classes - 1, or_ignored(*.ignored))]
    ClassId {
        /// Which tensor.
        what: &'static str,
        /// The id.
        found: i64,
        /// Its position in the tensor; the first number is the position in the batch.
        place: Vec<i64>,
        /// Number of classes.
        classes: i64,
        /// The id of ignored elements, if there is one.
        ignored: Option<i64>,
    },
    /// A predicted box that is not a number.
    #[error("the predicted box of anchor {anchor} in image {image} of the batch is not a number")]
    NotANumber {
        /// Position in the batch.
        image: usize,
        /// The anchor.
        anchor: usize,
    },
    /// An operation of libtorch failed.
    #[error("libtorch: {}", .0.to_string().lines().next().unwrap_or_default())]
    Torch(#[from] TchError),
    /// A layer of the backbone's kind failed: another process is lost.
    #[error(transparent)]
    Backbone(#[from] backbone::Error),
}

fn or_ignored(ignored: Option<i64>) -> String {
    ignored.map(|id| format!(", or {id} to ignore")).unwrap_or_default()
}
