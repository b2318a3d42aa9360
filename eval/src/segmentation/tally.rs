//! What a segmenter's evaluation counts.

use super::boundary;
use crate::confusion::ConfusionMatrix;
use crate::exact_sum::ExactSum;

/// A label is a byte.
pub(super) const MAX_CLASSES: usize = 256;

#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) images: u64,
    pub(super) ignored: u64,
    /// [classes, classes] pixels; rows are the truth.
    pixels: Vec<u64>,
    pub(super) boundaries: Vec<BoundaryTally>,
}

/// Boundaries of a class, over the images with the class in truth or prediction.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BoundaryTally {
    pub(super) images: u64,
    pub(super) f_scores: ExactSum,
}

impl Tally {
    pub(super) fn new(classes: usize) -> Tally {
        let boundaries = vec![BoundaryTally::default(); classes];
        Tally { images: 0, ignored: 0, pixels: vec![0; classes * classes], boundaries }
    }

    /// Counts an image of valid labels.
    pub(super) fn add(&mut self, predicted: &[u8], truth: &[u8], ignore: Option<u8>) {
        let classes = self.boundaries.len();
        for (&predicted, &truth) in predicted.iter().zip(truth) {
            if Some(truth) == ignore {
                self.ignored += 1;
            } else {
                self.pixels[usize::from(truth) * classes + usize::from(predicted)] += 1;
            }
        }
        self.images += 1;
    }

    /// Measures the boundaries on an image of size `[H, W]`.
    pub(super) fn add_boundaries(
        &mut self,
        predicted: &[u8],
        truth: &[u8],
        ignore: Option<u8>,
        size: [usize; 2],
        tolerance: f64,
    ) {
        let counted: Vec<bool> = truth.iter().map(|&truth| Some(truth) != ignore).collect();
        let mut present = [false; MAX_CLASSES];
        for ((&predicted, &truth), _) in predicted.iter().zip(truth).zip(&counted).filter(|(_, counted)| **counted) {
            present[usize::from(predicted)] = true;
            present[usize::from(truth)] = true;
        }
        let radius = boundary::radius(tolerance, size);
        for (class, tally) in (0..=u8::MAX).zip(&mut self.boundaries).filter(|(class, _)| present[usize::from(*class)])
        {
            let mask = |labels: &[u8]| -> Vec<bool> {
                labels.iter().zip(&counted).map(|(&label, &counted)| counted && label == class).collect()
            };
            tally.images += 1;
            tally.f_scores.add(boundary::f_score(&mask(predicted), &mask(truth), size[1], radius));
        }
    }

    pub(super) fn merge(&mut self, other: &Tally) {
        self.images += other.images;
        self.ignored += other.ignored;
        for (pixels, other) in self.pixels.iter_mut().zip(&other.pixels) {
            *pixels += other;
        }
        for (class, other) in self.boundaries.iter_mut().zip(&other.boundaries) {
            class.images += other.images;
            class.f_scores.merge(other.f_scores);
        }
    }

    pub(super) fn confusion(&self) -> ConfusionMatrix {
        let classes = self.boundaries.len();
        let mut matrix = ConfusionMatrix::default();
        for (cell, &pixels) in self.pixels.iter().enumerate() {
            matrix.add(cell / classes, cell % classes, pixels);
        }
        matrix
    }
}
