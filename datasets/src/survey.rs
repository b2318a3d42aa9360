//! What can be known of a set before its first image is decoded: the headers of all images, and what the annotations show as a
//! whole. Training and evaluation take it before they begin; [`crate::check`] decodes every image as well.
//!
//! Headers are read in parallel, and a fixed number of them is in memory at a time. Of masks, and of images with more than eight
//! bits, a fixed number is decoded.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use rayon::prelude::*;

use crate::annotations::{Class, DetectionSet, Record, TargetOptions};
use crate::classification::ClassificationSet;
use crate::finder::{Finder, fold};
use crate::findings::{FindingKind, Findings};
use crate::image::{Header, Image, Orientation, PixelOptions, Size};
use crate::segmentation::SegmentationSet;
use crate::{Error, ErrorHandler};

/// How many headers are read before they are compared, which bounds them in memory.
const CHUNK: usize = 4096;
/// How many masks are decoded, spread over the set.
const MASKS: usize = 128;
/// How many images of more than eight bits are decoded.
const DEEP_IMAGES: usize = 4;
/// The greatest level of a deep image that is nearly black: less than a quarter of the range.
const DARK: u8 = 63;
/// The share of boxes that decides what all of them are.
const MOST: f64 = 0.9;
/// The share of ignored pixels that is worth a word.
const MANY_IGNORED: f64 = 0.5;

/// A set of images that can be surveyed.
pub trait Surveyed: Sync {
    /// The number of images.
    fn images(&self) -> usize;

    /// An image's file.
    fn file(&self, index: usize) -> &Path;

    /// Compares a record with its image's header, and corrects what can be corrected.
    ///
    /// # Errors
    /// Why the image cannot be used with its annotation.
    fn compare(&mut self, index: usize, header: &Header, policy: Orientation) -> Result<(), Error>;

    /// Looks at the set as a whole; marks further records that cannot be used, where `on_error` agrees.
    ///
    /// # Errors
    /// What `on_error` returns.
    fn look(&mut self, unusable: &mut [bool], on_error: ErrorHandler<'_>) -> Result<(), Error>;

    /// Leaves out the marked records.
    fn leave_out(&mut self, unusable: &[bool]);

    /// What was found so far.
    fn findings_mut(&mut self) -> &mut Findings;
}

/// Surveys a set, and marks the records that cannot be used, for [`Surveyed::leave_out`]. `on_error` decides about each image that
/// is missing, is not an image, has other channels than the network, or does not fit its annotation. `progress` is called from any thread after each header.
///
/// # Errors
/// What `on_error` returns.
pub fn survey<S: Surveyed>(
    set: &mut S,
    pixels: &PixelOptions,
    on_error: ErrorHandler<'_>,
    progress: &(dyn Fn() + Sync),
) -> Result<Vec<bool>, Error> {
    let read = |set: &S, index: usize| {
        let file = set.file(index);
        // A pipe is read once, by the loader, which does not wait for it without end.
        let is_pipe = fs::metadata(file).is_ok_and(|about| !about.is_file() && !about.is_dir());
        let header = (!is_pipe).then(|| Header::read(file));
        progress();
        header
    };
    let mut unusable = vec![false; set.images()];
    let mut finder = Finder::default();
    let mut deep = Vec::new();
    for start in (0..unusable.len()).step_by(CHUNK) {
        let chunk = start..unusable.len().min(start + CHUNK);
        let headers: Vec<_> = chunk.clone().into_par_iter().map(|index| read(set, index)).collect();
        for (index, header) in chunk.zip(headers) {
            let Some(header) = header else { continue };
            let header = header.map_err(|error| named_near(error, &mut finder));
            let compared = header.and_then(|header| {
                note_header(set, index, &header, pixels.orientation);
                if header.bits > 8 && deep.len() < DEEP_IMAGES {
                    deep.push(index);
                }
                header.check_channels(pixels.channels, set.file(index))?;
                set.compare(index, &header, pixels.orientation)
            });
            if let Err(error) = compared {
                on_error(error)?;
                unusable[index] = true;
            }
        }
    }
    for index in deep {
        let dark = Image::read(set.file(index), pixels).is_ok_and(|image| is_nearly_black(&image));
        if dark {
            let file = set.file(index).to_path_buf();
            set.findings_mut().note(FindingKind::NearlyBlack, &file);
        }
    }
    set.look(&mut unusable, on_error)?;
    Ok(unusable)
}

fn note_header(set: &mut impl Surveyed, index: usize, header: &Header, policy: Orientation) {
    let facts = [
        (header.animated, FindingKind::Animated),
        // Sizes tell a quarter turn, and nothing tells these.
        (
            policy == Orientation::Upright && header.is_turned() && header.upright() == header.stored,
            FindingKind::TurnedUnseen,
        ),
    ];
    for (_, kind) in facts.into_iter().filter(|(is_so, _)| *is_so) {
        let file = set.file(index).to_path_buf();
        set.findings_mut().note(kind, &file);
    }
}

/// For a file that does not exist, the error with the names of those that are like it.
fn named_near(error: Error, finder: &mut Finder) -> Error {
    let Error::Io { path, source, .. } = &error else { return error };
    match (source.kind(), path.parent(), path.file_name().and_then(|name| name.to_str())) {
        (std::io::ErrorKind::NotFound, Some(folder), Some(name)) => finder.missing(folder, name),
        _ => error,
    }
}

/// Whether no level reaches a quarter of the range.
pub(crate) fn is_nearly_black(image: &Image) -> bool {
    image.data.iter().all(|&level| level <= DARK)
}

/// Without the marked elements.
fn keep<T>(list: &mut Vec<T>, unusable: &[bool]) {
    let mut marks = unusable.iter();
    list.retain(|_| !marks.next().copied().unwrap_or(false));
}

/// Notes classes that only differ in what nobody sees.
fn note_alike(classes: &[Class], findings: &mut Findings) {
    let mut first: HashMap<String, &str> = HashMap::new();
    for class in classes {
        if let Some(other) = first.insert(fold(&class.name), &class.name) {
            findings.note_text(FindingKind::ClassesAlike, format!("{other:?} and {:?}", class.name));
        }
    }
}

fn note_unused(classes: &[Class], used: &HashSet<usize>, findings: &mut Findings) {
    for (_, class) in classes.iter().enumerate().filter(|(class, _)| !used.contains(class)) {
        findings.note_text(FindingKind::ClassWithoutObjects, class.name.clone());
    }
}

impl Surveyed for ClassificationSet {
    fn images(&self) -> usize {
        self.records.len()
    }

    fn file(&self, index: usize) -> &Path {
        &self.records[index].file
    }

    fn compare(&mut self, _: usize, _: &Header, _: Orientation) -> Result<(), Error> {
        Ok(())
    }

    fn look(&mut self, _: &mut [bool], _: ErrorHandler<'_>) -> Result<(), Error> {
        note_alike(&self.classes, &mut self.findings);
        Ok(())
    }

    fn leave_out(&mut self, unusable: &[bool]) {
        keep(&mut self.records, unusable);
    }

    fn findings_mut(&mut self) -> &mut Findings {
        &mut self.findings
    }
}

impl Surveyed for DetectionSet {
    fn images(&self) -> usize {
        self.records.len()
    }

    fn file(&self, index: usize) -> &Path {
        &self.records[index].file
    }

    fn compare(&mut self, index: usize, header: &Header, policy: Orientation) -> Result<(), Error> {
        let record = &mut self.records[index];
        let stated = record.size();
        if stated == header.size(policy) {
            return Ok(());
        }
        if header.recognise(stated, policy).is_some() {
            self.findings.note(FindingKind::AnnotatedAsStored, &record.file);
            return Ok(());
        }
        let found = header.size(policy);
        if sides_swapped(record, found) {
            (record.height, record.width) = (found.height, found.width);
            self.findings.note(FindingKind::SizeSwapped, &record.file);
            return Ok(());
        }
        let (path, exif) = (record.file.clone(), header.other_size(policy));
        Err(Error::SizeMismatch { path, annotated: stated, found, exif })
    }

    fn look(&mut self, _: &mut [bool], _: ErrorHandler<'_>) -> Result<(), Error> {
        note_alike(&self.classes, &mut self.findings);
        note_boxes(&self.records, &self.classes, &mut self.findings);
        Ok(())
    }

    fn leave_out(&mut self, unusable: &[bool]) {
        keep(&mut self.records, unusable);
    }

    fn findings_mut(&mut self) -> &mut Findings {
        &mut self.findings
    }
}

/// Whether a record has width and height the other way round: all boxes lie in the frame of its image, but for rounding.
pub(crate) fn sides_swapped(record: &Record, frame: Size) -> bool {
    if (frame.height, frame.width) != (record.width, record.height) {
        return false;
    }
    let inside = |[left, top, width, height]: [f64; 4]| {
        left >= -1.0
            && top >= -1.0
            && left + width <= frame.width as f64 + 1.0
            && top + height <= frame.height as f64 + 1.0
    };
    record.objects.iter().all(|object| inside(object.bbox))
}

/// What the boxes show as a whole: relative coordinates, corners in place of sizes, boxes given twice, unused classes.
fn note_boxes(records: &[Record], classes: &[Class], findings: &mut Findings) {
    let (mut boxes, mut below_a_pixel, mut relative, mut beyond, mut corners) = (0, 0, 0, 0, 0);
    let mut used = HashSet::new();
    for record in records {
        let frame = record.size();
        let mut seen = HashSet::new();
        for object in &record.objects {
            let [left, top, width, height] = object.bbox;
            used.insert(object.class);
            boxes += 1;
            if !seen.insert((object.class, object.bbox.map(f64::to_bits))) {
                findings.note(FindingKind::BoxGivenTwice, &record.file);
            }
            let is_small = width > 0.0 && height > 0.0 && width < 1.0 && height < 1.0;
            below_a_pixel += usize::from(is_small);
            relative += usize::from(object.bbox.iter().all(|number| (0.0..=1.0).contains(number)));
            beyond += usize::from(left + width > frame.width as f64 + 1.0 || top + height > frame.height as f64 + 1.0);
            let are_corners =
                width > left && height > top && width <= frame.width as f64 && height <= frame.height as f64;
            corners += usize::from(are_corners);
        }
    }
    if boxes == 0 {
        return;
    }
    note_unused(classes, &used, findings);
    let most = |count: usize| boxes > 1 && count as f64 >= MOST * boxes as f64;
    if most(relative) {
        findings.note_text(FindingKind::BoxesRelative, format!("{relative} of {boxes}"));
    } else if below_a_pixel > 0 {
        findings.note_text(FindingKind::BoxesBelowPixel, format!("{below_a_pixel} of {boxes}"));
    }
    // By chance some boxes look like corners too, but they would not leave their images as sizes.
    if most(corners) && 2 * beyond > boxes {
        findings.note_text(FindingKind::BoxesAsCorners, format!("{corners} of {boxes}"));
    }
}

impl Surveyed for SegmentationSet {
    fn images(&self) -> usize {
        self.records.len()
    }

    fn file(&self, index: usize) -> &Path {
        &self.records[index].image
    }

    fn compare(&mut self, _: usize, _: &Header, _: Orientation) -> Result<(), Error> {
        Ok(())
    }

    fn look(&mut self, unusable: &mut [bool], on_error: ErrorHandler<'_>) -> Result<(), Error> {
        self.look_at_masks(MASKS, unusable, on_error)
    }

    fn leave_out(&mut self, unusable: &[bool]) {
        keep(&mut self.records, unusable);
    }

    fn findings_mut(&mut self) -> &mut Findings {
        &mut self.findings
    }
}

impl SegmentationSet {
    /// What at most `count` masks show, spread over the set.
    pub(crate) fn look_at_masks(
        &mut self,
        count: usize,
        unusable: &mut [bool],
        on_error: ErrorHandler<'_>,
    ) -> Result<(), Error> {
        note_alike(&self.classes, &mut self.findings);
        let every = self.records.len().div_ceil(count).max(1);
        let sample: Vec<usize> = (0..self.records.len()).step_by(every).filter(|&index| !unusable[index]).collect();
        let masks: Vec<_> = sample.par_iter().map(|&index| self.mask_and_palette(index)).collect();
        let (mut counts, mut read) = ([0_u64; 256], 0);
        for (index, mask) in sample.into_iter().zip(masks) {
            match mask {
                Ok((mask, has_foreign_palette)) => {
                    read += 1;
                    if has_foreign_palette {
                        self.findings.note(FindingKind::ForeignPalette, self.records[index].mask.path());
                    }
                    let mut own = [0_u64; 256];
                    mask.data.iter().for_each(|&class| own[usize::from(class)] += 1);
                    if own[usize::from(self.ignore)] == mask.data.len() as u64 {
                        self.findings.note(FindingKind::MaskWithoutLabels, &self.records[index].image);
                    }
                    counts.iter_mut().zip(own).for_each(|(sum, count)| *sum += count);
                }
                Err(error) => {
                    on_error(error)?;
                    unusable[index] = true;
                }
            }
        }
        let pixels: u64 = counts.iter().sum();
        if pixels == 0 {
            return Ok(());
        }
        let used: HashSet<usize> = (0..self.classes.len()).filter(|&class| counts[class] > 0).collect();
        // A class may be in the masks that were not decoded.
        let unused = used.len() < self.classes.len() && (read == self.records.len() || used.len() <= 1);
        if unused {
            note_unused(&self.classes, &used, &mut self.findings);
        }
        let ignored = counts[usize::from(self.ignore)] as f64 / pixels as f64;
        // In a drawing in black and white the object is ignored, and its class occurs nowhere.
        if ignored > MANY_IGNORED || (unused && ignored > 0.0) {
            let share = format!("{:.0} % of the pixels of {read} masks are {}", 100.0 * ignored, self.ignore);
            self.findings.note_text(FindingKind::PixelsIgnored, share);
        }
        Ok(())
    }
}

/// Why none of a set's images has an object to train on, as the end of a sentence.
pub(crate) fn why_no_targets(records: &[Record], options: &TargetOptions) -> String {
    let objects = || records.iter().flat_map(|record| &record.objects);
    let (all, crowds) = (objects().count(), objects().filter(|object| object.crowd).count());
    let difficult = objects().filter(|object| object.difficult).count();
    match all {
        0 => "there are no annotations".to_owned(),
        _ if crowds == all => format!(
            "all {all} objects are crowds (iscrowd 1), as CVAT writes its brush masks; data.targets.keep_crowds: true trains \
             on them"
        ),
        _ if difficult == all && !options.keep_difficult => {
            format!("all {all} objects are difficult; data.targets.keep_difficult: true trains on them")
        }
        _ => format!(
            "of {all} objects {crowds} are crowds, {difficult} difficult, and the others have no area in their image"
        ),
    }
}
