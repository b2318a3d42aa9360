//! What a classifier's evaluation counts.

use super::calibration::Calibration;
use super::options::{ClassificationOptions, ScoreKind};
use crate::confusion::ConfusionMatrix;
use crate::exact_sum::ExactSum;

/// The log loss of a probability of 0 is infinite; this probability is used instead.
const MIN_PROBABILITY: f64 = f32::MIN_POSITIVE as f64;

#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) images: u64,
    /// For each k, the images whose true class is among the k best.
    pub(super) within: Vec<u64>,
    pub(super) confusion: ConfusionMatrix,
    pub(super) calibration: Calibration,
    pub(super) log_loss: ExactSum,
    pub(super) real_images: u64,
    pub(super) real_correct: u64,
}

impl Tally {
    pub(super) fn new(options: &ClassificationOptions) -> Tally {
        Tally {
            images: 0,
            within: vec![0; options.top_k.len()],
            confusion: ConfusionMatrix::default(),
            calibration: Calibration::new(options.calibration_bins),
            log_loss: ExactSum::default(),
            real_images: 0,
            real_correct: 0,
        }
    }

    /// Counts an image: valid scores, the true class, and the image's ReaL labels.
    pub(super) fn add(&mut self, options: &ClassificationOptions, scores: &[f32], truth: usize, real: &[usize]) {
        let best = best(scores);
        let (confidence, log_loss) = match options.scores {
            ScoreKind::Logits => of_logits(scores, best, truth),
            ScoreKind::Probabilities => (f64::from(scores[best]), -f64::from(scores[truth]).max(MIN_PROBABILITY).ln()),
        };
        self.images += 1;
        let rank = rank(scores, truth);
        for (within, &k) in self.within.iter_mut().zip(&options.top_k) {
            *within += u64::from(rank < k);
        }
        self.confusion.add(truth, best, 1);
        self.calibration.add(confidence, best == truth);
        self.log_loss.add(log_loss);
        self.real_images += u64::from(!real.is_empty());
        self.real_correct += u64::from(real.contains(&best));
    }

    pub(super) fn merge(&mut self, other: &Tally) {
        self.images += other.images;
        for (within, other) in self.within.iter_mut().zip(&other.within) {
            *within += other;
        }
        self.confusion.merge(&other.confusion);
        self.calibration.merge(&other.calibration);
        self.log_loss.merge(other.log_loss);
        self.real_images += other.real_images;
        self.real_correct += other.real_correct;
    }
}

/// The class of the highest score, the first of equal ones.
pub fn best(scores: &[f32]) -> usize {
    let higher = |best: usize, class: usize| if scores[class] > scores[best] { class } else { best };
    (0..scores.len()).reduce(higher).unwrap_or(0)
}

/// The probability of each class: the softmax of its score.
pub fn probabilities(scores: &[f32]) -> Vec<f64> {
    let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let raised: Vec<f64> = scores.iter().map(|&score| (f64::from(score) - f64::from(top)).exp()).collect();
    let sum: f64 = raised.iter().sum();
    raised.into_iter().map(|value| value / sum).collect()
}

/// How many classes rank before `truth`.
fn rank(scores: &[f32], truth: usize) -> usize {
    let reference = scores[truth];
    let before = |&(class, &score): &(usize, &f32)| score > reference || (score == reference && class < truth);
    scores.iter().enumerate().filter(before).count()
}

/// The probability of the best class, and the negative natural logarithm of the true class's probability.
fn of_logits(scores: &[f32], best: usize, truth: usize) -> (f64, f64) {
    let top = f64::from(scores[best]);
    let sum: f64 = scores.iter().map(|&score| (f64::from(score) - top).exp()).sum();
    // Negative by the rounding of the sum only.
    (1.0 / sum, (sum.ln() + (top - f64::from(scores[truth]))).max(0.0))
}
