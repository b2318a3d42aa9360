//! A random change of scale that keeps the proportions, after torchvision's `ScaleJitter` followed by a crop or padding to
//! the old size (large-scale jitter, <https://arxiv.org/abs/2012.07177>).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Scene;
use crate::Error;
use crate::image::Window;
use crate::random::SampleRng;
use crate::settings::{check_probability, check_range};

/// How many places are tried for a window with the centre of an object.
const TRIALS: usize = 40;

/// Settings of the jitter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScaleJitter {
    /// Probability of changing the scale. Such a sample is neither zoomed out nor cropped: a view that grows after a crop
    /// would show again what the crop removed.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub p: f64,
    /// Least and greatest factor; above 1 objects grow.
    #[schemars(inner(range(min = 0.01, max = 100.0)))]
    pub scale: [f64; 2],
}

impl Default for ScaleJitter {
    fn default() -> ScaleJitter {
        ScaleJitter { p: 0.5, scale: [0.5, 1.5] }
    }
}

impl ScaleJitter {
    pub(super) fn validate(&self) -> Result<(), Error> {
        check_probability("scale_jitter.p", self.p)?;
        check_range("scale_jitter.scale", self.scale, [0.01, 100.0], "two factors from 0.01 to 100, the smaller first")
    }

    /// The new view; `None` leaves it as it is. A view with objects is never replaced by one without.
    pub(super) fn sample(&self, scene: &Scene, rng: &mut SampleRng) -> Option<Window> {
        if !rng.chance(self.p) {
            return None;
        }
        let view = scene.window;
        let scale = rng.uniform(self.scale[0]..=self.scale[1]);
        let (width, height) = ((view.width / scale).round().max(1.0), (view.height / scale).round().max(1.0));
        (0..TRIALS).find_map(|_| {
            let window = scene.random_window(width, height, rng);
            let holds_one = scene.boxes.iter().any(|placed| window.holds_centre(&placed.corners));
            (holds_one || scene.boxes.is_empty()).then_some(window)
        })
    }
}
