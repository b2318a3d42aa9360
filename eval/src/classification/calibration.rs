//! Calibration of confidences: Guo et al., On Calibration of Modern Neural Networks, ICML 2017
//! (<https://arxiv.org/abs/1706.04599>), section 2.

use serde::Serialize;

use crate::exact_sum::{ExactSum, ratio};

/// Images with a confidence above `above` and up to `up_to`; the means are `None` for a bin without images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CalibrationBin {
    /// Lower end of the confidence, exclusive.
    pub above: f64,
    /// Upper end of the confidence, inclusive.
    pub up_to: f64,
    /// Images in the bin.
    pub images: u64,
    /// Their top-1 accuracy.
    pub accuracy: Option<f64>,
    /// Their mean confidence.
    pub confidence: Option<f64>,
}

/// Confidences, sorted into bins of equal width.
#[derive(Debug, Clone)]
pub(super) struct Calibration {
    bins: Vec<Bin>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    images: u64,
    correct: u64,
    confidence: ExactSum,
}

impl Calibration {
    pub(super) fn new(bins: usize) -> Calibration {
        Calibration { bins: vec![Bin::default(); bins] }
    }

    pub(super) fn add(&mut self, confidence: f64, correct: bool) {
        let count = self.bins.len();
        // The product is rounded, so that the bin may be off by one for a confidence on a boundary.
        let near = ((confidence * count as f64) as usize).min(count - 1);
        let first = near.saturating_sub(1);
        let index = (first..count).find(|&bin| confidence <= upper(bin, count)).unwrap_or(count - 1);
        let bin = &mut self.bins[index];
        bin.images += 1;
        bin.correct += u64::from(correct);
        bin.confidence.add(confidence);
    }

    pub(super) fn merge(&mut self, other: &Calibration) {
        for (bin, other) in self.bins.iter_mut().zip(&other.bins) {
            bin.images += other.images;
            bin.correct += other.correct;
            bin.confidence.merge(other.confidence);
        }
    }

    /// The expected calibration error: the mean distance of accuracy and confidence, weighted by the bins' images.
    pub(super) fn expected_error(&self) -> Option<f64> {
        let images: u64 = self.bins.iter().map(|bin| bin.images).sum();
        let gaps: f64 = self.bins.iter().map(|bin| (bin.correct as f64 - bin.confidence.value()).abs()).sum();
        (images > 0).then(|| gaps / images as f64)
    }

    pub(super) fn report(&self) -> Vec<CalibrationBin> {
        let count = self.bins.len();
        let bin = |(index, bin): (usize, &Bin)| CalibrationBin {
            above: index as f64 / count as f64,
            up_to: upper(index, count),
            images: bin.images,
            accuracy: ratio(bin.correct, bin.images),
            confidence: bin.confidence.mean(bin.images),
        };
        self.bins.iter().enumerate().map(bin).collect()
    }
}

fn upper(bin: usize, count: usize) -> f64 {
    (bin + 1) as f64 / count as f64
}
