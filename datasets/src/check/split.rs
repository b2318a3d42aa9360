//! One split: what can be read of it, and the examination of each record.

use std::path::Path;

use super::content::{Hash, ImageFile};
use super::finding::Kind;
use super::tally::{MAX_LISTED, Tally};
use crate::annotations::{Class, DetectionSet, Object, Record};
use crate::classification::{ClassificationRecord, ClassificationSet};
use crate::findings::{FindingKind, Findings};
use crate::image::{Header, Orientation, PixelOptions, Size};
use crate::segmentation::{SegmentationRecord, SegmentationSet};
use crate::survey::{Surveyed, sides_swapped};
use crate::{Error, ErrorHandler};

/// How many masks are looked at before each is examined.
const MASKS: usize = 16;

/// A set of any task.
#[derive(Debug, Clone, PartialEq)]
pub enum Checked {
    /// Images with boxes.
    Detection(DetectionSet),
    /// Images with one class each.
    Classification(ClassificationSet),
    /// Images with masks.
    Segmentation(SegmentationSet),
}

/// A split to check: what can be read of it, and what cannot.
#[derive(Debug, Clone)]
pub struct Split {
    pub(super) name: String,
    pub(super) set: Option<Checked>,
    pub(super) unusable: Tally,
}

impl Split {
    /// Reads a split with a reader that continues after every record that cannot be used:
    ///
    /// ```no_run
    /// # use datasets::{Checked, Split, coco};
    /// # let (images, annotations) = (std::path::Path::new("i"), std::path::Path::new("a"));
    /// let orientation = datasets::Orientation::default();
    /// Split::read("val", |on_error| {
    ///     coco::read_with(images, annotations, orientation, on_error).map(Checked::Detection)
    /// });
    /// ```
    ///
    /// The reader's error is a finding, and the other splits are still checked.
    pub fn read(name: &str, reader: impl FnOnce(ErrorHandler<'_>) -> Result<Checked, Error>) -> Split {
        let mut unusable = Tally::new(MAX_LISTED);
        let read = reader(&mut |error| {
            note_error(&mut unusable, Kind::Annotation, name, Path::new(""), &error);
            Ok(())
        });
        let mut set = read.inspect_err(|error| note_error(&mut unusable, Kind::Split, name, Path::new(""), error)).ok();
        // Each mask that cannot be read is a finding later.
        let looked = set.as_mut().map(|set| set.look(&mut |_| Ok(())));
        if let Some(Err(error)) = looked {
            note_error(&mut unusable, Kind::Split, name, Path::new(""), &error);
        }
        Split { name: name.to_owned(), set, unusable }
    }

    /// The classes, where the split can be read.
    pub fn classes(&self) -> Option<&[Class]> {
        self.set.as_ref().map(Checked::classes)
    }

    /// What can be read of the split.
    pub fn set(&self) -> Option<&Checked> {
        self.set.as_ref()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of images to examine.
    pub fn images(&self) -> usize {
        match &self.set {
            None => 0,
            Some(Checked::Detection(set)) => set.records.len(),
            Some(Checked::Classification(set)) => set.records.len(),
            Some(Checked::Segmentation(set)) => set.records.len(),
        }
    }

    /// A record's image file, and its class where an image has one class.
    pub(super) fn file(&self, index: usize) -> Option<(&Path, Option<usize>)> {
        match self.set.as_ref()? {
            Checked::Detection(set) => set.records.get(index).map(|record| (record.file.as_path(), None)),
            Checked::Classification(set) => {
                set.records.get(index).map(|record| (record.file.as_path(), Some(record.class)))
            }
            Checked::Segmentation(set) => set.records.get(index).map(|record| (record.image.as_path(), None)),
        }
    }

    /// A record with objects.
    pub(super) fn record(&self, index: usize) -> Option<&Record> {
        match self.set.as_ref()? {
            Checked::Detection(set) => set.records.get(index),
            _ => None,
        }
    }

    /// Adds what the reader found and the check does not examine again.
    pub(super) fn add_findings_of_reader(&self, set: &Checked, tally: &mut Tally) {
        for (found, finding) in set.findings().iter() {
            let Some(kind) = Kind::of_reader(found) else { continue };
            for example in &finding.examples {
                tally.note(kind, &self.name, Path::new(""), None, || found.about(example));
            }
            tally.add(kind, finding.count.saturating_sub(finding.examples.len()));
        }
    }

    pub(super) fn examine(&self, set: &Checked, index: usize, pixels: PixelOptions) -> Examined {
        let mut examined = Examined::default();
        match set {
            Checked::Detection(set) => self.examine_objects(&set.records[index], &set.classes, pixels, &mut examined),
            Checked::Classification(set) => {
                self.examine_classified(&set.records[index], &set.classes, pixels, &mut examined);
            }
            Checked::Segmentation(set) => self.examine_mask(index, set, pixels, &mut examined),
        }
        examined
    }

    /// Reads and decodes an image file.
    fn examine_image(&self, path: &Path, pixels: PixelOptions, examined: &mut Examined) -> Option<Header> {
        let file = ImageFile::examine(path, pixels);
        let tally = &mut examined.findings;
        (examined.hash, examined.bytes) = (file.hash, file.bytes);
        examined.header = file.header.map(|header| (header, header.size(pixels.orientation)));
        examined.decoded = file.failure.is_none();
        if let Some(error) = file.failure {
            note_error(tally, Kind::Unreadable, &self.name, path, &error);
        }
        let header = file.header?;
        let mut note = |kind, sentence: String| tally.note(kind, &self.name, path, None, || sentence);
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if !header.format.extensions().contains(&extension.as_str()) {
            note(Kind::WrongExtension, format!("the extension is .{extension}, but it is a {} file", header.format));
        }
        if header.is_turned() && pixels.orientation == Orientation::Stored {
            note(
                Kind::Turned,
                "its EXIF orientation turns the image, and is not applied (data.orientation)".to_owned(),
            );
        }
        if header.cmyk && matches!(pixels.channels, 1 | 3) {
            note(Kind::Cmyk, "its pixels are CMYK and are converted to RGB without a colour profile".to_owned());
        }
        if header.animated {
            note(Kind::Animated, "it is animated, and only the first image is read".to_owned());
        }
        if header.bits > 8 {
            let Header { bits, significant_bits, .. } = header;
            let used = if significant_bits < bits { format!(" ({significant_bits} are used)") } else { String::new() };
            note(Kind::Deep, format!("it has {bits} bits per channel{used}, of which 8 are read (data.depth)"));
        }
        if file.nearly_black {
            note(
                Kind::NearlyBlack,
                "it is nearly black as it is read; data.depth: 12 says how many bits are used".to_owned(),
            );
        }
        Some(header)
    }

    /// Adds a finding where the image is not turned although the configuration says so, as the annotation has its stored size.
    fn note_turned(&self, path: &Path, used: Orientation, pixels: PixelOptions, examined: &mut Examined) {
        if used != pixels.orientation {
            let words = || {
                "its EXIF orientation is not applied, as its annotation has the size of the stored pixels".to_owned()
            };
            examined.findings.note(Kind::Turned, &self.name, path, None, words);
        }
    }

    fn examine_objects(&self, record: &Record, classes: &[Class], pixels: PixelOptions, examined: &mut Examined) {
        let annotated = record.size();
        if let Some(header) = self.examine_image(&record.file, pixels, examined) {
            match header.recognise(annotated, pixels.orientation) {
                Some(used) => self.note_turned(&record.file, used, pixels, examined),
                None if sides_swapped(record, header.size(pixels.orientation)) => {
                    let words =
                        || format!("{annotated} is width and height the other way round; the image's size is taken");
                    examined.findings.note(Kind::SizeSwapped, &self.name, &record.file, None, words);
                }
                None => {
                    let (found, exif) = (header.size(pixels.orientation), header.other_size(pixels.orientation));
                    let error = Error::SizeMismatch { path: record.file.clone(), annotated, found, exif };
                    note_error(&mut examined.findings, Kind::SizeMismatch, &self.name, &record.file, &error);
                }
            }
        }
        if record.objects.is_empty() {
            let words = || "the image has no object".to_owned();
            examined.findings.note(Kind::ImageWithoutObjects, &self.name, &record.file, None, words);
        }
        for (number, object) in (1..).zip(&record.objects) {
            self.examine_object((number, object), record, classes, examined);
        }
    }

    fn examine_object(
        &self,
        (number, object): (usize, &Object),
        record: &Record,
        classes: &[Class],
        examined: &mut Examined,
    ) {
        let frame = record.size();
        let [left, top, width, height] = object.bbox;
        let class = classes.get(object.class).map_or("unknown class", |class| class.name.as_str());
        let mut note = |kind, words: &str| {
            let place = Some(format!("object {number} ({class})"));
            let sentence =
                || format!("the box {words}: left {left}, top {top}, {width} wide, {height} high, in {frame}");
            examined.findings.note(kind, &self.name, &record.file, place, sentence);
        };
        if object.class >= classes.len() {
            note(Kind::ClassOutOfRange, "has a class that the set does not have");
        }
        if !object.bbox.iter().all(|number| number.is_finite()) {
            return note(Kind::BoxNotFinite, "has a number that is not finite");
        }
        match object.misplaced(frame) {
            Some(FindingKind::BoxWithoutArea) => note(Kind::BoxWithoutArea, "has no area and is left out of training"),
            Some(FindingKind::BoxOutsideFrame) => {
                note(Kind::BoxOutsideFrame, "is outside the image and is left out of training");
            }
            Some(_) => note(Kind::BoxBeyondFrame, "reaches beyond the image and is clipped for training"),
            None => {}
        }
    }

    fn examine_classified(
        &self,
        record: &ClassificationRecord,
        classes: &[Class],
        pixels: PixelOptions,
        examined: &mut Examined,
    ) {
        self.examine_image(&record.file, pixels, examined);
        if record.class < classes.len() {
            examined.pixels.push((record.class, 1));
        } else {
            let sentence = || format!("its class is {}, but the set has {}", record.class, classes.len());
            examined.findings.note(Kind::ClassOutOfRange, &self.name, &record.file, None, sentence);
        }
    }

    fn examine_mask(&self, index: usize, set: &SegmentationSet, pixels: PixelOptions, examined: &mut Examined) {
        let SegmentationRecord { image, mask: source, .. } = &set.records[index];
        let file = source.path();
        let header = self.examine_image(image, pixels, examined);
        let mask = match set.mask(index, pixels.orientation) {
            Ok(mask) => mask,
            Err(error) => {
                return note_error(&mut examined.findings, Kind::Unreadable, &self.name, file, &error);
            }
        };
        if let Some(header) = header {
            let found = mask.size();
            match header.recognise(found, pixels.orientation) {
                Some(used) => self.note_turned(image, used, pixels, examined),
                None => {
                    let (expected, exif) = (header.size(pixels.orientation), header.other_size(pixels.orientation));
                    let error =
                        Error::MaskSize { mask: file.to_path_buf(), found, image: image.clone(), expected, exif };
                    note_error(&mut examined.findings, Kind::MaskSize, &self.name, file, &error);
                }
            }
        }
        let mut counts = [0u64; 256];
        mask.data.iter().for_each(|&class| counts[usize::from(class)] += 1);
        let labelled = counts.iter().enumerate().filter(|&(class, &pixels)| class < set.classes.len() && pixels > 0);
        examined.pixels.extend(labelled.map(|(class, &pixels)| (class, pixels)));
        if examined.pixels.is_empty() {
            let words = || "every pixel of the mask is ignored".to_owned();
            examined.findings.note(Kind::MaskWithoutLabels, &self.name, file, None, words);
        }
    }
}

impl Checked {
    /// The classes of the set.
    pub fn classes(&self) -> &[Class] {
        match self {
            Checked::Detection(set) => &set.classes,
            Checked::Classification(set) => &set.classes,
            Checked::Segmentation(set) => &set.classes,
        }
    }

    fn look(&mut self, on_error: ErrorHandler<'_>) -> Result<(), Error> {
        match self {
            Checked::Detection(set) => set.look(&mut vec![false; set.images()], on_error),
            Checked::Classification(set) => set.look(&mut vec![false; set.images()], on_error),
            Checked::Segmentation(set) => set.look_at_masks(MASKS, &mut vec![false; set.images()], on_error),
        }
    }

    fn findings(&self) -> &Findings {
        match self {
            Checked::Detection(set) => &set.findings,
            Checked::Classification(set) => &set.findings,
            Checked::Segmentation(set) => &set.findings,
        }
    }
}

/// Adds an error as a finding; `kind` and `file` apply where the error itself does not give them.
fn note_error(tally: &mut Tally, kind: Kind, split: &str, file: &Path, error: &Error) {
    let kind = match error {
        _ if kind == Kind::Split => kind,
        Error::Io { .. } | Error::ImageMissing { .. } => Kind::Missing,
        Error::Decode { .. } | Error::Panicked { .. } => Kind::Unreadable,
        Error::MaskId { .. } | Error::MaskColour { .. } => Kind::MaskId,
        _ => kind,
    };
    tally.note(kind, split, error.path().unwrap_or(file), None, || error.to_string());
}

/// What is known of one record.
pub(super) struct Examined {
    pub(super) hash: Option<Hash>,
    pub(super) findings: Tally,
    pub(super) bytes: u64,
    pub(super) decoded: bool,
    /// What the file says, and the image's size.
    pub(super) header: Option<(Header, Size)>,
    /// Pixels of each class that occurs; one where an image has one class.
    pub(super) pixels: Vec<(usize, u64)>,
}

impl Default for Examined {
    fn default() -> Examined {
        Examined {
            hash: None,
            findings: Tally::new(MAX_LISTED),
            bytes: 0,
            decoded: false,
            header: None,
            pixels: Vec::new(),
        }
    }
}
