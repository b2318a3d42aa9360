//! `RandomZoomOut` of torchvision: the image at a random place on a larger canvas, so that objects become smaller.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::image::Window;
use crate::random::SampleRng;
use crate::settings::{check_probability, check_range};

/// Settings of the zoom-out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ZoomOut {
    /// Probability of zooming out.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub p: f64,
    /// Least and greatest side of the canvas, as a multiple of the image's.
    #[schemars(inner(range(min = 1.0, max = 100.0)))]
    pub sides: [f64; 2],
}

impl Default for ZoomOut {
    fn default() -> ZoomOut {
        ZoomOut { p: 0.5, sides: [1.0, 4.0] }
    }
}

impl ZoomOut {
    pub(super) fn validate(&self) -> Result<(), Error> {
        check_probability("zoom_out.p", self.p)?;
        check_range("zoom_out.sides", self.sides, [1.0, 100.0], "two factors from 1 to 100, the smaller first")
    }

    pub(super) fn sample(&self, image: Window, rng: &mut SampleRng) -> Window {
        if !rng.chance(self.p) {
            return image;
        }
        let factor = rng.uniform(self.sides[0]..=self.sides[1]);
        let (width, height) = ((image.width * factor).floor(), (image.height * factor).floor());
        let left = ((width - image.width) * rng.unit()).floor();
        let top = ((height - image.height) * rng.unit()).floor();
        Window { left: image.left - left, top: image.top - top, width, height }
    }
}
