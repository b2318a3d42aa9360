//! Augmentation of training images: random numbers first, then the pixels.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::color_jitter::ColorJitter;
use super::erasing::{EraseMode, RandomErasing};
use super::mixing::Mixing;
use super::operation::Operation;
use super::phase::{Phase, check_phases};
use super::policy::{AutoAugment, RandAugment};
use super::resized_crop::ResizedCrop;
use crate::Error;
use crate::image::{Flip, Image, Interpolation, PixelWindow, Size, Window};
use crate::random::SampleRng;
use crate::settings::{check, check_colour, check_probability};

/// The steps of a training image's augmentation, in the order in which they apply, which is timm's; `None` or probability
/// 0 leaves one out. The default is MobileOne's for S0 and S1: crop and mirroring.
///
/// A `strength` from 0 to 1, given by the phase of training, multiplies the levels of a policy's operations and the greatest
/// changes of colour jitter. Crop, mirroring and erasing do not depend on it. (MobileOne, section 3.4, strengthens AutoAugment
/// during training; its supplement with the details is not public. mmpretrain's recipe multiplies RandAugment's magnitude, as
/// here.)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClassifyAugmentation {
    /// A random part of the image, resized.
    pub resized_crop: ResizedCrop,
    /// Probability of mirroring left and right.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub horizontal_flip: f64,
    /// AutoAugment's ImageNet policy.
    pub auto_augment: Option<AutoAugment>,
    /// RandAugment, in place of AutoAugment.
    pub rand_augment: Option<RandAugment>,
    /// Brightness, contrast, saturation, hue.
    pub color_jitter: Option<ColorJitter>,
    /// A rectangle that is erased.
    pub erasing: Option<RandomErasing>,
    /// Colour beyond the image after a shear, shift or rotation, and of constant erasing: red, green, blue. Images of other
    /// channels have the mean of the three in every channel.
    pub fill: [u8; 3],
    /// Mixing of the images of a batch, which the caller applies after everything else.
    pub mixing: Mixing,
    /// Sizes and strengths by epoch; without any, the images have the dataset's size and full strength.
    pub phases: Vec<Phase>,
}

impl Default for ClassifyAugmentation {
    fn default() -> ClassifyAugmentation {
        ClassifyAugmentation {
            resized_crop: ResizedCrop::default(),
            horizontal_flip: 0.5,
            auto_augment: None,
            rand_augment: None,
            color_jitter: None,
            erasing: None,
            fill: [124, 116, 104],
            mixing: Mixing::default(),
            phases: Vec::new(),
        }
    }
}

/// What one image's augmentation will do, decided before any pixel is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) window: Window,
    pub(super) mirrored: bool,
    pub(super) operations: Vec<Operation>,
    pub(super) erased: Option<(PixelWindow, EraseMode)>,
    size: Size,
    interpolation: Interpolation,
    fill: [u8; 3],
}

impl ClassifyAugmentation {
    /// The first setting that changes colours, and so cannot be used with images of other channels than red, green and blue. Both
    /// policies have such an operation among theirs.
    pub fn needs_colour(&self) -> Option<&'static str> {
        let policy = (self.auto_augment.as_ref().map(|_| "auto_augment"))
            .or_else(|| self.rand_augment.as_ref().map(|_| "rand_augment"));
        policy.or_else(|| self.color_jitter.as_ref().and_then(ColorJitter::needs_colour))
    }

    /// Checks every setting's range.
    ///
    /// # Errors
    /// [`Error::Setting`] with the key and what was expected.
    pub fn validate(&self) -> Result<(), Error> {
        self.resized_crop.validate()?;
        check_probability("horizontal_flip", self.horizontal_flip)?;
        let has_one_policy = self.auto_augment.is_none() || self.rand_augment.is_none();
        check(has_one_policy, "rand_augment", "given", "null beside auto_augment: an image has one policy")?;
        self.rand_augment.iter().try_for_each(RandAugment::validate)?;
        self.color_jitter.iter().try_for_each(ColorJitter::validate)?;
        self.erasing.iter().try_for_each(RandomErasing::validate)?;
        self.mixing.validate()?;
        check_phases(&self.phases)
    }

    /// Augments one image to `size`; everything random comes from `rng`.
    ///
    /// # Errors
    /// [`Error::Pixels`] where the image's buffer does not fit its size, or a size has no pixels; [`Error::Setting`] where a setting
    /// needs colours that the image does not have.
    pub fn apply(&self, image: &Image, size: Size, strength: f64, rng: &mut SampleRng) -> Result<Image, Error> {
        check_colour(self.needs_colour(), image.channels())?;
        self.plan(image.size(), size, strength, rng).render(image, 1, rng)
    }

    pub(super) fn plan(&self, source: Size, size: Size, strength: f64, rng: &mut SampleRng) -> Plan {
        let window = self.resized_crop.sample(source, rng);
        let mirrored = rng.chance(self.horizontal_flip);
        let mut operations = Vec::new();
        if let Some(policy) = &self.auto_augment {
            operations.extend(policy.sample(size, strength, rng));
        }
        if let Some(policy) = &self.rand_augment {
            operations.extend(policy.sample(size, strength, rng));
        }
        if let Some(jitter) = &self.color_jitter {
            operations.extend(jitter.sample(strength, rng));
        }
        let erased = self.erasing.as_ref().and_then(|erasing| Some((erasing.sample(size, rng)?, erasing.mode)));
        let interpolation = self.resized_crop.interpolation;
        Plan { window, mirrored, operations, erased, size, interpolation, fill: self.fill }
    }
}

impl Plan {
    /// Draws the planned image from one that was decoded at `1 / reduction` of its size.
    pub(super) fn render(&self, image: &Image, reduction: usize, rng: &mut SampleRng) -> Result<Image, Error> {
        let share = 1.0 / reduction as f64;
        let window = self.window.scaled(share, share);
        let mut out = image.resample(&window, self.size, self.interpolation)?;
        out.flip(Flip { horizontal: self.mirrored, vertical: false });
        for operation in &self.operations {
            operation.apply(&mut out, self.interpolation, self.fill);
        }
        if let Some((window, mode)) = self.erased {
            mode.erase(&mut out, window, self.fill, rng);
        }
        Ok(out)
    }
}
