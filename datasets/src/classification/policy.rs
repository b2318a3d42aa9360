//! AutoAugment's ImageNet policy (<https://arxiv.org/abs/1805.09501>) as torchvision has it, and RandAugment
//! (<https://arxiv.org/abs/1909.13719>) as timm has it.
//!
//! `strength` multiplies the drawn level of every operation that has one; operations without a level (auto-contrast,
//! equalise, invert) and the probabilities do not change. At strength 1 both policies equal the originals.

mod table;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::Operation;
use crate::Error;
use crate::image::{Affine, Size, rotation};
use crate::random::SampleRng;
use crate::settings::{check, check_probability};
pub(super) use table::{Kind, POLICIES};

/// One of 25 pairs of operations, each operation with its own probability and level: torchvision's
/// `AutoAugment(AutoAugmentPolicy.IMAGENET)`. It has no settings: `auto_augment: {}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AutoAugment {}

impl AutoAugment {
    pub(super) fn sample(&self, size: Size, strength: f64, rng: &mut SampleRng) -> Vec<Operation> {
        let steps = POLICIES[rng.below(POLICIES.len())];
        let mut operations = Vec::with_capacity(steps.len());
        for (kind, probability, level) in steps {
            let sign = if rng.chance(0.5) { 1.0 } else { -1.0 };
            if rng.chance(probability) {
                operations.push(kind.by_torchvision(f64::from(level) * strength, sign, size));
            }
        }
        operations
    }
}

/// `count` operations, each chosen from fifteen and applied with probability `p`: timm's `rand-m9-n2-mstd0.5-inc1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RandAugment {
    /// Operations per image; timm's `n`.
    #[schemars(range(min = 1, max = 16))]
    pub count: usize,
    /// Their level, 0 to 10; timm's `m`.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub magnitude: f64,
    /// Deviation of the level, which is clipped to 0 to 10; timm's `mstd`.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub std: f64,
    /// Probability of each operation; timm's `p`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub p: f64,
    /// Whether a higher level changes an image more, for every operation; timm's `inc1`. Without it, as in timm's plain
    /// `rand-m9-n2-mstd0.5`, colour, contrast, brightness and sharpness change nothing at level 5, and posterise and
    /// solarise become weaker with the level, so that a lower `strength` can change an image more.
    pub increasing: bool,
}

impl Default for RandAugment {
    fn default() -> RandAugment {
        RandAugment { count: 2, magnitude: 9.0, std: 0.5, p: 0.5, increasing: true }
    }
}

impl RandAugment {
    pub(super) fn validate(&self) -> Result<(), Error> {
        let RandAugment { count, magnitude, std, p, .. } = *self;
        check_probability("rand_augment.p", p)?;
        check((1..=16).contains(&count), "rand_augment.count", count, "1 to 16 operations")?;
        check((0.0..=10.0).contains(&magnitude), "rand_augment.magnitude", magnitude, "a level from 0 to 10")?;
        check((0.0..=100.0).contains(&std), "rand_augment.std", std, "a deviation from 0 to 100")
    }

    pub(super) fn sample(&self, size: Size, strength: f64, rng: &mut SampleRng) -> Vec<Operation> {
        let mut operations = Vec::with_capacity(self.count);
        for _ in 0..self.count {
            let kind = Kind::ALL[rng.below(Kind::ALL.len())];
            let level = (self.magnitude + self.std * rng.normal()).clamp(0.0, 10.0) * strength;
            let sign = if rng.chance(0.5) { -1.0 } else { 1.0 };
            if rng.chance(self.p) {
                operations.push(kind.by_timm(level, sign, self.increasing, size));
            }
        }
        operations
    }
}

impl Kind {
    /// torchvision's magnitude at a level from 0 to 9, between its bins where the level has a fraction.
    pub(super) fn by_torchvision(self, level: f64, sign: f64, size: Size) -> Operation {
        let part = level / 9.0;
        let shift = |side: usize| -sign * (150.0 / 331.0 * side as f64 * part).trunc();
        self.with(&Arguments {
            factor: 1.0 + sign * 0.9 * part,
            slope: sign * 0.3 * part,
            rotation: rotation(sign * 30.0 * part, size),
            shift: [shift(size.width), shift(size.height)],
            bits: 8 - (level / (9.0 / 4.0)).round_ties_even() as u8,
            threshold: 255.0 - 255.0 * part,
            add: (110.0 * part) as u8,
        })
    }

    /// timm's argument at a level from 0 to 10.
    pub(super) fn by_timm(self, level: f64, sign: f64, increasing: bool, size: Size) -> Operation {
        let part = level / 10.0;
        let shift = |side: usize| sign * 0.45 * part * side as f64;
        let bits = (part * 4.0) as u8;
        let threshold = (part * 256.0).trunc().min(256.0);
        self.with(&Arguments {
            factor: if increasing { (1.0 + sign * 0.9 * part).max(0.1) } else { 1.8 * part + 0.1 },
            slope: sign * 0.3 * part,
            rotation: rotation(sign * 30.0 * part, size),
            shift: [shift(size.width), shift(size.height)],
            bits: if increasing { 4 - bits } else { bits },
            threshold: if increasing { 256.0 - threshold } else { threshold },
            add: (part * 110.0) as u8,
        })
    }

    fn with(self, arguments: &Arguments) -> Operation {
        let Arguments { factor, slope, rotation, shift: [right, down], bits, threshold, add } = *arguments;
        match self {
            Kind::AutoContrast => Operation::AutoContrast,
            Kind::Equalize => Operation::Equalize,
            Kind::Invert => Operation::Invert,
            Kind::Rotate => Operation::Affine(rotation),
            Kind::Posterize => Operation::Posterize(bits),
            Kind::Solarize => Operation::Solarize(threshold),
            Kind::SolarizeAdd => Operation::SolarizeAdd(add),
            Kind::Color => Operation::Color(factor),
            Kind::Contrast => Operation::Contrast(factor),
            Kind::Brightness => Operation::Brightness(factor),
            Kind::Sharpness => Operation::Sharpness(factor),
            Kind::ShearX => Operation::Affine([1.0, slope, 0.0, 0.0, 1.0, 0.0]),
            Kind::ShearY => Operation::Affine([1.0, 0.0, 0.0, slope, 1.0, 0.0]),
            Kind::TranslateX => Operation::Affine([1.0, 0.0, right, 0.0, 1.0, 0.0]),
            Kind::TranslateY => Operation::Affine([1.0, 0.0, 0.0, 0.0, 1.0, down]),
        }
    }
}

/// The arguments of the operations at one level.
struct Arguments {
    factor: f64,
    slope: f64,
    rotation: Affine,
    shift: [f64; 2],
    bits: u8,
    threshold: f64,
    add: u8,
}
