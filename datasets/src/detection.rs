//! Annotated images as samples for a detector.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Error;
use crate::annotations::{DetectionSet, Record, TargetOptions};
use crate::image::{Encoded, Image, PixelOptions, Reduction, Size};
use crate::loader::Dataset;
use crate::random::SampleRng;
use crate::settings::{check_colour, check_size};
use crate::survey::why_no_targets;
use crate::transforms::{Augmentation, Plan};

/// An image at the detector's size with the objects in it.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectionSample {
    /// The image, at the dataset's size.
    pub image: Image,
    /// Left, top, right, bottom in pixels of `image`, inside it and of positive area.
    pub boxes: Vec<[f32; 4]>,
    /// The class index of each box, from 0.
    pub labels: Vec<usize>,
    /// The image's id in the annotations.
    pub image_id: u64,
    /// Size of the image as annotated, to which detections are scaled back.
    pub original: Size,
    /// The image file.
    pub path: PathBuf,
}

/// The images of a [`DetectionSet`], resized without keeping their proportions.
///
/// Boxes belong to the frame of the size that their record states: where that is the size of the stored pixels and not of the
/// upright ones, the image is taken as stored.
#[derive(Debug)]
pub struct DetectionDataset {
    set: Arc<DetectionSet>,
    /// The records behind the samples.
    used: Vec<usize>,
    size: Size,
    targets: TargetOptions,
    augmentation: Option<Augmentation>,
    pixels: PixelOptions,
}

impl DetectionDataset {
    /// The images augmented to `size`; those without a target are left out, unless `targets` keeps them.
    ///
    /// # Errors
    /// [`Error::Setting`] where a setting or the size is out of range, or a setting needs colours that the images do not have;
    /// [`Error::NoTargets`] where no image is left.
    pub fn for_training(
        set: Arc<DetectionSet>,
        size: Size,
        augmentation: Augmentation,
        targets: TargetOptions,
        pixels: PixelOptions,
    ) -> Result<DetectionDataset, Error> {
        augmentation.validate()?;
        pixels.validate()?;
        check_colour(augmentation.needs_colour(), pixels.channels)?;
        check_size("size", size)?;
        let is_used = |record: &Record| targets.keep_empty || !record.targets(&targets).is_empty();
        let used: Vec<usize> = (0..set.records.len()).filter(|&index| is_used(&set.records[index])).collect();
        if used.is_empty() {
            let reason = why_no_targets(&set.records, &targets);
            return Err(Error::NoTargets { records: set.records.len(), reason });
        }
        Ok(DetectionDataset { set, used, size, targets, augmentation: Some(augmentation), pixels })
    }

    /// Every image, only resized to `size`. The boxes are those of training with default options.
    ///
    /// # Errors
    /// [`Error::Setting`] where the size or a setting is out of range.
    pub fn for_evaluation(set: Arc<DetectionSet>, size: Size, pixels: PixelOptions) -> Result<DetectionDataset, Error> {
        pixels.validate()?;
        check_size("size", size)?;
        let used = (0..set.records.len()).collect();
        Ok(DetectionDataset { set, used, size, targets: TargetOptions::default(), augmentation: None, pixels })
    }

    /// The set behind the samples; an evaluation dataset's sample `i` is its record `i`.
    pub fn set(&self) -> &DetectionSet {
        &self.set
    }

    /// The size of every sample's image.
    pub fn size(&self) -> Size {
        self.size
    }

    fn record(&self, index: usize) -> &Record {
        &self.set.records[self.used[index]]
    }
}

impl Dataset for DetectionDataset {
    type Sample = DetectionSample;

    fn len(&self) -> usize {
        self.used.len()
    }

    fn path(&self, index: usize) -> &Path {
        &self.record(index).file
    }

    fn load(&self, index: usize, _epoch: u64, rng: &mut SampleRng) -> Result<DetectionSample, Error> {
        let record = self.record(index);
        let targets = record.targets(&self.targets);
        let plan = match &self.augmentation {
            Some(augmentation) => augmentation.plan((record.size(), self.pixels.channels), &targets, self.size, rng),
            None => Plan::plain(record.size(), &targets, self.size),
        };
        let (source, reduction) = decode(record, plan.framing.window.scale(self.size), self.pixels)?;
        let image = plan.render(&source, reduction.factor(), self.size)?;
        let (boxes, labels) = plan
            .placed
            .iter()
            .map(|placed| (placed.corners.map(|pixels| pixels as f32), targets[placed.target].class))
            .filter(|([left, top, right, bottom], _)| right > left && bottom > top)
            .unzip();
        let (image_id, original, path) = (record.image_id, record.size(), record.file.clone());
        Ok(DetectionSample { image, boxes, labels, image_id, original, path })
    }
}

/// The record's image, decoded at a fraction of its size where `scale` shrinks it at least that much.
fn decode(record: &Record, scale: f64, pixels: PixelOptions) -> Result<(Image, Reduction), Error> {
    let encoded = Encoded::read(&record.file)?;
    let header = encoded.header();
    let Some(orientation) = header.recognise(record.size(), pixels.orientation) else {
        let (path, annotated, found) = (record.file.clone(), record.size(), header.size(pixels.orientation));
        return Err(Error::SizeMismatch { path, annotated, found, exif: header.other_size(pixels.orientation) });
    };
    let reduction = encoded.reduction(scale, orientation);
    Ok((encoded.decode(&PixelOptions { orientation, ..pixels }, reduction)?, reduction))
}
