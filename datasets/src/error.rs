//! The crate's error: every variant has the place and the facts, its text is one sentence.

use std::io;
use std::path::{Path, PathBuf};

use annotation_files::coco::Problem;

use crate::image::Size;

/// Why data cannot be read, transformed or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted, as a verb: `read`, `write`, `create`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// An image or video file is damaged, cut short, or in another format.
    #[error("cannot read {}: {reason}", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An input of a command cannot be used.
    #[error("input {input:?} {reason}")]
    Input {
        /// The path or pattern as given, or the line of the list.
        input: String,
        /// The rest of the sentence: `matches no file`.
        reason: String,
    },
    /// An image operation failed, for example because the buffer does not have height x width x 3 bytes.
    #[error("cannot {operation} an image of {size} pixels: {reason}")]
    Pixels {
        /// What was attempted, as a verb: `encode`, `resize`.
        operation: &'static str,
        /// The image's stated size.
        size: Size,
        /// OpenCV's message.
        reason: String,
    },
    /// An image file has another size than its annotation states, so the boxes may be wrong.
    #[error("image {} is {found} pixels, but its annotation says {annotated}{}", path.display(), note_of(exif))]
    SizeMismatch {
        /// The image file.
        path: PathBuf,
        /// Size by the annotation.
        annotated: Size,
        /// Size by the image file, turned as the configuration says.
        found: Size,
        /// The size with the other choice of `data.orientation`, where that differs.
        exif: Option<Size>,
    },
    /// A JSON file is cut short, malformed, or lacks a field.
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
        /// The list, for example `ImageSets/Main/train.txt`.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// An image or mask that an annotation or a list names does not exist.
    #[error("cannot find {}: {reason}", path.display())]
    ImageMissing {
        /// The file as it is named.
        path: PathBuf,
        /// What is there instead.
        reason: String,
    },
    /// Folders or files of a set are not where its format has them.
    #[error("{}: {reason}", path.display())]
    Layout {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A mask has an id that is not a class of the set.
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
    /// A mask that is a picture has a colour that is not a class of the set.
    #[error(
        "mask {} has the colour {}, {}, {} at pixel ({x}, {y}), which is not a class by {origin}: options.colors gives each class \
         its colour",
        path.display(), colour[0], colour[1], colour[2]
    )]
    MaskColour {
        /// The mask file.
        path: PathBuf,
        /// Red, green, blue.
        colour: [u8; 3],
        /// Column, from 0.
        x: usize,
        /// Row, from 0.
        y: usize,
        /// What names the colours.
        origin: String,
    },
    /// A mask has another size than its image.
    #[error("mask {} is {found} pixels, but image {} is {expected}{}", mask.display(), image.display(), note_of(exif))]
    MaskSize {
        /// The mask file.
        mask: PathBuf,
        /// Its size.
        found: Size,
        /// The image file.
        image: PathBuf,
        /// The image's size, turned as the configuration says.
        expected: Size,
        /// The size with the other choice of `data.orientation`, where that differs.
        exif: Option<Size>,
    },
    /// A record of an annotation file cannot be used.
    #[error("{}: {problem}", path.display())]
    Record {
        /// The annotation file.
        path: PathBuf,
        /// The record, and what is wrong with it.
        problem: Box<Problem>,
    },
    /// A folder, an annotation file or a list has no entries.
    #[error("{} contains no {what}", path.display())]
    Empty {
        /// The file or folder.
        path: PathBuf,
        /// What is missing: `images`, `categories`.
        what: &'static str,
    },
    /// No image of the set can be used for training.
    #[error("none of the {records} images has an object to train on: {reason}")]
    NoTargets {
        /// The number of images.
        records: usize,
        /// Why.
        reason: String,
    },
    /// A setting is out of range.
    #[error("{key} is {value} instead of {expected}")]
    Setting {
        /// The setting, as written in a configuration: `zoom_out.sides`.
        key: &'static str,
        /// The value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Reading a sample panicked, which is never skipped.
    #[error("internal error (please report it): reading {} panicked: {message}", path.display())]
    Panicked {
        /// The sample's file.
        path: PathBuf,
        /// The panic's message.
        message: String,
    },
    /// Reading a sample takes longer than the loader waits: a dead mount, or a device in place of a file.
    #[error("cannot read {}: not finished after {seconds} s", path.display())]
    Stuck {
        /// The sample's file.
        path: PathBuf,
        /// How long the loader waited.
        seconds: f64,
    },
    /// Every sample of an epoch failed, and each was skipped.
    #[error("none of the epoch's {count} samples could be read; the first error: {first}")]
    NothingRead {
        /// The number of samples.
        count: usize,
        /// The first error.
        first: String,
    },
    /// A resumed epoch would start after its end.
    #[error("cannot start at batch {start} of an epoch of {batches} batches")]
    StartBatch {
        /// The requested batch, from 0.
        start: usize,
        /// The number of batches of the epoch.
        batches: usize,
    },
    /// The operating system cannot start a thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// The loader's workers ended before the epoch.
    #[error("internal error (please report it): the loader's workers ended before the epoch")]
    WorkersGone,
    /// The folder to write already exists with other content.
    #[error("cannot write {}: it already exists and {reason}", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// How its content differs.
        reason: String,
    },
}

fn note_of(exif: &Option<Size>) -> String {
    exif.map_or(String::new(), |size| {
        format!("; data.orientation decides whether its EXIF orientation turns it, and the other choice gives {size}")
    })
}

/// What happens where a record cannot be used: `Err` ends the reading, `Ok` leaves the record out. `&mut Err` stops at the
/// first.
pub type ErrorHandler<'a> = &'a mut dyn FnMut(Error) -> Result<(), Error>;

impl Error {
    /// The file or folder of the error, where it has one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Error::Io { path, .. }
            | Error::Decode { path, .. }
            | Error::SizeMismatch { path, .. }
            | Error::Json { path, .. }
            | Error::Xml { path, .. }
            | Error::ImageList { path, .. }
            | Error::ImageMissing { path, .. }
            | Error::Layout { path, .. }
            | Error::MaskId { path, .. }
            | Error::MaskColour { path, .. }
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
