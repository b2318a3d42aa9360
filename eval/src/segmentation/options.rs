//! What is measured beside the regions.

use serde::{Deserialize, Serialize};

use crate::Error;

/// How segmentation is evaluated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SegmentationOptions {
    /// Measures boundaries too, with this tolerance as a share of the image's diagonal: 0.0075 in Csurka et al. 2013,
    /// 0.008 in DAVIS. None leaves boundaries out, which cost several times the decoding of the images.
    pub boundary_tolerance: Option<f64>,
    /// How many of the most frequent confusions the report names.
    pub confused_pairs: usize,
}

impl Default for SegmentationOptions {
    fn default() -> SegmentationOptions {
        SegmentationOptions { boundary_tolerance: None, confused_pairs: 20 }
    }
}

impl SegmentationOptions {
    /// Whether an evaluation can be made of these.
    ///
    /// # Errors
    /// A tolerance that is not between 0 and 0.1.
    pub fn validate(&self) -> Result<(), Error> {
        match self.boundary_tolerance {
            Some(tolerance) if !(0.0..=0.1).contains(&tolerance) => Err(Error::Setting {
                key: "boundary_tolerance",
                value: tolerance.to_string(),
                expected: "a share of the diagonal from 0 to 0.1",
            }),
            _ => Ok(()),
        }
    }
}
