//! The evaluator: class scores in, image by image, a [`ClassificationReport`] out.

use super::calibration::Calibration;
use super::options::{ClassificationOptions, ScoreKind};
use super::real_labels::RealLabels;
use super::report::ClassificationReport;
use crate::confusion::ConfusionMatrix;
use crate::exact_sum::ExactSum;
use crate::names::{Names, distinct};
use crate::{Entry, Error};

/// Evaluates class scores: new, add for each image, finish.
///
/// Among equal scores the class of the lower index ranks first, as with a stable descending sort. Images are not
/// remembered, so that an image added twice counts twice.
#[derive(Debug, Clone)]
pub struct ClassificationEvaluator {
    pub(super) names: Names,
    pub(super) options: ClassificationOptions,
    pub(super) real: Option<RealLabels>,
    pub(super) tally: Tally,
}

/// What has been counted.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) images: u64,
    /// For each k, the images with the truth among the k best.
    pub(super) within: Vec<u64>,
    pub(super) confusion: ConfusionMatrix,
    pub(super) calibration: Calibration,
    pub(super) log_loss: ExactSum,
    pub(super) real_images: u64,
    pub(super) real_correct: u64,
}

impl ClassificationEvaluator {
    /// An evaluator that has seen nothing; the classes in the order of the scores.
    ///
    /// # Errors
    /// No class, two of one name, options outside their range.
    pub fn new(
        class_names: impl IntoIterator<Item = impl Into<String>>,
        options: ClassificationOptions,
    ) -> Result<ClassificationEvaluator, Error> {
        options.validate()?;
        let names = distinct(class_names, usize::MAX)?;
        let tally = Tally {
            images: 0,
            within: vec![0; options.top_k.len()],
            confusion: ConfusionMatrix::default(),
            calibration: Calibration::new(options.calibration_bins),
            log_loss: ExactSum::default(),
            real_images: 0,
            real_correct: 0,
        };
        Ok(ClassificationEvaluator { names, options, real: None, tally })
    }

    /// Also measures against ReaL labels the images that are added from now on.
    ///
    /// # Errors
    /// A label that is none of the classes.
    pub fn with_real_labels(mut self, labels: RealLabels) -> Result<ClassificationEvaluator, Error> {
        labels.check(self.names.len())?;
        self.real = Some(labels);
        Ok(self)
    }

    /// Adds an image: a score for each class, and the index of the true class.
    ///
    /// # Errors
    /// All name the image: another number of scores than classes, a score that is not finite or, among probabilities, not
    /// from 0 to 1, a true class that is none of the classes, an image that the ReaL labels do not know. The evaluator is
    /// then as it was.
    pub fn add(&mut self, image: &str, scores: &[f32], truth: usize) -> Result<(), Error> {
        let real = self.admit(scores, truth).and_then(|()| match &self.real {
            Some(labels) => labels.of(image),
            None => Ok(&[]),
        });
        let real = real.map_err(|error| error.of_image(image))?;

        let best = best(scores);
        let Confidence { of_best, log_loss } = match self.options.scores {
            ScoreKind::Logits => Confidence::of_logits(scores, best, truth),
            ScoreKind::Probabilities => Confidence::of_probabilities(scores, best, truth),
        };
        let tally = &mut self.tally;
        tally.real_images += u64::from(!real.is_empty());
        tally.real_correct += u64::from(real.contains(&best));
        tally.images += 1;
        let rank = rank(scores, truth);
        for (within, &k) in tally.within.iter_mut().zip(&self.options.top_k) {
            *within += u64::from(rank < k);
        }
        tally.confusion.add(truth, best, 1);
        tally.calibration.add(of_best, best == truth);
        tally.log_loss.add(log_loss);
        Ok(())
    }

    /// Adds all that another evaluator has seen, which is then as if it had been added here.
    ///
    /// # Errors
    /// Other classes, options or ReaL labels. The evaluator is then as it was.
    pub fn merge(&mut self, other: &ClassificationEvaluator) -> Result<(), Error> {
        let same = [
            ("classes", self.names == other.names),
            ("options", self.options == other.options),
            ("ReaL labels", self.real == other.real),
        ];
        if let Some(&(what, _)) = same.iter().find(|(_, same)| !same) {
            return Err(Error::Unlike { what });
        }
        let (tally, other) = (&mut self.tally, &other.tally);
        tally.images += other.images;
        for (within, other) in tally.within.iter_mut().zip(&other.within) {
            *within += other;
        }
        tally.confusion.merge(&other.confusion);
        tally.calibration.merge(&other.calibration);
        tally.log_loss.merge(other.log_loss);
        tally.real_images += other.real_images;
        tally.real_correct += other.real_correct;
        Ok(())
    }

    /// The report on everything added.
    pub fn finish(self) -> ClassificationReport {
        ClassificationReport::new(&self)
    }

    pub(super) fn admit(&self, scores: &[f32], truth: usize) -> Result<(), Error> {
        let classes = self.names.len();
        if scores.len() != classes {
            return Err(Error::ScoreCount { found: scores.len(), classes });
        }
        if truth >= classes {
            return Err(Error::ClassOutside { entry: Entry::Truth, class: truth, classes });
        }
        let probabilities = self.options.scores == ScoreKind::Probabilities;
        let expected = if probabilities { "a probability from 0 to 1" } else { "a finite number" };
        let allowed = |score: f32| if probabilities { (0.0..=1.0).contains(&score) } else { score.is_finite() };
        match scores.iter().zip(self.names.iter()).find(|&(&score, _)| !allowed(score)) {
            Some((&value, class)) => Err(Error::Score { class: class.clone(), value, expected }),
            None => Ok(()),
        }
    }
}

/// The class of the highest score, the first of equal ones.
pub(super) fn best(scores: &[f32]) -> usize {
    let higher = |best: usize, class: usize| if scores[class] > scores[best] { class } else { best };
    (0..scores.len()).reduce(higher).unwrap_or(0)
}

/// How many classes rank before `truth`.
fn rank(scores: &[f32], truth: usize) -> usize {
    let reference = scores[truth];
    let before = |&(class, &score): &(usize, &f32)| score > reference || (score == reference && class < truth);
    scores.iter().enumerate().filter(before).count()
}

/// The least probability that the log loss is taken of, for a probability of 0 has none.
const LEAST: f64 = f32::MIN_POSITIVE as f64;

struct Confidence {
    /// The probability of the best class.
    of_best: f64,
    /// The negative natural logarithm of the true class's probability.
    log_loss: f64,
}

impl Confidence {
    fn of_logits(scores: &[f32], best: usize, truth: usize) -> Confidence {
        let top = f64::from(scores[best]);
        let sum: f64 = scores.iter().map(|&score| (f64::from(score) - top).exp()).sum();
        // At least 0 but for the rounding of the sum.
        let log_loss = (sum.ln() + (top - f64::from(scores[truth]))).max(0.0);
        Confidence { of_best: 1.0 / sum, log_loss }
    }

    fn of_probabilities(scores: &[f32], best: usize, truth: usize) -> Confidence {
        Confidence { of_best: f64::from(scores[best]), log_loss: -f64::from(scores[truth]).max(LEAST).ln() }
    }
}
