//! The best threshold of a detector's scores.

use serde::Serialize;

/// Precision and recall of the detections with a score from `threshold` upwards.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OperatingPoint {
    /// The lowest score that is kept.
    pub threshold: f64,
    /// Share of the kept detections that is correct.
    pub precision: f64,
    /// Share of the objects that is found.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

impl OperatingPoint {
    /// The point of the best F1, of equal ones the highest threshold; `None` without objects or detections.
    ///
    /// `detections` are (score, whether it is correct); they are sorted in descending order.
    pub(super) fn best(detections: &mut [(f64, bool)], objects: u64) -> Option<OperatingPoint> {
        if objects == 0 {
            return None;
        }
        detections.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let (mut kept, mut correct) = (0u64, 0u64);
        let mut best: Option<OperatingPoint> = None;
        for of_score in detections.chunk_by(|(a, _), (b, _)| a == b) {
            kept += of_score.len() as u64;
            correct += of_score.iter().filter(|(_, correct)| *correct).count() as u64;
            let point = OperatingPoint {
                threshold: of_score[0].0,
                precision: correct as f64 / kept as f64,
                recall: correct as f64 / objects as f64,
                f1: 2.0 * correct as f64 / (kept + objects) as f64,
            };
            if best.is_none_or(|best| point.f1 > best.f1) {
                best = Some(point);
            }
        }
        best
    }

    /// The points at the thresholds 0, .01, ... 1; empty without objects.
    ///
    /// Without a kept detection precision is 1: none of them is wrong. `detections` are sorted as by [`best`](Self::best).
    pub(super) fn at_thresholds(detections: &[(f64, bool)], objects: u64) -> Vec<OperatingPoint> {
        if objects == 0 {
            return Vec::new();
        }
        let mut points = Vec::with_capacity(101);
        let (mut kept, mut correct) = (0usize, 0u64);
        for threshold in (0..=100).rev().map(|hundredth| f64::from(hundredth) / 100.0) {
            let further = detections[kept..].iter().take_while(|(score, _)| *score >= threshold);
            for (_, is_correct) in further {
                kept += 1;
                correct += u64::from(*is_correct);
            }
            points.push(OperatingPoint {
                threshold,
                precision: if kept == 0 { 1.0 } else { correct as f64 / kept as f64 },
                recall: correct as f64 / objects as f64,
                f1: 2.0 * correct as f64 / (kept as u64 + objects) as f64,
            });
        }
        points.reverse();
        points
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
        let f1 = |correct: f64, kept: f64| 2.0 * correct / (kept + 3.0);
        assert_eq!((f1(2.0, 4.0), f1(3.0, 7.0), f1(1.0, 1.0)), (4.0 / 7.0, 0.6, 0.5));
        assert_eq!(best, Some(OperatingPoint { threshold: 0.4, precision: 3.0 / 7.0, recall: 1.0, f1: 0.6 }));

        let points = OperatingPoint::at_thresholds(&detections, 3);
        assert_eq!((points.len(), points[0].threshold, points[100].threshold), (101, 0.0, 1.0));
        assert_eq!(points[40], best.expect("a point of the best F1"), "every detection is kept from .4 down");
        assert_eq!((points[41].recall, points[51].precision, points[91].precision), (2.0 / 3.0, 1.0, 1.0));
        assert!(OperatingPoint::at_thresholds(&detections, 0).is_empty());

        let mut level = [(0.9, true), (0.8, false), (0.7, false), (0.6, true), (0.5, false)];
        let best = OperatingPoint::best(&mut level, 2).map(|best| (best.threshold, best.f1));
        assert_eq!(best, Some((0.9, 2.0 / 3.0)), "0.6 has 4 / 6 too");
    }
}
