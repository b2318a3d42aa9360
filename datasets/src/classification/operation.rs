//! The operations of policies, each with its drawn argument.

use super::{affine, enhance};
use crate::image::{Affine, Image, Interpolation};

/// A change of an image, with the meaning of timm's functions of the same name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operation {
    AutoContrast,
    Equalize,
    Invert,
    /// Keeps this many bits of a level; 0 counts as 1, as Pillow has no 0.
    Posterize(u8),
    /// Inverts this level and those above.
    Solarize(f64),
    /// Adds to levels below 128.
    SolarizeAdd(u8),
    /// Factor of saturation.
    Color(f64),
    Contrast(f64),
    Brightness(f64),
    Sharpness(f64),
    /// Turn of hue.
    Hue(f64),
    /// Shears, shifts and rotations.
    Affine(Affine),
}

impl Operation {
    pub(super) fn apply(&self, image: &mut Image, interpolation: Interpolation, fill: [u8; 3]) {
        match *self {
            Operation::AutoContrast => enhance::auto_contrast(image),
            Operation::Equalize => enhance::equalize(image),
            Operation::Invert => enhance::map(image, |level| 255 - level),
            Operation::Posterize(bits) => {
                let mask = 0xFFu8 << (8 - bits.clamp(1, 8));
                enhance::map(image, |level| level & mask);
            }
            Operation::Solarize(threshold) => {
                enhance::map(image, |level| if f64::from(level) < threshold { level } else { 255 - level });
            }
            Operation::SolarizeAdd(add) => {
                enhance::map(image, |level| if level < 128 { level.saturating_add(add) } else { level });
            }
            Operation::Color(factor) => enhance::color(image, factor),
            Operation::Contrast(factor) => enhance::contrast(image, factor),
            Operation::Brightness(factor) => enhance::brightness(image, factor),
            Operation::Sharpness(factor) => enhance::sharpness(image, factor),
            Operation::Hue(turn) => enhance::hue(image, turn),
            Operation::Affine(map) => *image = affine::transform(image, &map, interpolation, fill),
        }
    }
}
