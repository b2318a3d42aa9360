//! Augmentation of training images for segmentation, after CVNets' recipe: random short side, crop, rotation, mirroring,
//! photometric distortion.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::framing::Framing;
use crate::Error;
use crate::image::{Image, Size, Window};
use crate::mask::Mask;
use crate::random::SampleRng;
use crate::settings::{check, check_colour, check_probability};
use crate::transforms::{Distortion, PhotometricDistort};

/// Crops to try for one with enough of several classes, as in mmseg.
const MAX_CROPS: usize = 10;

/// The longest side of a scaled image.
const MAX_SIDE: usize = 16_384;

/// The scaled image's size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RandomScale {
    /// Least and greatest shorter side, in pixels.
    #[schemars(inner(range(min = 1, max = 16_384)))]
    pub short_side: [usize; 2],
    /// The limit of the longer side, in pixels.
    #[schemars(range(min = 1, max = 16_384))]
    pub max_long_side: usize,
}

impl Default for RandomScale {
    fn default() -> RandomScale {
        RandomScale { short_side: [256, 768], max_long_side: 1024 }
    }
}

/// A random rotation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rotation {
    /// Probability of rotating.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub p: f64,
    /// Greatest angle either way, in degrees.
    #[schemars(range(min = 0.0, max = 180.0))]
    pub degrees: f64,
}

impl Default for Rotation {
    fn default() -> Rotation {
        Rotation { p: 0.5, degrees: 10.0 }
    }
}

/// The steps of a training sample's augmentation; `None` or probability 0 leaves one out. Image and mask get the same geometry:
/// the image is averaged where it shrinks, the mask takes the nearest pixel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SegmentAugmentation {
    /// A change of scale, before the crop; without it the image keeps its stored size.
    pub scale: Option<RandomScale>,
    /// A crop is drawn again, at most ten times, while one class has this share of its pixels or more (mmseg's
    /// `cat_max_ratio`); 1 takes the first.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_class_share: f64,
    /// A rotation around the centre of what the crop shows.
    pub rotation: Option<Rotation>,
    /// Probability of mirroring left and right.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub horizontal_flip: f64,
    /// Brightness, contrast, saturation, hue, channel order.
    pub photometric: Option<PhotometricDistort>,
    /// Colour where the crop reaches beyond the image, red, green, blue; the mask has the ignore index there. Images of other
    /// channels have the mean of the three in every channel. A crop larger than the image is filled at the right and the bottom.
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

/// What one sample's augmentation will do to the image, and the finished mask.
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

    /// The first setting that changes colours, and so cannot be used with images of other channels than red, green and blue.
    pub fn needs_colour(&self) -> Option<&'static str> {
        self.photometric.as_ref().and_then(PhotometricDistort::needs_colour)
    }

    /// Checks every setting's range.
    ///
    /// # Errors
    /// [`Error::Setting`] with the key and what was expected.
    pub fn validate(&self) -> Result<(), Error> {
        check_probability("horizontal_flip", self.horizontal_flip)?;
        let share = self.max_class_share;
        check((0.0..=1.0).contains(&share), "max_class_share", share, "a share from 0 to 1")?;
        if let Some(RandomScale { short_side: [least, most], max_long_side }) = self.scale {
            let is_valid = 1 <= least && least <= most && most <= MAX_SIDE;
            let expected = "two sides from 1 to 16384 pixels, the smaller first";
            check(is_valid, "scale.short_side", format!("[{least}, {most}]"), expected)?;
            check((1..=MAX_SIDE).contains(&max_long_side), "scale.max_long_side", max_long_side, "1 to 16384 pixels")?;
        }
        if let Some(Rotation { p, degrees }) = self.rotation {
            check_probability("rotation.p", p)?;
            let expected = "an angle from 0 to 180 degrees";
            check((0.0..=180.0).contains(&degrees), "rotation.degrees", degrees, expected)?;
        }
        self.photometric.iter().try_for_each(PhotometricDistort::validate)
    }

    /// Augments an image with its mask, which must be of one size, to `size`; everything random comes from `rng`.
    ///
    /// # Errors
    /// [`Error::Pixels`] where the sizes differ, a buffer does not fit, or a size has no pixels; [`Error::Setting`] where a setting
    /// needs colours that the image does not have.
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
            let reason = format!("its mask is {}, and {size} pixels were requested", mask.size());
            return Err(Error::Pixels { operation: "augment", size: source, reason });
        }
        check_colour(self.needs_colour(), image.channels())?;
        let plan = self.plan((mask, image.channels()), size, ignore, rng);
        Ok((plan.render(image, 1)?, plan.mask))
    }

    /// For an image with the mask and the number of channels `stored`.
    pub(super) fn plan(&self, (stored, channels): (&Mask, usize), size: Size, ignore: u8, rng: &mut SampleRng) -> Plan {
        let source = stored.size();
        let scaled = self.scale.as_ref().map_or(source, |scale| scale.sample(source, rng));
        let degrees = self.rotation.as_ref().map_or(0.0, |rotation| match rng.chance(rotation.p) {
            true => rng.uniform(-rotation.degrees..=rotation.degrees),
            false => 0.0,
        });
        let mirrored = rng.chance(self.horizontal_flip);
        let distortion =
            self.photometric.as_ref().map(|photometric| photometric.sample(channels, rng)).unwrap_or_default();
        let mut crop = || {
            let left = rng.below(scaled.width.saturating_sub(size.width) + 1);
            let top = rng.below(scaled.height.saturating_sub(size.height) + 1);
            let framing = Framing { source, scaled, left, top, size, degrees, mirrored };
            (framing, framing.mask(stored, ignore))
        };
        let (mut framing, mut mask) = crop();
        // Otherwise every crop is the same.
        let has_choice = scaled.width > size.width || scaled.height > size.height;
        for _ in 1..MAX_CROPS {
            if !has_choice || self.max_class_share >= 1.0 || is_varied(&mask, ignore, self.max_class_share) {
                break;
            }
            (framing, mask) = crop();
        }
        Plan { framing, mask, distortion, fill: self.fill }
    }
}

/// Whether there are at least two classes, and each has less than `share` of the pixels that are not ignored.
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
    /// Stored pixels per pixel of the sample, on the axis with fewer.
    pub(super) fn scale(&self) -> f64 {
        Window::whole(self.framing.source).scale(self.framing.scaled)
    }

    /// Draws the planned image from one that was decoded at `1 / reduction` of its size.
    pub(super) fn render(&self, image: &Image, reduction: usize) -> Result<Image, Error> {
        let mut out = self.framing.image(image, reduction, self.fill)?;
        self.distortion.apply(&mut out, self.framing.visible());
        Ok(out)
    }
}
