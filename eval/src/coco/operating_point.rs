//! Where to cut a detector's scores off.

use serde::Serialize;

/// What detections with a score from `threshold` upwards are worth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OperatingPoint {
    /// The least score that is kept.
    pub threshold: f64,
    /// Share of the kept detections that is right.
    pub precision: f64,
    /// Share of the objects that is found.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

impl OperatingPoint {
    /// The point of the best F1, the highest threshold of equal ones; none without objects or detections.
    ///
    /// `detections` are scores, and whether the detection is right; they are left in descending order.
    pub(super) fn best(detections: &mut [(f64, bool)], objects: u64) -> Option<OperatingPoint> {
        if objects == 0 {
            return None;
        }
        detections.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let (mut kept, mut right) = (0u64, 0u64);
        let mut best: Option<OperatingPoint> = None;
        for of_score in detections.chunk_by(|(a, _), (b, _)| a == b) {
            kept += of_score.len() as u64;
            right += of_score.iter().filter(|(_, right)| *right).count() as u64;
            let point = OperatingPoint {
                threshold: of_score[0].0,
                precision: right as f64 / kept as f64,
                recall: right as f64 / objects as f64,
                f1: 2.0 * right as f64 / (kept + objects) as f64,
            };
            if best.is_none_or(|best| point.f1 > best.f1) {
                best = Some(point);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_f1_the_highest_threshold_is_best_and_equal_scores_are_kept_together() {
        let mut detections =
            [(0.5, false), (0.9, true), (0.5, true), (0.4, true), (0.5, false), (0.4, false), (0.4, false)];
        let best = OperatingPoint::best(&mut detections, 3);
        let f1 = |right: f64, kept: f64| 2.0 * right / (kept + 3.0);
        assert_eq!((f1(2.0, 4.0), f1(3.0, 7.0), f1(1.0, 1.0)), (4.0 / 7.0, 0.6, 0.5));
        assert_eq!(best, Some(OperatingPoint { threshold: 0.4, precision: 3.0 / 7.0, recall: 1.0, f1: 0.6 }));

        let mut level = [(0.9, true), (0.8, false), (0.7, false), (0.6, true), (0.5, false)];
        let best = OperatingPoint::best(&mut level, 2).map(|best| (best.threshold, best.f1));
        assert_eq!(best, Some((0.9, 2.0 / 3.0)), "0.6 has 4 / 6 too");
    }
}
