//! Two detectors on the same images.

use datasets::DetectionSet;
use eval::BootstrapOptions;
use eval::coco::{CocoComparison, Detection};

use super::{Detect, scoring};
use crate::failure::Failure;
use crate::task::evaluate::{Agreement, ResultOf};
use crate::task::{Paired, Pairing};

/// Detections with a lower score do not count in the agreement: a person would not see them.
const VISIBLE: f64 = 0.3;
/// The overlap from which two boxes are of one object, as in AP50.
const SAME: f64 = 0.5;

/// Compares two detectors in AP.
pub struct DetectPairing {
    comparison: CocoComparison,
    agreement: Agreement,
}

impl DetectPairing {
    pub(super) fn new(set: &DetectionSet) -> Result<Self, Failure> {
        let comparison = CocoComparison::new(scoring::truth(set)?, BootstrapOptions::default())?;
        Ok(Self { comparison, agreement: Agreement::default() })
    }
}

impl Pairing<Detect> for DetectPairing {
    const AGREEMENT: &'static str = "detections from a score of 0.3 on, of one class and with an overlap from 0.5 on";

    fn add(&mut self, a: ResultOf<Detect>, b: ResultOf<Detect>) -> Result<(), Failure> {
        let ((image, a), (_, b)) = (a, b);
        self.comparison.add(image, &a, &b)?;
        let visible = |all: &[Detection]| -> Vec<Detection> {
            all.iter().filter(|detection| detection.score >= VISIBLE).cloned().collect()
        };
        let (a, b) = (visible(&a), visible(&b));
        self.agreement.add(2 * matched(&a, b.clone()), a.len() + b.len());
        Ok(())
    }

    fn finish(self) -> Result<Paired, Failure> {
        Ok(Paired { comparison: self.comparison.finish()?, agreement: self.agreement.share() })
    }
}

/// How many of `a` have a partner of their own in `b`, the best first.
fn matched(a: &[Detection], mut b: Vec<Detection>) -> usize {
    let mut pairs = 0;
    for detection in a {
        let overlaps = b.iter().enumerate().filter(|(_, other)| other.category_id == detection.category_id);
        let best = overlaps
            .map(|(index, other)| (index, overlap(detection.bbox, other.bbox)))
            .max_by(|x, y| x.1.total_cmp(&y.1));
        if let Some((index, _)) = best.filter(|(_, overlap)| *overlap >= SAME) {
            b.swap_remove(index);
            pairs += 1;
        }
    }
    pairs
}

/// Intersection over union of `[x, y, width, height]`.
fn overlap(a: [f64; 4], b: [f64; 4]) -> f64 {
    let along = |axis: usize| ((a[axis] + a[axis + 2]).min(b[axis] + b[axis + 2]) - a[axis].max(b[axis])).max(0.0);
    let common = along(0) * along(1);
    let union = a[2] * a[3] + b[2] * b[3] - common;
    if union > 0.0 { common / union } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detection(category_id: u64, x: f64) -> Detection {
        Detection { category_id, bbox: [x, 0.0, 10.0, 10.0], score: 0.9 }
    }

    #[test]
    fn each_detection_has_one_partner_of_its_class_at_most() {
        let a = [detection(1, 0.0), detection(1, 1.0), detection(2, 50.0)];
        assert_eq!(matched(&a, a.to_vec()), 3);
        assert_eq!(matched(&a, vec![detection(1, 0.0)]), 1);
        assert_eq!(matched(&a, vec![detection(2, 0.0), detection(2, 57.0)]), 0);
    }
}
