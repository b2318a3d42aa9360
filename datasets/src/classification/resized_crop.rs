//! `RandomResizedCrop` of torchvision and timm: a part of the image of random area and proportions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::image::{Interpolation, Size, Window};
use crate::random::SampleRng;
use crate::settings::check_range;

/// Crops to try before the central one.
const MAX_TRIALS: usize = 10;

/// Settings of the crop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResizedCrop {
    /// Least and greatest area, as a share of the image's.
    #[schemars(inner(range(min = 1e-4, max = 1.0)))]
    pub scale: [f64; 2],
    /// Least and greatest width divided by height.
    #[schemars(inner(range(min = 0.01, max = 100.0)))]
    pub ratio: [f64; 2],
    /// How the crop is resized, and how the policies' shears, shifts and rotations interpolate.
    pub interpolation: Interpolation,
}

impl Default for ResizedCrop {
    fn default() -> ResizedCrop {
        ResizedCrop { scale: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0], interpolation: Interpolation::Bilinear }
    }
}

impl ResizedCrop {
    pub(super) fn validate(&self) -> Result<(), Error> {
        check_range("resized_crop.scale", self.scale, [1e-4, 1.0], "two areas from 0.0001 to 1, the smaller first")?;
        check_range("resized_crop.ratio", self.ratio, [0.01, 100.0], "two ratios from 0.01 to 100, the smaller first")
    }

    /// A crop of whole pixels inside the image; after ten that do not fit, the largest central one within the ratios.
    pub(super) fn sample(&self, source: Size, rng: &mut SampleRng) -> Window {
        let (width, height) = (source.width as f64, source.height as f64);
        let [low, high] = self.ratio;
        for _ in 0..MAX_TRIALS {
            let area = rng.uniform(self.scale[0]..=self.scale[1]) * width * height;
            let ratio = rng.uniform(low.ln()..=high.ln()).exp();
            let crop_width = (area * ratio).sqrt().round_ties_even().max(1.0);
            let crop_height = (area / ratio).sqrt().round_ties_even().max(1.0);
            if crop_width <= width && crop_height <= height {
                let top = rng.below((height - crop_height) as usize + 1) as f64;
                let left = rng.below((width - crop_width) as usize + 1) as f64;
                return Window { left, top, width: crop_width, height: crop_height };
            }
        }
        let proportion = width / height;
        let (crop_width, crop_height) = if proportion < low {
            (width, (width / low).round_ties_even().max(1.0))
        } else if proportion > high {
            ((height * high).round_ties_even().max(1.0), height)
        } else {
            (width, height)
        };
        let centred = |side: f64, crop: f64| ((side - crop) / 2.0).floor();
        Window {
            left: centred(width, crop_width),
            top: centred(height, crop_height),
            width: crop_width,
            height: crop_height,
        }
    }
}
