//! Two segmenters on the same images.

use datasets::segmentation::SegmentationSet;
use eval::BootstrapOptions;
use eval::segmentation::SegmentationComparison;

use super::Segment;
use crate::failure::Failure;
use crate::task::evaluate::{Agreement, ResultOf};
use crate::task::{Paired, Pairing};

/// Compares two segmenters in mIoU.
pub struct SegmentPairing {
    comparison: SegmentationComparison,
    agreement: Agreement,
}

impl SegmentPairing {
    pub(super) fn new(set: &SegmentationSet) -> Result<Self, Failure> {
        let names = set.classes.iter().map(|class| class.name.clone());
        let comparison = SegmentationComparison::new(names, Some(set.ignore), BootstrapOptions::default())?;
        Ok(Self { comparison, agreement: Agreement::default() })
    }
}

impl Pairing<Segment> for SegmentPairing {
    const AGREEMENT: &'static str = "pixels of the same class";

    fn add(&mut self, a: ResultOf<Segment>, b: ResultOf<Segment>) -> Result<(), Failure> {
        let ((id, [a, truth]), (_, [b, _])) = (a, b);
        self.comparison.add(&id, &a.data, &b.data, &truth.data, [truth.height, truth.width])?;
        self.agreement.add(a.data.iter().zip(&b.data).filter(|(a, b)| a == b).count(), a.data.len());
        Ok(())
    }

    fn finish(self) -> Result<Paired, Failure> {
        Ok(Paired { comparison: self.comparison.finish()?, agreement: self.agreement.share() })
    }
}
