//! Images with a class for every pixel: the set, its readers, its augmentation, and the samples.

pub mod ade20k;
mod augmentation;
pub mod coco;
mod colours;
mod framing;
mod labels;
mod mask_source;
pub mod pairs;
pub mod voc;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::annotations::Class;
use crate::findings::Findings;
use crate::image::{Encoded, Image, Interpolation, MaskPixels, Orientation, PixelOptions, Reduction, Size};
use crate::lists::Selection;
use crate::loader::Dataset;
use crate::mask::Mask;
use crate::random::SampleRng;
use crate::settings::{check_colour, check_size};
use crate::{Error, ErrorHandler};

pub use augmentation::{RandomScale, Rotation, SegmentAugmentation};
pub use labels::{LabelMap, Unmapped};
pub use mask_source::{MaskSource, Objects};

/// An image and its mask.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentationRecord {
    /// The name that both files share; the image's where there is no mask file.
    pub id: String,
    /// The image file.
    pub image: PathBuf,
    /// The mask.
    pub mask: MaskSource,
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
    /// The mask of a record, its ids mapped to classes. It is turned where the mask file itself has an EXIF orientation.
    ///
    /// # Errors
    /// As for [`Mask::read`], and [`Error::MaskId`] with the first pixel whose id is not a class.
    pub fn mask(&self, index: usize, orientation: Orientation) -> Result<Mask, Error> {
        match &self.records[index].mask {
            MaskSource::File(file) => self.labels.mask(MaskPixels::read(file, orientation)?, file),
            MaskSource::Objects(objects) => objects.draw(),
        }
    }
}

impl SegmentationSet {
    /// A record's mask as stored, and whether its numbers are those of a palette that is neither VOC's nor grey: another program
    /// may have numbered its colours.
    ///
    /// # Errors
    /// As for [`SegmentationSet::mask`].
    pub(crate) fn mask_and_palette(&self, index: usize) -> Result<(Mask, bool), Error> {
        let MaskSource::File(file) = &self.records[index].mask else {
            return Ok((self.mask(index, Orientation::Stored)?, false));
        };
        let pixels = MaskPixels::read(file, Orientation::Stored)?;
        let is_foreign = match &pixels {
            MaskPixels::Numbers { numbers, palette: Some(palette), .. } => self.labels.is_foreign(numbers, palette),
            _ => false,
        };
        Ok((self.labels.mask(pixels, file)?, is_foreign))
    }

    /// The images that a list names by their paths below the folder `images`.
    ///
    /// # Errors
    /// [`Error::Io`] for the list; what `on_error` returns of [`Error::ImageList`] for a line whose image is not in the set.
    pub fn listed(mut self, images: &Path, list: &Path, on_error: ErrorHandler<'_>) -> Result<SegmentationSet, Error> {
        let mut selection = Selection::read(images, list, &mut self.findings, on_error)?;
        self.records.retain(|record| selection.takes(&record.image));
        selection.finish(on_error)?;
        Ok(self)
    }

    /// The set with this index for ignored pixels.
    #[must_use]
    pub fn ignoring_as(mut self, index: u8) -> SegmentationSet {
        self.labels.ignore_as(index);
        self.ignore = index;
        self
    }
}

/// An image with its mask.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentationSample {
    /// The image, at the size of training or of [`EvaluationSize`].
    pub image: Image,
    /// Classes and the set's ignore index: at the image's size in training, at its own in evaluation, where
    /// predictions are scaled to it.
    pub mask: Mask,
    /// Size of the image as annotated: that of its mask.
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
///
/// A mask belongs to the frame of its size: where that is the size of the stored pixels and not of the upright ones, the image
/// is taken as stored.
#[derive(Debug)]
pub struct SegmentationDataset {
    set: Arc<SegmentationSet>,
    purpose: Purpose,
    pixels: PixelOptions,
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
    /// [`Error::Setting`] where a setting or the size is out of range, or a setting needs colours that the images do not have.
    pub fn for_training(
        set: Arc<SegmentationSet>,
        size: Size,
        augmentation: SegmentAugmentation,
        pixels: PixelOptions,
    ) -> Result<SegmentationDataset, Error> {
        augmentation.validate()?;
        pixels.validate()?;
        check_colour(augmentation.needs_colour(), pixels.channels)?;
        check_size("size", size)?;
        Ok(SegmentationDataset { set, purpose: Purpose::Training { size, augmentation }, pixels })
    }

    /// The images at `size`, averaged where they shrink, and their masks as stored.
    ///
    /// # Errors
    /// [`Error::Setting`] where the size or a setting is out of range.
    pub fn for_evaluation(
        set: Arc<SegmentationSet>,
        size: EvaluationSize,
        pixels: PixelOptions,
    ) -> Result<SegmentationDataset, Error> {
        size.validate()?;
        pixels.validate()?;
        Ok(SegmentationDataset { set, purpose: Purpose::Evaluation(size), pixels })
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
        let stored = self.set.mask(index, self.pixels.orientation)?;
        let original = stored.size();
        let encoded = Encoded::read(&record.image)?;
        let (header, policy) = (encoded.header(), self.pixels.orientation);
        let Some(orientation) = header.recognise(original, policy) else {
            let (mask, image) = (record.mask.path().to_path_buf(), record.image.clone());
            let expected = header.size(policy);
            return Err(Error::MaskSize { mask, found: original, image, expected, exif: header.other_size(policy) });
        };
        let decode = |reduction| encoded.decode(&PixelOptions { orientation, ..self.pixels }, reduction);
        let (image, mask) = match &self.purpose {
            Purpose::Training { size, augmentation } => {
                let plan = augmentation.plan((&stored, self.pixels.channels), *size, self.set.ignore, rng);
                let reduction = encoded.reduction(plan.scale(), orientation);
                (plan.render(&decode(reduction)?, reduction.factor())?, plan.mask)
            }
            Purpose::Evaluation(size) => (size.apply(decode(Reduction::None)?)?, stored),
        };
        Ok(SegmentationSample { image, mask, original, index, id: record.id.clone(), path: record.image.clone() })
    }
}

#[cfg(test)]
mod tests;
