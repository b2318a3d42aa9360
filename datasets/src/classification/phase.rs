//! A training in phases: pictures grow and augmentation strengthens by epoch (EfficientNetV2's progressive learning, taken
//! up by MobileOne, section 3.4).

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::image::Size;

/// From an epoch on, until the next phase begins.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// The first epoch of the phase, from 0.
    pub from_epoch: u64,
    /// Height and width of the pictures, in pixels.
    pub size: usize,
    /// Factor on the magnitudes of augmentation, 0 to 1; see [`super::ClassifyAugmentation`].
    pub strength: f64,
}

impl Phase {
    /// The phase of an epoch, where there are phases.
    pub(super) fn at(phases: &[Phase], epoch: u64) -> Option<&Phase> {
        phases.iter().take_while(|phase| phase.from_epoch <= epoch).last()
    }

    pub(super) fn size(&self) -> Size {
        Size { height: self.size, width: self.size }
    }
}

/// Checks a list of phases, which may be empty: the first from epoch 0, each later than the one before it.
///
/// # Errors
/// [`Error::Setting`] with the key and what was expected.
pub fn check_phases(phases: &[Phase]) -> Result<(), Error> {
    let wrong = |key, value: String, expected| Err(Error::Setting { key, value, expected });
    for (place, phase) in phases.iter().enumerate() {
        if place == 0 && phase.from_epoch != 0 {
            return wrong("phases.from_epoch", phase.from_epoch.to_string(), "0 in the first phase");
        }
        if place > 0 && phase.from_epoch <= phases[place - 1].from_epoch {
            return wrong("phases.from_epoch", phase.from_epoch.to_string(), "later than in the phase before");
        }
        if !(1..=usize::from(u16::MAX)).contains(&phase.size) {
            return wrong("phases.size", phase.size.to_string(), "1 to 65535 pixels");
        }
        if !(0.0..=1.0).contains(&phase.strength) {
            return wrong("phases.strength", phase.strength.to_string(), "a factor from 0 to 1");
        }
    }
    Ok(())
}
