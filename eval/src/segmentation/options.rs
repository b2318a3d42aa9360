//! Options of a segmenter's evaluation.

use serde::{Deserialize, Serialize};

use crate::Error;

/// How segmentation is evaluated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SegmentationOptions {
    /// Also measures boundaries, with this tolerance as a share of the image's diagonal: 0.0075 in Csurka et al. 2013,
    /// 0.008 in DAVIS. This takes several times as long as decoding the images.
    pub boundary_tolerance: Option<f64>,
    /// How many of the most frequent confusions the report lists.
    pub confused_pairs: usize,
}

impl Default for SegmentationOptions {
    fn default() -> SegmentationOptions {
        SegmentationOptions { boundary_tolerance: None, confused_pairs: 20 }
    }
}

impl SegmentationOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// The tolerance is not between 0 and 0.1.
    pub fn validate(&self) -> Result<(), Error> {
        match self.boundary_tolerance {
            Some(tolerance) if !(0.0..=0.1).contains(&tolerance) => {
                Err(Error::value("boundary_tolerance", tolerance, "a share of the diagonal from 0 to 0.1"))
            }
            _ => Ok(()),
        }
    }
}
