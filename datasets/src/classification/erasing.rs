//! Random erasing (<https://arxiv.org/abs/1708.04896>) as timm's `RandomErasing`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::image::{Image, PixelWindow, Size};
use crate::random::SampleRng;
use crate::settings::{check_probability, check_range};

/// Rectangles to try before nothing is erased.
const MAX_TRIALS: usize = 10;
/// Mean and deviation of ImageNet's channels, in grey levels.
const MEAN: [f64; 3] = [123.675, 116.28, 103.53];
const DEVIATION: [f64; 3] = [58.395, 57.12, 57.375];
/// The means of the three, for channels of unknown meaning.
const GREY_MEAN: f64 = (MEAN[0] + MEAN[1] + MEAN[2]) / 3.0;
const GREY_DEVIATION: f64 = (DEVIATION[0] + DEVIATION[1] + DEVIATION[2]) / 3.0;

/// What the erased rectangle shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EraseMode {
    /// The augmentation's fill colour.
    Const,
    /// Noise with ImageNet's mean and deviation, pixel by pixel; timm's normal noise on normalised images, cut to bytes. Images of
    /// other channels than red, green and blue have the mean of the three means, and of the deviations, in every channel.
    #[default]
    Pixel,
}

/// Settings of random erasing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RandomErasing {
    /// Probability of erasing.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub p: f64,
    /// Least and greatest area, as a share of the image's.
    #[schemars(inner(range(min = 0.0, max = 1.0)))]
    pub area: [f64; 2],
    /// Least and greatest height divided by width.
    #[schemars(inner(range(min = 0.01, max = 100.0)))]
    pub ratio: [f64; 2],
    /// What the rectangle shows.
    pub mode: EraseMode,
}

impl Default for RandomErasing {
    fn default() -> RandomErasing {
        RandomErasing { p: 0.25, area: [0.02, 1.0 / 3.0], ratio: [0.3, 1.0 / 0.3], mode: EraseMode::Pixel }
    }
}

impl RandomErasing {
    pub(super) fn validate(&self) -> Result<(), Error> {
        check_probability("erasing.p", self.p)?;
        check_range("erasing.area", self.area, [0.0, 1.0], "two areas from 0 to 1, the smaller first")?;
        check_range("erasing.ratio", self.ratio, [0.01, 100.0], "two ratios from 0.01 to 100, the smaller first")
    }

    /// The rectangle to erase, if any; `None` also where ten do not fit.
    pub(super) fn sample(&self, size: Size, rng: &mut SampleRng) -> Option<PixelWindow> {
        if !rng.chance(self.p) {
            return None;
        }
        let [low, high] = self.ratio;
        (0..MAX_TRIALS).find_map(|_| {
            let area = rng.uniform(self.area[0]..=self.area[1]) * size.pixels() as f64;
            let ratio = rng.uniform(low.ln()..=high.ln()).exp();
            let height = (area * ratio).sqrt().round_ties_even() as usize;
            let width = (area / ratio).sqrt().round_ties_even() as usize;
            (width < size.width && height < size.height).then(|| {
                let top = rng.below(size.height - height + 1);
                let left = rng.below(size.width - width + 1);
                PixelWindow { left, top, width, height }
            })
        })
    }
}

impl EraseMode {
    pub(super) fn erase(self, image: &mut Image, window: PixelWindow, fill: [u8; 3], rng: &mut SampleRng) {
        let fill = image.fill_of(fill);
        let [mean, deviation] = match image.is_rgb() {
            true => [MEAN, DEVIATION],
            false => [[GREY_MEAN; 3], [GREY_DEVIATION; 3]],
        };
        // Where there are not three channels, the three numbers are equal.
        let channels = (0..3).cycle();
        for row in image.rows_mut(window) {
            for (level, channel) in row.iter_mut().zip(channels.clone()) {
                *level = match self {
                    EraseMode::Const => fill[channel],
                    EraseMode::Pixel => {
                        (mean[channel] + deviation[channel] * rng.normal()).round().clamp(0.0, 255.0) as u8
                    }
                };
            }
        }
    }
}
