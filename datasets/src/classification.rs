//! Images with one class each: the set, its augmentation for training, its view for evaluation, and the samples.

mod affine;
mod augmentation;
mod color_jitter;
mod enhance;
mod erasing;
mod mixing;
mod operation;
mod phase;
mod policy;
mod resized_crop;
mod view;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Error;
use crate::annotations::Class;
use crate::findings::Findings;
use crate::image::{Encoded, Image, PixelOptions, Size};
use crate::loader::Dataset;
use crate::random::SampleRng;
use crate::settings::{check_colour, check_size};

pub use augmentation::ClassifyAugmentation;
pub use color_jitter::ColorJitter;
pub use erasing::{EraseMode, RandomErasing};
pub use mixing::{Mix, Mixing};
pub use phase::Phase;
pub use policy::{AutoAugment, RandAugment};
pub use resized_crop::ResizedCrop;
pub use view::{EvaluationView, ViewOptions};

/// An image and its class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassificationRecord {
    /// The image file.
    pub file: PathBuf,
    /// Index into [`ClassificationSet::classes`].
    pub class: usize,
}

/// A set of images with one class each.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassificationSet {
    /// The classes; a record's class is an index into this list.
    pub classes: Vec<Class>,
    /// The images, class by class or as listed.
    pub records: Vec<ClassificationRecord>,
    /// What the reader found and handled.
    pub findings: Findings,
}

/// An image at the network's size.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassificationSample {
    /// The image, at the epoch's size.
    pub image: Image,
    /// Its class, from 0.
    pub class: usize,
    /// Its index in [`ClassificationSet::records`].
    pub index: usize,
    /// The image file.
    pub path: PathBuf,
}

/// The images of a [`ClassificationSet`].
#[derive(Debug)]
pub struct ClassificationDataset {
    set: Arc<ClassificationSet>,
    purpose: Purpose,
    pixels: PixelOptions,
}

#[derive(Debug)]
enum Purpose {
    Training { size: Size, augmentation: Box<ClassifyAugmentation> },
    Evaluation(EvaluationView),
}

impl ClassificationDataset {
    /// The images augmented to `size`; where the augmentation has phases, an epoch has the size and the strength of its phase.
    ///
    /// # Errors
    /// [`Error::Setting`] where a setting, a phase or the size is out of range, or a setting needs colours that the images do not
    /// have.
    pub fn for_training(
        set: Arc<ClassificationSet>,
        size: Size,
        augmentation: ClassifyAugmentation,
        pixels: PixelOptions,
    ) -> Result<ClassificationDataset, Error> {
        augmentation.validate()?;
        pixels.validate()?;
        check_colour(augmentation.needs_colour(), pixels.channels)?;
        check_size("size", size)?;
        let purpose = Purpose::Training { size, augmentation: Box::new(augmentation) };
        Ok(ClassificationDataset { set, purpose, pixels })
    }

    /// The images as timm evaluates them.
    ///
    /// # Errors
    /// [`Error::Setting`] where a setting is out of range.
    pub fn for_evaluation(
        set: Arc<ClassificationSet>,
        view: EvaluationView,
        pixels: PixelOptions,
    ) -> Result<ClassificationDataset, Error> {
        view.validate()?;
        pixels.validate()?;
        Ok(ClassificationDataset { set, purpose: Purpose::Evaluation(view), pixels })
    }

    /// The set behind the samples; sample `i` is its record `i`.
    pub fn set(&self) -> &ClassificationSet {
        &self.set
    }

    /// The size of every sample's image in an epoch.
    pub fn size(&self, epoch: u64) -> Size {
        match &self.purpose {
            Purpose::Training { size, augmentation } => {
                Phase::at(&augmentation.phases, epoch).map_or(*size, Phase::size)
            }
            Purpose::Evaluation(view) => view.size,
        }
    }
}

impl Dataset for ClassificationDataset {
    type Sample = ClassificationSample;

    fn len(&self) -> usize {
        self.set.records.len()
    }

    fn path(&self, index: usize) -> &Path {
        &self.set.records[index].file
    }

    fn load(&self, index: usize, epoch: u64, rng: &mut SampleRng) -> Result<ClassificationSample, Error> {
        let record = &self.set.records[index];
        let image = match &self.purpose {
            Purpose::Evaluation(view) => view.apply(&Image::read(&record.file, &self.pixels)?)?,
            Purpose::Training { augmentation, .. } => {
                let strength = Phase::at(&augmentation.phases, epoch).map_or(1.0, |phase| phase.strength);
                self.augmented(&record.file, augmentation, self.size(epoch), strength, rng)?
            }
        };
        Ok(ClassificationSample { image, class: record.class, index, path: record.file.clone() })
    }
}

impl ClassificationDataset {
    fn augmented(
        &self,
        file: &Path,
        augmentation: &ClassifyAugmentation,
        size: Size,
        strength: f64,
        rng: &mut SampleRng,
    ) -> Result<Image, Error> {
        let encoded = Encoded::read(file)?;
        let orientation = self.pixels.orientation;
        let plan = augmentation.plan(encoded.header().size(orientation), size, strength, rng);
        let reduction = encoded.reduction(plan.window.scale(size), orientation);
        let image = encoded.decode(&self.pixels, reduction)?;
        plan.render(&image, reduction.factor(), rng)
    }
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
