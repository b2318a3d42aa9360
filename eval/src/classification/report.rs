//! The report on a classifier.

use serde::Serialize;
use serde_json::{Value, json};

use super::calibration::CalibrationBin;
use super::options::{ClassificationOptions, ScoreKind};
use super::tally::Tally;
use crate::Error;
use crate::bootstrap::{BootstrapOptions, MetricInterval, interval};
use crate::confusion::{ConfusedPair, ConfusionMatrix};
use crate::exact_sum::{mean, ratio};
use crate::table::{CsvReport, CsvTable};

const RULE: &str = "top-k of one crop, equal scores ranked by class index";
const REAL_RULE: &str = "ImageNet-ReaL: top-1 among the image's labels, images without labels not counted";

/// The result of an evaluation. Shares lie between 0 and 1, and are `None` without anything to count.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassificationReport {
    /// The rule that defines the numbers.
    pub rule: String,
    /// Whether they may be compared with a leaderboard, and if not, why.
    pub comparable: String,
    /// Images added.
    pub images: u64,
    /// The accuracy for each k of the options.
    pub top_k: Vec<TopK>,
    /// Top-1 accuracy of each class, averaged over the classes with images.
    pub mean_class_accuracy: Option<f64>,
    /// Mean negative log likelihood of the true class, in nats; infinite for a sum beyond 2⁶⁶. A probability of 0
    /// counts as the smallest normal number of fp32.
    pub negative_log_likelihood: Option<f64>,
    /// Expected calibration error of the best class's probability (Guo et al. 2017).
    pub expected_calibration_error: Option<f64>,
    /// The bins of the calibration error: the points of a reliability diagram.
    pub calibration: Vec<CalibrationBin>,
    /// Accuracy by ReaL labels, if they are given.
    pub real: Option<RealReport>,
    /// Each class, in the order of the scores.
    pub per_class: Vec<ClassReport>,
    /// The most frequent confusions.
    pub most_confused: Vec<ConfusedPair>,
    /// Counts of (true, predicted) classes, in images.
    pub confusion: ConfusionMatrix,
}

/// How often the true class is among the k best.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TopK {
    /// The k.
    pub k: usize,
    /// Images whose true class is among the k best.
    pub correct: u64,
    /// Their share.
    pub accuracy: Option<f64>,
}

/// Accuracy by ReaL labels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RealReport {
    /// The rule that defines the number.
    pub rule: String,
    /// Images with at least one label; the others are not counted.
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
    /// Images predicted as this class, correct or not.
    pub predicted: u64,
    /// Images of the class predicted as it.
    pub correct: u64,
    /// `correct / images`, the class's recall.
    pub accuracy: Option<f64>,
    /// `correct / predicted`.
    pub precision: Option<f64>,
}

impl ClassificationReport {
    pub(super) fn new(
        names: &[String],
        options: &ClassificationOptions,
        real_labels: bool,
        tally: &Tally,
    ) -> ClassificationReport {
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
            negative_log_likelihood: tally.log_loss.mean(images),
            expected_calibration_error: tally.calibration.expected_error(),
            calibration: tally.calibration.report(),
            real: real_labels.then(|| RealReport::new(tally)),
            per_class,
            most_confused: tally.confusion.most_confused(names, options.confused_pairs),
            confusion: tally.confusion.clone(),
        }
    }

    /// Top-1 accuracy with its interval from a bootstrap over images; `None` where the options do not have top-1.
    ///
    /// # Errors
    /// An option is outside its range.
    pub fn interval(&self, options: BootstrapOptions) -> Result<Option<MetricInterval>, Error> {
        let Some(top) = self.top_k.iter().find(|top| top.k == 1) else { return Ok(None) };
        let (images, correct) = (self.images as usize, top.correct as usize);
        // Which images are correct does not matter, only how many.
        let measure = |weights: &[u32]| {
            let sum: u64 = weights[..correct].iter().map(|&weight| u64::from(weight)).sum();
            ratio(sum, images as u64)
        };
        interval("top-1", images, options, measure).map(Some)
    }

    /// Top-k accuracy; `None` without images, or for a k that is not in the options.
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

/// ImageNet's validation set, on which accuracies are published.
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

impl CsvReport for ClassificationReport {
    fn summary(&self) -> CsvTable {
        let top_k = self.top_k.iter().map(|top| (format!("top{}", top.k), json!(top.accuracy)));
        let mut rows: Vec<(String, Value)> = top_k.collect();
        let mut add = |metric: &str, value| rows.push((metric.to_owned(), value));
        add("mean_class_accuracy", json!(self.mean_class_accuracy));
        add("negative_log_likelihood", json!(self.negative_log_likelihood));
        add("expected_calibration_error", json!(self.expected_calibration_error));
        if let Some(real) = &self.real {
            add("real_accuracy", json!(real.accuracy));
            add("real_images", json!(real.images));
        }
        add("images", json!(self.images));
        CsvTable::of_metrics(rows)
    }

    fn classes(&self) -> CsvTable {
        CsvTable::new("class,images,predicted,correct,accuracy,precision", &self.per_class)
    }
}
