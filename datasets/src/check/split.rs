//! One split: what can be read of it, and the examination of each record.

use std::path::Path;

use super::content::{Hash, ImageFile, Structure};
use super::finding::Kind;
use super::tally::{MAX_LISTED, Tally};
use crate::annotations::{Class, DetectionSet, Object, Record};
use crate::classification::{ClassificationRecord, ClassificationSet};
use crate::findings::{FindingKind, Findings};
use crate::segmentation::{SegmentationRecord, SegmentationSet};
use crate::{Error, ErrorHandler};

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
    /// Split::read("val", |on_error| coco::read_with(images, annotations, on_error).map(Checked::Detection));
    /// ```
    ///
    /// The reader's error is a finding, and the other splits are still checked.
    pub fn read(name: &str, reader: impl FnOnce(ErrorHandler<'_>) -> Result<Checked, Error>) -> Split {
        let mut unusable = Tally::new(MAX_LISTED);
        let read = reader(&mut |error| {
            note_error(&mut unusable, Kind::Annotation, name, Path::new(""), &error);
            Ok(())
        });
        let set = read.inspect_err(|error| note_error(&mut unusable, Kind::Split, name, Path::new(""), error)).ok();
        Split { name: name.to_owned(), set, unusable }
    }

    /// The classes, where the split can be read.
    pub fn classes(&self) -> Option<&[Class]> {
        self.set.as_ref().map(Checked::classes)
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
        let kinds = [
            (FindingKind::Crowd, Kind::Crowd, "a region of many objects, left out of training"),
            (FindingKind::Difficult, Kind::Difficult, "a difficult object, left out of training by default"),
            (
                FindingKind::SizeNotStated,
                Kind::SizeNotStated,
                "the annotation states no size; it is read from the image",
            ),
            (FindingKind::NotAnImage, Kind::NotAnImage, "the file has no extension of an image and is ignored"),
        ];
        for (found, kind, words) in kinds {
            let Some((_, finding)) = set.findings().iter().find(|(other, _)| *other == found) else { continue };
            for example in &finding.examples {
                tally.note(kind, &self.name, Path::new(example), None, || words.to_owned());
            }
            tally.add(kind, finding.count.saturating_sub(finding.examples.len()));
        }
    }

    pub(super) fn examine(&self, set: &Checked, index: usize) -> Examined {
        let mut examined = Examined::default();
        match set {
            Checked::Detection(set) => self.examine_objects(&set.records[index], &set.classes, &mut examined),
            Checked::Classification(set) => self.examine_classified(&set.records[index], &set.classes, &mut examined),
            Checked::Segmentation(set) => self.examine_mask(&set.records[index], index, set, &mut examined),
        }
        examined
    }

    /// Reads and decodes an image file.
    fn examine_image(&self, path: &Path, examined: &mut Examined) -> Option<Structure> {
        let file = ImageFile::examine(path);
        let tally = &mut examined.findings;
        (examined.hash, examined.bytes, examined.structure) = (file.hash, file.bytes, file.structure);
        examined.decoded = file.failure.is_none();
        if let Some(error) = file.failure {
            note_error(tally, Kind::Unreadable, &self.name, path, &error);
        }
        let Structure { content, traits, .. } = file.structure?;
        let mut note = |kind, sentence: String| tally.note(kind, &self.name, path, None, || sentence);
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if !content.extensions().contains(&extension.as_str()) {
            note(Kind::WrongExtension, format!("the extension is .{extension}, but it is a {} file", content.name()));
        }
        let unusual = [
            (traits.turned, Kind::Turned, "its EXIF orientation rotates or mirrors the image, and is not applied"),
            (traits.cmyk, Kind::Cmyk, "its pixels are CMYK and are converted to RGB without a colour profile"),
            (traits.animated, Kind::Animated, "it is animated, and only the first image is read"),
            (traits.deep, Kind::Deep, "it has more than 8 bits per channel, of which 8 are read"),
        ];
        for (_, kind, words) in unusual.into_iter().filter(|(is_so, ..)| *is_so) {
            note(kind, words.to_owned());
        }
        file.structure
    }

    fn examine_objects(&self, record: &Record, classes: &[Class], examined: &mut Examined) {
        let frame = record.size();
        if let Some(Structure { size, traits, .. }) = self.examine_image(&record.file, examined)
            && size != frame
        {
            let upright = traits.turned && (size.height, size.width) == (frame.width, frame.height);
            let why = if upright { ", its size after applying the EXIF orientation" } else { "" };
            let sentence = || format!("the image is {size} pixels, but its annotation says {frame}{why}");
            examined.findings.note(Kind::SizeMismatch, &self.name, &record.file, None, sentence);
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

    fn examine_classified(&self, record: &ClassificationRecord, classes: &[Class], examined: &mut Examined) {
        self.examine_image(&record.file, examined);
        if record.class < classes.len() {
            examined.pixels.push((record.class, 1));
        } else {
            let sentence = || format!("its class is {}, but the set has {}", record.class, classes.len());
            examined.findings.note(Kind::ClassOutOfRange, &self.name, &record.file, None, sentence);
        }
    }

    fn examine_mask(&self, record: &SegmentationRecord, index: usize, set: &SegmentationSet, examined: &mut Examined) {
        let structure = self.examine_image(&record.image, examined);
        let mask = match set.mask(index) {
            Ok(mask) => mask,
            Err(error) => {
                return note_error(&mut examined.findings, Kind::Unreadable, &self.name, &record.mask, &error);
            }
        };
        if let Some(Structure { size, .. }) = structure
            && size != mask.size()
        {
            let (image, found) = (record.image.display(), mask.size());
            let sentence = || format!("the mask is {found} pixels, but its image {image} is {size}");
            examined.findings.note(Kind::MaskSize, &self.name, &record.mask, None, sentence);
        }
        let mut counts = [0u64; 256];
        mask.data.iter().for_each(|&class| counts[usize::from(class)] += 1);
        let labelled = counts.iter().enumerate().filter(|&(class, &pixels)| class < set.classes.len() && pixels > 0);
        examined.pixels.extend(labelled.map(|(class, &pixels)| (class, pixels)));
        if examined.pixels.is_empty() {
            let words = || "every pixel of the mask is ignored".to_owned();
            examined.findings.note(Kind::MaskWithoutLabels, &self.name, &record.mask, None, words);
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
        Error::MaskId { .. } => Kind::MaskId,
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
    pub(super) structure: Option<Structure>,
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
            structure: None,
            pixels: Vec::new(),
        }
    }
}
