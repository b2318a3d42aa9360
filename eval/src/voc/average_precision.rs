//! Average precision of correct and wrong detections in the order of their scores, by either rule.

/// Precision and recall after each detection.
pub(super) struct Curve {
    precision: Vec<f64>,
    recall: Vec<f64>,
}

impl Curve {
    /// The curve of detections, best score first, each correct or not, with `objects` to find.
    pub(super) fn new(outcomes: &[bool], objects: u64) -> Curve {
        let mut found = 0u64;
        let (precision, recall) = (1u64..)
            .zip(outcomes)
            .map(|(detections, &correct)| {
                found += u64::from(correct);
                (found as f64 / detections as f64, found as f64 / objects as f64)
            })
            .unzip();
        Curve { precision, recall }
    }

    /// VOC2007: the best precision at a recall of at least 0, 0.1, ... 1, averaged.
    pub(super) fn eleven_point(&self) -> f64 {
        // The products are those of other programs: the seventh is 0.6000000000000001, which a recall of 9/15 does not
        // reach.
        let best_from = |level: f64| {
            let reached = self.recall.iter().zip(&self.precision).filter(|&(&recall, _)| recall >= level);
            reached.map(|(_, &precision)| precision).fold(0.0, f64::max)
        };
        (0..=10).map(|tenth| best_from(f64::from(tenth) * 0.1)).sum::<f64>() / 11.0
    }

    /// VOC2010: the area under the curve, with the best precision at a recall or more as the precision at that recall.
    pub(super) fn every_point(&self) -> f64 {
        let mut best = 0.0f64;
        let mut area = 0.0;
        for (index, &precision) in self.precision.iter().enumerate().rev() {
            best = best.max(precision);
            let before = if index == 0 { 0.0 } else { self.recall[index - 1] };
            area += (self.recall[index] - before) * best;
        }
        area
    }
}
