//! One split: what could be read of it, and its records examined one by one.

use std::path::Path;

use super::content::{Hash, ImageFile, Structure};
use super::report::Kind;
use super::tally::{MOST_LISTED, Tally};
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
    /// Pictures of one class each.
    Classification(ClassificationSet),
    /// Images with masks.
    Segmentation(SegmentationSet),
}

/// A split to check: what could be read of it, and what could not.
#[derive(Debug, Clone)]
pub struct Split {
    pub(super) name: String,
    pub(super) set: Option<Checked>,
    pub(super) faults: Tally,
}

impl Split {
    /// Reads a split by a reader that goes on behind every record that cannot be used:
    ///
    /// ```no_run
    /// # use datasets::{Checked, Split, coco};
    /// # let (images, annotations) = (std::path::Path::new("i"), std::path::Path::new("a"));
    /// Split::read("val", |on_error| coco::read_with(images, annotations, on_error).map(Checked::Detection));
    /// ```
    ///
    /// What the reader fails with is a finding, and the other splits are still checked.
    pub fn read(name: &str, reader: impl FnOnce(ErrorHandler<'_>) -> Result<Checked, Error>) -> Split {
        let mut faults = Tally::new(MOST_LISTED);
        let read = reader(&mut |error| {
            note_error(&mut faults, Kind::Annotation, name, Path::new(""), &error);
            Ok(())
        });
        let set = read.inspect_err(|error| note_error(&mut faults, Kind::Split, name, Path::new(""), error)).ok();
        Split { name: name.to_owned(), set, faults }
    }

    /// The classes of what could be read.
    pub fn classes(&self) -> Option<&[Class]> {
        self.set.as_ref().map(Checked::classes)
    }

    /// How many images there are to examine.
    pub fn images(&self) -> usize {
        match &self.set {
            None => 0,
            Some(Checked::Detection(set)) => set.records.len(),
            Some(Checked::Classification(set)) => set.records.len(),
            Some(Checked::Segmentation(set)) => set.records.len(),
        }
    }

    /// A record's image file, and its class where it has one as a whole.
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

    /// What the reader noted and the check does not look for again.
    pub(super) fn note_of_reading(&self, set: &Checked, tally: &mut Tally) {
        let kinds = [
            (FindingKind::Crowd, Kind::Crowd, "a region of many objects, left out of training"),
            (FindingKind::Difficult, Kind::Difficult, "a difficult object, left out of training unless asked for"),
            (
                FindingKind::SizeNotStated,
                Kind::SizeNotStated,
                "the annotation states no size, and the image was measured",
            ),
            (FindingKind::NotAnImage, Kind::NotAnImage, "the file does not end as an image does, and is passed over"),
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
            Checked::Classification(set) => self.examine_picture(&set.records[index], &set.classes, &mut examined),
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
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if !content.extensions().contains(&ending.as_str()) {
            note(Kind::WrongExtension, format!("the file ends as .{ending} but is a {} file", content.name()));
        }
        let odd = [
            (traits.turned, Kind::Turned, "its EXIF orientation turns or mirrors the picture, and is not followed"),
            (traits.cmyk, Kind::Cmyk, "its pixels are CMYK, and converted to RGB without a colour profile"),
            (traits.animated, Kind::Animated, "it is animated, and only one picture of it is read"),
            (traits.deep, Kind::Deep, "it has more than 8 bits a channel, of which 8 are read"),
        ];
        for (_, kind, words) in odd.into_iter().filter(|(is_so, ..)| *is_so) {
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
            let why = if upright { ", its size once turned as its EXIF orientation says" } else { "" };
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
        let class = classes.get(object.class).map_or("of no class", |class| class.name.as_str());
        let mut note = |kind, words: &str| {
            let place = Some(format!("object {number} ({class})"));
            let sentence =
                || format!("the box {words}: left {left}, top {top}, {width} wide, {height} high, in {frame}");
            examined.findings.note(kind, &self.name, &record.file, place, sentence);
        };
        if object.class >= classes.len() {
            note(Kind::ClassOutOfRange, "is of a class that the set does not have");
        }
        if !object.bbox.iter().all(|number| number.is_finite()) {
            return note(Kind::BoxNotFinite, "has a number that is not finite");
        }
        match object.misplaced(frame) {
            Some(FindingKind::BoxWithoutArea) => note(Kind::BoxWithoutArea, "has no area and is left out of training"),
            Some(FindingKind::BoxOutsideFrame) => {
                note(Kind::BoxOutsideFrame, "lies outside of the image and is left out of training");
            }
            Some(_) => note(Kind::BoxBeyondFrame, "reaches beyond the image and is clipped for training"),
            None => {}
        }
    }

    fn examine_picture(&self, record: &ClassificationRecord, classes: &[Class], examined: &mut Examined) {
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
            let words = || "every pixel of the mask is to be ignored".to_owned();
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

/// Notes an error; `kind` is what it is where the error itself does not tell, `file` where it names none.
fn note_error(tally: &mut Tally, kind: Kind, split: &str, file: &Path, error: &Error) {
    let told = match error {
        _ if kind == Kind::Split => kind,
        Error::Io { .. } | Error::ImageMissing { .. } => Kind::Missing,
        Error::Decode { .. } | Error::Panicked { .. } => Kind::Unreadable,
        Error::MaskId { .. } => Kind::MaskId,
        _ => kind,
    };
    tally.note(told, split, error.path().unwrap_or(file), None, || error.to_string());
}

/// What one record gave.
pub(super) struct Examined {
    pub(super) hash: Option<Hash>,
    pub(super) findings: Tally,
    pub(super) bytes: u64,
    pub(super) decoded: bool,
    pub(super) structure: Option<Structure>,
    /// Pixels of each class that occurs, or one for a picture's class.
    pub(super) pixels: Vec<(usize, u64)>,
}

impl Default for Examined {
    fn default() -> Examined {
        Examined {
            hash: None,
            findings: Tally::new(MOST_LISTED),
            bytes: 0,
            decoded: false,
            structure: None,
            pixels: Vec::new(),
        }
    }
}
