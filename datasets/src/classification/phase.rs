//! Training in phases: larger images and stronger augmentation from epoch to epoch (EfficientNetV2's progressive learning,
//! used by MobileOne, section 3.4).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::image::Size;
use crate::settings::check;

/// The settings from one epoch until the next phase begins.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// The first epoch of the phase, from 0.
    pub from_epoch: u64,
    /// Height and width of the images, in pixels.
    #[schemars(range(min = 1, max = u16::MAX))]
    pub size: usize,
    /// Factor on the magnitudes of augmentation, 0 to 1; see [`super::ClassifyAugmentation`].
    #[schemars(range(min = 0.0, max = 1.0))]
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

/// Checks a list of phases, which may be empty: the first from epoch 0, each later than the one before.
///
/// # Errors
/// [`Error::Setting`] with the key and what was expected.
pub fn check_phases(phases: &[Phase]) -> Result<(), Error> {
    for (index, phase) in phases.iter().enumerate() {
        let first = phase.from_epoch;
        match index.checked_sub(1) {
            None => check(first == 0, "phases.from_epoch", first, "0 in the first phase")?,
            Some(before) => {
                let expected = "later than in the phase before";
                check(first > phases[before].from_epoch, "phases.from_epoch", first, expected)?;
            }
        }
        check((1..=usize::from(u16::MAX)).contains(&phase.size), "phases.size", phase.size, "1 to 65535 pixels")?;
        check((0.0..=1.0).contains(&phase.strength), "phases.strength", phase.strength, "a factor from 0 to 1")?;
    }
    Ok(())
}
