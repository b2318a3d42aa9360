//! The crate's one error type: every variant carries the place and the facts, its text is one sentence.

use std::io;
use std::path::{Path, PathBuf};

use crate::image::Size;

/// What reading, transforming or writing data can fail with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted, as a verb: `read`, `write`, `create`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// An image file is damaged, cut short, or not an image.
    #[error("cannot decode image {}: {reason}", path.display())]
    Decode {
        /// The image file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A video file is damaged, or of a kind that cannot be decoded here.
    #[error("cannot read video {}: {reason}", path.display())]
    Video {
        /// The video file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// What a command was given to read cannot be used.
    #[error("input {input:?} {reason}")]
    Input {
        /// The path or pattern as given, or the line of the list.
        input: String,
        /// The rest of the sentence: `matches no file`.
        reason: String,
    },
    /// An image operation failed, for instance because the buffer does not hold height x width x 3 bytes.
    #[error("cannot {operation} an image of {size} pixels: {reason}")]
    Pixels {
        /// What was attempted, as a verb: `encode`, `resize`.
        operation: &'static str,
        /// The image's stated size.
        size: Size,
        /// OpenCV's words.
        reason: String,
    },
    /// An image file has another size than its annotation states, so that the boxes cannot be trusted.
    #[error("image {} is {found} pixels, but its annotation says {annotated}", path.display())]
    SizeMismatch {
        /// The image file.
        path: PathBuf,
        /// Size by the annotation.
        annotated: Size,
        /// Size by the image file, without its EXIF orientation.
        found: Size,
    },
    /// A JSON file is cut short, malformed, or misses a field.
    #[error("{}:{line}:{column}: {reason}", path.display())]
    Json {
        /// The annotation file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// An XML file is malformed, or a field in it is missing or wrong.
    #[error("{}:{line}: {reason}", path.display())]
    Xml {
        /// The annotation file.
        path: PathBuf,
        /// Line, from 1.
        line: u32,
        /// What is wrong there.
        reason: String,
    },
    /// A line of an image list cannot be used.
    #[error("{}:{line}: {reason}", path.display())]
    ImageList {
        /// The list, such as `ImageSets/Main/train.txt`.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A listed image lies nowhere in the image folder.
    #[error("no image file for {id:?}: {} does not exist, nor does any other extension of {extensions}", path.display())]
    ImageMissing {
        /// The image's name in the list.
        id: String,
        /// The first path that was tried.
        path: PathBuf,
        /// The extensions that were tried.
        extensions: String,
    },
    /// Folders or files of a set do not lie as its format wants them.
    #[error("{}: {reason}", path.display())]
    Layout {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A mask holds an id that is no class of the set.
    #[error("mask {} has id {id} at pixel ({x}, {y}), which is {problem}", path.display())]
    MaskId {
        /// The mask file.
        path: PathBuf,
        /// The id in the file.
        id: u16,
        /// Column, from 0.
        x: usize,
        /// Row, from 0.
        y: usize,
        /// Why it cannot be used.
        problem: String,
    },
    /// A mask has another size than its image.
    #[error("mask {} is {found} pixels, but image {} is {expected}", mask.display(), image.display())]
    MaskSize {
        /// The mask file.
        mask: PathBuf,
        /// Its size.
        found: Size,
        /// The image file.
        image: PathBuf,
        /// The image's size.
        expected: Size,
    },
    /// A record of an annotation file contradicts the rest of the file.
    #[error("{}: {record} {id} {problem}", path.display())]
    Record {
        /// The annotation file.
        path: PathBuf,
        /// What kind of record: `annotation`, `image`, `category`.
        record: &'static str,
        /// Its id.
        id: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// An annotation file or an image list names nothing at all.
    #[error("{} names no {what}", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What is missing: `images`, `categories`.
        what: &'static str,
    },
    /// No image of the set can serve for training.
    #[error("none of the {records} images has an object to train on")]
    NoTargets {
        /// How many images were looked at.
        records: usize,
    },
    /// A setting lies outside its range.
    #[error("{key} is {value} instead of {expected}")]
    Setting {
        /// The setting, as written in a configuration: `zoom_out.sides`.
        key: &'static str,
        /// The value given.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Reading a sample panicked: a defect of the program, never skipped.
    #[error("reading {} panicked: {message}", path.display())]
    Panicked {
        /// The sample's file.
        path: PathBuf,
        /// The panic's message.
        message: String,
    },
    /// A sample is being read for longer than the loader waits: a dead mount, a device in place of a file.
    #[error("reading {} has not ended after {seconds} s", path.display())]
    Stuck {
        /// The sample's file.
        path: PathBuf,
        /// How long the loader waited.
        seconds: f64,
    },
    /// Every sample of an epoch failed, and each was skipped.
    #[error("none of the epoch's {count} samples could be read; the first: {first}")]
    NothingRead {
        /// How many were tried.
        count: usize,
        /// The first failure.
        first: String,
    },
    /// A resumed epoch would begin after its end.
    #[error("cannot begin at batch {start} of an epoch of {batches} batches")]
    StartBatch {
        /// The batch asked for, from 0.
        start: usize,
        /// How many the epoch has.
        batches: usize,
    },
    /// The operating system gave no thread for a loader's worker.
    #[error("cannot start a loader thread: {0}")]
    Thread(io::Error),
    /// The loader's workers ended without an answer.
    #[error("the loader's workers ended before the epoch did")]
    WorkersGone,
    /// A folder that was to be written exists already with other content.
    #[error("{} exists already and {reason}", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// How its content differs.
        reason: String,
    },
}

/// What happens where a record cannot be used: `Err` ends the reading, `Ok` leaves the record out. `&mut Err` stops at the
/// first.
pub type ErrorHandler<'a> = &'a mut dyn FnMut(Error) -> Result<(), Error>;

impl Error {
    /// The file or folder that the error is about, where it is about one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Error::Io { path, .. }
            | Error::Decode { path, .. }
            | Error::Video { path, .. }
            | Error::SizeMismatch { path, .. }
            | Error::Json { path, .. }
            | Error::Xml { path, .. }
            | Error::ImageList { path, .. }
            | Error::ImageMissing { path, .. }
            | Error::Layout { path, .. }
            | Error::MaskId { path, .. }
            | Error::MaskSize { mask: path, .. }
            | Error::Record { path, .. }
            | Error::Empty { path, .. }
            | Error::Panicked { path, .. }
            | Error::Stuck { path, .. }
            | Error::Occupied { path, .. } => Some(path),
            Error::Input { .. }
            | Error::Pixels { .. }
            | Error::NoTargets { .. }
            | Error::Setting { .. }
            | Error::NothingRead { .. }
            | Error::StartBatch { .. }
            | Error::Thread(_)
            | Error::WorkersGone => None,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io { action, path: path.to_path_buf(), source }
    }
}
