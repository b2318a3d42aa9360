//! `ColorJitter` of torchvision on Pillow's images: brightness, contrast, saturation and hue in random order.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::Operation;
use crate::Error;
use crate::random::SampleRng;
use crate::settings::check;

/// Greatest changes; 0 leaves a step out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ColorJitter {
    /// The factor is uniform from `1 - brightness`, at least 0, to `1 + brightness`.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub brightness: f64,
    /// As for brightness, around the mean grey.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub contrast: f64,
    /// As for brightness, between grey and colour.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub saturation: f64,
    /// Turns of hue, up to 0.5 either way.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub hue: f64,
}

impl Default for ColorJitter {
    /// timm's.
    fn default() -> ColorJitter {
        ColorJitter { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.0 }
    }
}

impl ColorJitter {
    pub(super) fn validate(&self) -> Result<(), Error> {
        let steps = [
            ("color_jitter.brightness", self.brightness),
            ("color_jitter.contrast", self.contrast),
            ("color_jitter.saturation", self.saturation),
        ];
        for (key, value) in steps {
            check((0.0..=10.0).contains(&value), key, value, "a change from 0 to 10")?;
        }
        check((0.0..=0.5).contains(&self.hue), "color_jitter.hue", self.hue, "turns from 0 to 0.5")
    }

    /// The first setting that changes colours, which only images of red, green and blue have.
    pub(super) fn needs_colour(&self) -> Option<&'static str> {
        let settings = [("color_jitter.saturation", self.saturation), ("color_jitter.hue", self.hue)];
        settings.into_iter().find(|(_, change)| *change > 0.0).map(|(key, _)| key)
    }

    pub(super) fn sample(&self, strength: f64, rng: &mut SampleRng) -> Vec<Operation> {
        let mut factor = |change: f64| {
            let change = change * strength;
            (change > 0.0).then(|| rng.uniform((1.0 - change).max(0.0)..=1.0 + change))
        };
        let brightness = factor(self.brightness).map(Operation::Brightness);
        let contrast = factor(self.contrast).map(Operation::Contrast);
        let saturation = factor(self.saturation).map(Operation::Color);
        let change = self.hue * strength;
        let hue = (change > 0.0).then(|| Operation::Hue(rng.uniform(-change..=change)));
        let mut steps: Vec<Operation> = [brightness, contrast, saturation, hue].into_iter().flatten().collect();
        rng.shuffle(&mut steps);
        steps
    }
}
