//! Images with a class for every pixel: the set, its readers, its augmentation, and the samples.

pub mod ade20k;
mod augmentation;
mod framing;
mod labels;
pub mod pairs;
pub mod voc;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::annotations::Class;
use crate::findings::Findings;
use crate::image::{Encoded, Image, Interpolation, Orientation, Reduction, Size};
use crate::loader::Dataset;
use crate::mask::Mask;
use crate::random::SampleRng;
use crate::settings::check_size;

pub use augmentation::{RandomScale, Rotation, SegmentAugmentation};
pub use labels::{LabelMap, Unmapped};

/// An image and its mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentationRecord {
    /// The name that both files share.
    pub id: String,
    /// The image file.
    pub image: PathBuf,
    /// The mask file.
    pub mask: PathBuf,
}

/// A set of images with masks.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentationSet {
    /// The classes; a pixel's class is an index into this list.
    pub classes: Vec<Class>,
    /// The images.
    pub records: Vec<SegmentationRecord>,
    /// The index of ignored pixels.
    pub ignore: u8,
    /// From the ids in mask files to classes.
    pub labels: LabelMap,
    /// What the reader found and handled.
    pub findings: Findings,
}

impl SegmentationSet {
    /// The mask of a record, its ids mapped to classes.
    ///
    /// # Errors
    /// As for [`Mask::read`], and [`Error::MaskId`] with the first pixel whose id is not a class.
    pub fn mask(&self, index: usize) -> Result<Mask, Error> {
        let file = &self.records[index].mask;
        Mask::mapped(Encoded::read(file)?.numbers()?, file, |id| self.labels.class(id))
    }
}

/// An image with its mask.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentationSample {
    /// The image, at the size of training or of [`EvaluationSize`].
    pub image: Image,
    /// Classes and the set's ignore index: at the image's size in training, at the stored image's in evaluation, where
    /// predictions are scaled to it.
    pub mask: Mask,
    /// Size of the stored image.
    pub original: Size,
    /// Its index in [`SegmentationSet::records`].
    pub index: usize,
    /// Its name.
    pub id: String,
    /// The image file.
    pub path: PathBuf,
}

/// The size at which the network gets an image in evaluation.
///
/// Written as `full`, `{ short_side: 512 }` or `{ height: 512, width: 1024 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written", into = "Written")]
pub enum EvaluationSize {
    /// As stored.
    #[default]
    Full,
    /// The shorter side has this many pixels, the proportions stay (torchvision's `Resize(int)`).
    ShortSide(usize),
    /// Exactly this size, whatever the proportions.
    Exact {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a size is `full`, { short_side: PIXELS } or { height: PIXELS, width: PIXELS }"
)]
enum Written {
    /// As stored.
    Word(Word),
    /// The shorter side of this many pixels, the proportions kept.
    ShortSide {
        /// Pixels of the shorter side.
        #[schemars(range(min = 1, max = u16::MAX))]
        short_side: usize,
    },
    /// This size, the proportions not kept.
    Exact {
        /// Rows.
        #[schemars(range(min = 1, max = u16::MAX))]
        height: usize,
        /// Columns.
        #[schemars(range(min = 1, max = u16::MAX))]
        width: usize,
    },
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Word {
    Full,
}

impl From<Written> for EvaluationSize {
    fn from(written: Written) -> EvaluationSize {
        match written {
            Written::Word(Word::Full) => EvaluationSize::Full,
            Written::ShortSide { short_side } => EvaluationSize::ShortSide(short_side),
            Written::Exact { height, width } => EvaluationSize::Exact { height, width },
        }
    }
}

impl From<EvaluationSize> for Written {
    fn from(size: EvaluationSize) -> Written {
        match size {
            EvaluationSize::Full => Written::Word(Word::Full),
            EvaluationSize::ShortSide(short_side) => Written::ShortSide { short_side },
            EvaluationSize::Exact { height, width } => Written::Exact { height, width },
        }
    }
}

impl EvaluationSize {
    /// The image as the network gets it, averaged where it shrinks.
    ///
    /// # Errors
    /// [`Error::Pixels`] where the image's buffer does not fit its size.
    pub fn apply(self, image: Image) -> Result<Image, Error> {
        let size = self.of(image.size());
        if size == image.size() { Ok(image) } else { image.resize_antialiased(size, Interpolation::Bilinear) }
    }

    fn of(self, stored: Size) -> Size {
        match self {
            EvaluationSize::Full => stored,
            EvaluationSize::Exact { height, width } => Size { height, width },
            EvaluationSize::ShortSide(side) => {
                let short = stored.height.min(stored.width).max(1);
                let scaled = |length: usize| if length == short { side } else { (length * side / short).max(1) };
                Size { height: scaled(stored.height), width: scaled(stored.width) }
            }
        }
    }

    fn validate(self) -> Result<(), Error> {
        match self {
            EvaluationSize::Full => Ok(()),
            EvaluationSize::ShortSide(side) => check_size("size.short_side", Size { height: side, width: side }),
            EvaluationSize::Exact { height, width } => check_size("size.exact", Size { height, width }),
        }
    }
}

/// The images of a [`SegmentationSet`].
#[derive(Debug)]
pub struct SegmentationDataset {
    set: Arc<SegmentationSet>,
    purpose: Purpose,
}

#[derive(Debug)]
enum Purpose {
    Training { size: Size, augmentation: SegmentAugmentation },
    Evaluation(EvaluationSize),
}

impl SegmentationDataset {
    /// The images augmented to `size`.
    ///
    /// # Errors
    /// [`Error::Setting`] where a setting of the augmentation or the size is out of range.
    pub fn for_training(
        set: Arc<SegmentationSet>,
        size: Size,
        augmentation: SegmentAugmentation,
    ) -> Result<SegmentationDataset, Error> {
        augmentation.validate()?;
        check_size("size", size)?;
        Ok(SegmentationDataset { set, purpose: Purpose::Training { size, augmentation } })
    }

    /// The images at `size`, averaged where they shrink, and their masks as stored.
    ///
    /// # Errors
    /// [`Error::Setting`] where the size is out of range.
    pub fn for_evaluation(set: Arc<SegmentationSet>, size: EvaluationSize) -> Result<SegmentationDataset, Error> {
        size.validate()?;
        Ok(SegmentationDataset { set, purpose: Purpose::Evaluation(size) })
    }

    /// The set behind the samples; sample `i` is its record `i`.
    pub fn set(&self) -> &SegmentationSet {
        &self.set
    }
}

impl Dataset for SegmentationDataset {
    type Sample = SegmentationSample;

    fn len(&self) -> usize {
        self.set.records.len()
    }

    fn path(&self, index: usize) -> &Path {
        &self.set.records[index].image
    }

    fn load(&self, index: usize, _epoch: u64, rng: &mut SampleRng) -> Result<SegmentationSample, Error> {
        let record = &self.set.records[index];
        let stored = self.set.mask(index)?;
        let original = stored.size();
        let encoded = Encoded::read(&record.image)?;
        if encoded.size() != original {
            let (mask, image) = (record.mask.clone(), record.image.clone());
            return Err(Error::MaskSize { mask, found: original, image, expected: encoded.size() });
        }
        let decode = |reduction| encoded.decode(Orientation::AsStored, reduction);
        let (image, mask) = match &self.purpose {
            Purpose::Training { size, augmentation } => {
                let plan = augmentation.plan(&stored, *size, self.set.ignore, rng);
                let reduction = encoded.reduction(plan.scale());
                (plan.render(&decode(reduction)?, reduction.factor())?, plan.mask)
            }
            Purpose::Evaluation(size) => (size.apply(decode(Reduction::None)?)?, stored),
        };
        Ok(SegmentationSample { image, mask, original, index, id: record.id.clone(), path: record.image.clone() })
    }
}

#[cfg(test)]
mod tests;
