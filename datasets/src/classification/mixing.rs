//! Mixup (<https://arxiv.org/abs/1710.09412>) and CutMix (<https://arxiv.org/abs/1905.04899>) of a batch, as numbers: timm's
//! `Mixup(mode="batch")`. The caller applies them, to tensors.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::image::{PixelWindow, Size};
use crate::random::SampleRng;
use crate::settings::{check, check_probability};

/// Settings of the mixing. With both alphas 0, the default, batches stay as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mixing {
    /// Parameter of mixup's Beta distribution; 0 turns mixup off.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub mixup: f64,
    /// Parameter of CutMix's Beta distribution; 0 turns CutMix off.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub cutmix: f64,
    /// Probability of mixing a batch.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub probability: f64,
    /// Probability of CutMix in place of mixup, where both are on.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub switch_probability: f64,
}

impl Default for Mixing {
    fn default() -> Mixing {
        Mixing { mixup: 0.0, cutmix: 0.0, probability: 1.0, switch_probability: 0.5 }
    }
}

/// How a batch of `n` is mixed; the partner of sample `i` is sample `n - 1 - i`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mix {
    /// The sample's own share of its target, from 0 to 1; the partner has the rest.
    pub lambda: f64,
    /// CutMix: the pixels that show the partner; the others stay. Mixup: `None`, and every pixel is
    /// `lambda * own + (1 - lambda) * partner`.
    pub window: Option<PixelWindow>,
}

impl Mixing {
    /// Whether batches can be mixed.
    pub fn is_on(&self) -> bool {
        (self.mixup > 0.0 || self.cutmix > 0.0) && self.probability > 0.0
    }

    /// Checks every setting's range.
    ///
    /// # Errors
    /// [`Error::Setting`] with the key and what was expected.
    pub fn validate(&self) -> Result<(), Error> {
        for (key, alpha) in [("mixup", self.mixup), ("cutmix", self.cutmix)] {
            check((0.0..=1000.0).contains(&alpha), key, alpha, "0 (off) or up to 1000")?;
        }
        check_probability("probability", self.probability)?;
        check_probability("switch_probability", self.switch_probability)
    }

    /// Draws how a batch of images of `size` is mixed; `None` leaves it as it is.
    pub fn draw(&self, size: Size, rng: &mut SampleRng) -> Option<Mix> {
        if !self.is_on() || !rng.chance(self.probability) {
            return None;
        }
        let cut = match (self.mixup > 0.0, self.cutmix > 0.0) {
            (true, true) => rng.chance(self.switch_probability),
            (_, cut) => cut,
        };
        if !cut {
            return Some(Mix { lambda: rng.beta(self.mixup), window: None });
        }
        let window = cut_window(size, rng.beta(self.cutmix), rng);
        // The window is clipped at the border, so its share is its area, not what was drawn.
        let lambda = 1.0 - (window.width * window.height) as f64 / size.pixels().max(1) as f64;
        Some(Mix { lambda, window: Some(window) })
    }
}

/// A window of the image's proportions around a random pixel, clipped.
fn cut_window(size: Size, lambda: f64, rng: &mut SampleRng) -> PixelWindow {
    let ratio = (1.0 - lambda).sqrt();
    let mut axis = |side: usize| {
        let cut = (side as f64 * ratio) as usize;
        let centre = rng.below(side);
        let (start, end) = (centre.saturating_sub(cut / 2), (centre + cut.div_ceil(2)).min(side));
        (start, end - start)
    };
    let ((top, height), (left, width)) = (axis(size.height), axis(size.width));
    PixelWindow { left, top, width, height }
}
