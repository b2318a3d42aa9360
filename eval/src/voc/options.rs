//! Options of a detector's evaluation by VOC's rules.

use serde::{Deserialize, Serialize};

use crate::Error;

/// How VOC detection is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VocOptions {
    /// The overlap from which a detection is correct; VOC's own is 0.5.
    pub iou: f64,
}

impl Default for VocOptions {
    fn default() -> VocOptions {
        VocOptions { iou: 0.5 }
    }
}

impl VocOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// The overlap is not above 0 and up to 1.
    pub fn validate(&self) -> Result<(), Error> {
        match self.iou > 0.0 && self.iou <= 1.0 {
            true => Ok(()),
            false => Err(Error::value("iou", self.iou, "a number above 0 and up to 1")),
        }
    }
}
