//! What an evaluation of a classifier found.

use serde::Serialize;

use super::calibration::CalibrationBin;
use super::evaluator::{ClassificationEvaluator, Tally};
use super::options::ScoreKind;
use crate::confusion::{ConfusedPair, ConfusionMatrix};
use crate::exact_sum::{mean, ratio};

const RULE: &str = "top-k of one crop, equal scores ranked by class index";
const REAL_RULE: &str = "ImageNet-ReaL: top-1 among the image's labels, images without labels not counted";

/// The result of an evaluation; shares lie between 0 and 1 and are none where there is nothing to share.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassificationReport {
    /// By which rule the numbers came about.
    pub rule: String,
    /// Whether they may be compared with a leaderboard, and why not.
    pub comparable: String,
    /// Images added.
    pub images: u64,
    /// The accuracy for each k of the options.
    pub top_k: Vec<TopK>,
    /// Top-1 accuracy of each class, averaged over the classes with images.
    pub mean_class_accuracy: Option<f64>,
    /// Mean negative log likelihood of the true class, in nats; infinite where the sum is beyond 2⁶⁶. A probability of 0 is
    /// taken as the least normal number of fp32.
    pub negative_log_likelihood: Option<f64>,
    /// Expected calibration error of the best class's probability (Guo et al. 2017).
    pub expected_calibration_error: Option<f64>,
    /// The bins that the calibration error is made of, which are a reliability diagram.
    pub calibration: Vec<CalibrationBin>,
    /// Accuracy by ReaL labels, where they were given.
    pub real: Option<RealReport>,
    /// Each class, in the order of the scores.
    pub per_class: Vec<ClassReport>,
    /// The most frequent confusions.
    pub most_confused: Vec<ConfusedPair>,
    /// Which class was taken for which, in images.
    pub confusion: ConfusionMatrix,
}

/// How often the truth is among the k best classes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TopK {
    /// How many classes are looked at.
    pub k: usize,
    /// Images with the truth among them.
    pub correct: u64,
    /// Their share.
    pub accuracy: Option<f64>,
}

/// Accuracy by ReaL labels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RealReport {
    /// By which rule the number came about.
    pub rule: String,
    /// Images with at least one label, which are those that count.
    pub images: u64,
    /// Images whose best class is one of their labels.
    pub correct: u64,
    /// Their share.
    pub accuracy: Option<f64>,
}

/// The result for one class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassReport {
    /// The class's name.
    pub name: String,
    /// Images of the class.
    pub images: u64,
    /// Images whose best class this is, rightly or not.
    pub predicted: u64,
    /// Images of the class whose best class this is.
    pub correct: u64,
    /// `correct / images`, the class's recall.
    pub accuracy: Option<f64>,
    /// `correct / predicted`.
    pub precision: Option<f64>,
}

impl ClassificationReport {
    pub(super) fn new(evaluator: &ClassificationEvaluator) -> ClassificationReport {
        let ClassificationEvaluator { names, options, real, tally } = evaluator;
        let images = tally.images;
        let per_class: Vec<ClassReport> = names
            .iter()
            .zip(tally.confusion.totals(names.len()))
            .map(|(name, totals)| ClassReport {
                name: name.clone(),
                images: totals.truth,
                predicted: totals.predicted,
                correct: totals.correct,
                accuracy: ratio(totals.correct, totals.truth),
                precision: ratio(totals.correct, totals.predicted),
            })
            .collect();
        let top_k = options.top_k.iter().zip(&tally.within);
        let scores = match options.scores {
            ScoreKind::Logits => "softmax of the scores",
            ScoreKind::Probabilities => "the scores as probabilities",
        };
        ClassificationReport {
            rule: format!("{RULE}; {scores}"),
            comparable: comparable(images, names.len()),
            images,
            top_k: top_k.map(|(&k, &correct)| TopK { k, correct, accuracy: ratio(correct, images) }).collect(),
            mean_class_accuracy: mean(per_class.iter().filter_map(|class| class.accuracy)),
            negative_log_likelihood: (images > 0).then(|| tally.log_loss.value() / images as f64),
            expected_calibration_error: tally.calibration.expected_error(),
            calibration: tally.calibration.report(),
            real: real.as_ref().map(|_| RealReport::new(tally)),
            per_class,
            most_confused: tally.confusion.most_confused(names, options.confused_pairs),
            confusion: tally.confusion.clone(),
        }
    }

    /// Top-k accuracy; none without images, or for a k that the options do not name.
    pub fn accuracy(&self, k: usize) -> Option<f64> {
        self.top_k.iter().find(|top| top.k == k)?.accuracy
    }
}

impl RealReport {
    fn new(tally: &Tally) -> RealReport {
        let &Tally { real_images: images, real_correct: correct, .. } = tally;
        RealReport { rule: REAL_RULE.to_owned(), images, correct, accuracy: ratio(correct, images) }
    }
}

/// ImageNet's validation set, which accuracies are published on.
const IMAGENET_IMAGES: u64 = 50_000;
const IMAGENET_CLASSES: usize = 1000;

fn comparable(images: u64, classes: usize) -> String {
    if (images, classes) == (IMAGENET_IMAGES, IMAGENET_CLASSES) {
        "with published numbers on ImageNet's validation set, if these are its images, at the published resolution and crop"
            .to_owned()
    } else {
        format!(
            "no: published numbers are on all of ImageNet's validation set ({IMAGENET_IMAGES} images, {IMAGENET_CLASSES} \
             classes), and this is another one ({images} images, {classes} classes)"
        )
    }
}
