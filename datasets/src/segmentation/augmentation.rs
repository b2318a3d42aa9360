//! A training image's augmentation for segmentation, after CVNets' recipe: random short side, crop, turn, mirroring,
//! photometric distortion.

use serde::{Deserialize, Serialize};

use super::framing::Framing;
use crate::Error;
use crate::image::{Image, Size};
use crate::mask::Mask;
use crate::random::SampleRng;
use crate::transforms::{Distortion, PhotometricDistort, check_probability};

/// How often a crop is tried for one that no class fills; mmseg's number.
const TRIALS: usize = 10;

/// The scaled image's size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomScale {
    /// Least and greatest shorter side, in pixels.
    pub short_side: [usize; 2],
    /// The longer side's limit, in pixels, to which a long image is scaled down.
    pub max_long_side: usize,
}

impl Default for RandomScale {
    fn default() -> RandomScale {
        RandomScale { short_side: [256, 768], max_long_side: 1024 }
    }
}

/// A turn of the image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rotation {
    /// Probability of turning.
    pub p: f64,
    /// Greatest angle either way, in degrees.
    pub degrees: f64,
}

impl Default for Rotation {
    fn default() -> Rotation {
        Rotation { p: 0.5, degrees: 10.0 }
    }
}

/// The steps of a training sample's augmentation; `None` or probability 0 leaves one out. Image and mask go the same way:
/// the image averaged where it shrinks, the mask by the nearest pixel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SegmentAugmentation {
    /// A change of scale, before the crop; without it the image keeps its stored size.
    pub scale: Option<RandomScale>,
    /// A crop is drawn again, ten times at most, while one class has this share of its pixels or more (mmseg's
    /// `cat_max_ratio`); 1 takes the first.
    pub max_class_share: f64,
    /// A turn around the middle of what the crop shows.
    pub rotation: Option<Rotation>,
    /// Probability of mirroring left and right.
    pub horizontal_flip: f64,
    /// Brightness, contrast, saturation, hue, channel order.
    pub photometric: Option<PhotometricDistort>,
    /// Colour where the crop reaches beyond the image, red, green, blue; the mask has the ignore index there. A crop larger
    /// than the image has it at the right and the bottom.
    pub fill: [u8; 3],
}

impl Default for SegmentAugmentation {
    fn default() -> SegmentAugmentation {
        SegmentAugmentation {
            scale: Some(RandomScale::default()),
            max_class_share: 0.75,
            rotation: Some(Rotation::default()),
            horizontal_flip: 0.5,
            photometric: Some(PhotometricDistort::default()),
            fill: [124, 116, 104],
        }
    }
}

/// What one sample's augmentation will do to the image, and the mask that it made.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) framing: Framing,
    pub(super) mask: Mask,
    distortion: Distortion,
    fill: [u8; 3],
}

impl SegmentAugmentation {
    /// Mirroring and a crop of the image as stored.
    pub fn flip_only() -> SegmentAugmentation {
        SegmentAugmentation { scale: None, rotation: None, photometric: None, ..SegmentAugmentation::default() }
    }

    /// Checks every setting's range.
    ///
    /// # Errors
    /// [`Error::Setting`] with the key and what was expected.
    pub fn validate(&self) -> Result<(), Error> {
        let wrong = |key, value: String, expected| Err(Error::Setting { key, value, expected });
        check_probability("horizontal_flip", self.horizontal_flip)?;
        if !(0.0..=1.0).contains(&self.max_class_share) {
            return wrong("max_class_share", self.max_class_share.to_string(), "a share from 0 to 1");
        }
        if let Some(scale) = &self.scale {
            let [least, most] = scale.short_side;
            if least == 0 || least > most || most > 16_384 {
                let expected = "two sides from 1 to 16384 pixels, the lesser first";
                return wrong("scale.short_side", format!("[{least}, {most}]"), expected);
            }
            if !(1..=16_384).contains(&scale.max_long_side) {
                return wrong("scale.max_long_side", scale.max_long_side.to_string(), "1 to 16384 pixels");
            }
        }
        if let Some(rotation) = &self.rotation {
            check_probability("rotation.p", rotation.p)?;
            if !(0.0..=180.0).contains(&rotation.degrees) {
                return wrong("rotation.degrees", rotation.degrees.to_string(), "an angle from 0 to 180 degrees");
            }
        }
        self.photometric.iter().try_for_each(PhotometricDistort::validate)
    }

    /// Augments an image with its mask, which must be of one size, to `size`; everything random comes from `rng`.
    ///
    /// # Errors
    /// [`Error::Pixels`] where the sizes differ, a buffer does not fit, or a size has no pixels.
    pub fn apply(
        &self,
        image: &Image,
        mask: &Mask,
        size: Size,
        ignore: u8,
        rng: &mut SampleRng,
    ) -> Result<(Image, Mask), Error> {
        let source = image.size();
        if mask.size() != source || mask.data.len() != source.pixels() || source.pixels() == 0 || size.pixels() == 0 {
            let reason = format!("its mask is {}, and {size} pixels are asked for", mask.size());
            return Err(Error::Pixels { operation: "augment", size: source, reason });
        }
        let plan = self.plan(mask, size, ignore, rng);
        Ok((plan.render(image, 1)?, plan.mask))
    }

    pub(super) fn plan(&self, stored: &Mask, size: Size, ignore: u8, rng: &mut SampleRng) -> Plan {
        let source = stored.size();
        let scaled = self.scale.as_ref().map_or(source, |scale| scale.sample(source, rng));
        let turn = self.rotation.as_ref().map_or(0.0, |rotation| match rng.chance(rotation.p) {
            true => rng.uniform(-rotation.degrees..=rotation.degrees),
            false => 0.0,
        });
        let mirrored = rng.chance(self.horizontal_flip);
        let distortion = self.photometric.as_ref().map(|photometric| photometric.sample(rng)).unwrap_or_default();
        let mut crop = || {
            let left = rng.below(scaled.width.saturating_sub(size.width) + 1);
            let top = rng.below(scaled.height.saturating_sub(size.height) + 1);
            let framing = Framing { source, scaled, left, top, size, turn, mirrored };
            (framing, framing.mask(stored, ignore))
        };
        let (mut framing, mut mask) = crop();
        // A crop that shows the whole image is the only one.
        let choice = scaled.width > size.width || scaled.height > size.height;
        for _ in 1..TRIALS {
            if !choice || self.max_class_share >= 1.0 || is_varied(&mask, ignore, self.max_class_share) {
                break;
            }
            (framing, mask) = crop();
        }
        Plan { framing, mask, distortion, fill: self.fill }
    }
}

/// Whether there are two classes at least, and each has less than `share` of the pixels that count.
fn is_varied(mask: &Mask, ignore: u8, share: f64) -> bool {
    let mut counts = [0usize; 256];
    mask.data.iter().for_each(|&class| counts[usize::from(class)] += 1);
    counts[usize::from(ignore)] = 0;
    let (most, total) = (counts.iter().max().copied().unwrap_or_default(), counts.iter().sum::<usize>());
    most < total && (most as f64) < share * total as f64
}

impl RandomScale {
    fn sample(&self, source: Size, rng: &mut SampleRng) -> Size {
        let [least, most] = self.short_side;
        let side = least + rng.below(most - least + 1);
        let (short, long) = (source.height.min(source.width).max(1), source.height.max(source.width).max(1));
        let factor = (side as f64 / short as f64).min(self.max_long_side as f64 / long as f64);
        let scaled = |length: usize| ((length as f64 * factor + 1e-9) as usize).max(1);
        Size { height: scaled(source.height), width: scaled(source.width) }
    }
}

impl Plan {
    /// Stored pixels for one of the sample.
    pub(super) fn scale(&self) -> f64 {
        self.framing.scale()
    }

    /// Draws the planned image from one that was decoded at a `reduction`-th of its size.
    pub(super) fn render(&self, image: &Image, reduction: usize) -> Result<Image, Error> {
        let mut out = self.framing.image(image, reduction, self.fill)?;
        self.distortion.apply(&mut out, self.framing.visible());
        Ok(out)
    }
}
