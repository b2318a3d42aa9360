//! A random change of scale that keeps the proportions, after torchvision's `ScaleJitter` followed by a crop or padding to
//! the old size (large-scale jitter, <https://arxiv.org/abs/2012.07177>).

use serde::{Deserialize, Serialize};

use super::{Scene, check_probability, check_range};
use crate::Error;
use crate::image::Window;
use crate::random::SampleRng;

/// How many places are tried for a window that holds an object's centre.
const TRIALS: usize = 40;

/// Settings of the jitter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScaleJitter {
    /// Probability of changing the scale; such a sample is neither zoomed out nor cropped otherwise, since a view that grew
    /// after a crop would show again what the crop took away.
    pub p: f64,
    /// Least and greatest factor; above 1 objects grow.
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
        check_range("scale_jitter.scale", self.scale, [0.01, 100.0], "two factors from 0.01 to 100, the lesser first")
    }

    /// The new view, or nothing where it stays: a view with objects is not changed to one without.
    pub(super) fn sample(&self, scene: &Scene, rng: &mut SampleRng) -> Option<Window> {
        if !rng.chance(self.p) {
            return None;
        }
        let view = scene.window;
        let scale = rng.uniform(self.scale[0]..=self.scale[1]);
        let (width, height) = ((view.width / scale).round().max(1.0), (view.height / scale).round().max(1.0));
        (0..TRIALS).find_map(|_| {
            let left = view.left + ((view.width - width) * rng.unit()).floor();
            let top = view.top + ((view.height - height) * rng.unit()).floor();
            let window = Window { left, top, width, height };
            let holds_one = scene.boxes.iter().any(|seen| window.holds_centre(&seen.corners));
            (holds_one || scene.boxes.is_empty()).then_some(window)
        })
    }
}
