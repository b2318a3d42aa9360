//! The report on a segmenter.

use serde::Serialize;
use serde_json::json;

use super::options::SegmentationOptions;
use super::tally::Tally;
use crate::confusion::{ConfusedPair, ConfusionMatrix};
use crate::exact_sum::{ExactSum, mean, ratio};
use crate::table::{CsvReport, CsvTable};

const RULE: &str = "pixels of all images in one matrix; means over the classes in truth or prediction";

/// The result of an evaluation. Shares lie between 0 and 1, and are `None` without anything to count.
///
/// With a class's pixels in truth *t*, in prediction *p* and in both *b*: IoU is `b / (t + p - b)`, accuracy `b / t`, Dice
/// `2b / (t + p)`. A class in neither has no IoU and no Dice, and is left out of their means, as in mmsegmentation;
/// torchvision's references, where it is NaN, agree if every class occurs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SegmentationReport {
    /// The rule that defines the numbers.
    pub rule: String,
    /// Whether they may be compared with a leaderboard, and if not, why.
    pub comparable: String,
    /// Images added.
    pub images: u64,
    /// Pixels counted.
    pub pixels: u64,
    /// Pixels left out because their truth is ignored.
    pub ignored: u64,
    /// IoU of each class, averaged over the classes in truth or prediction: mIoU.
    pub mean_iou: Option<f64>,
    /// Share of the pixels that is correct.
    pub pixel_accuracy: Option<f64>,
    /// Accuracy of each class, averaged over the classes in truth.
    pub mean_accuracy: Option<f64>,
    /// IoU of each class, weighted by the class's pixels in truth.
    pub frequency_weighted_iou: Option<f64>,
    /// Dice of each class, averaged over the classes in truth or prediction.
    pub mean_dice: Option<f64>,
    /// The boundary F-score, if it is measured.
    pub boundary: Option<BoundaryReport>,
    /// Each class, in the order of the labels.
    pub per_class: Vec<ClassReport>,
    /// The most frequent confusions.
    pub most_confused: Vec<ConfusedPair>,
    /// Counts of (true, predicted) classes, in pixels.
    pub confusion: ConfusionMatrix,
}

/// How well boundaries match.
///
/// The F-score (DAVIS's rule) of a class is measured on each image with the class in truth or prediction, on pixels that are
/// not ignored, and averaged over those images, then over the classes, as in Csurka et al., BMVC 2013.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BoundaryReport {
    /// The rule that defines the number.
    pub rule: String,
    /// The largest distance of matching boundaries, as a share of the image's diagonal.
    pub tolerance: f64,
    /// The mean over the classes.
    pub f_score: Option<f64>,
}

/// The result for one class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassReport {
    /// The class's name.
    pub name: String,
    /// Pixels that are truly of the class.
    pub pixels: u64,
    /// Pixels predicted as the class, correct or not.
    pub predicted: u64,
    /// Pixels that are both.
    pub correct: u64,
    /// Intersection over union.
    pub iou: Option<f64>,
    /// `correct / pixels`, the class's recall.
    pub accuracy: Option<f64>,
    /// `correct / predicted`.
    pub precision: Option<f64>,
    /// Twice the intersection over the sum of both.
    pub dice: Option<f64>,
    /// Mean boundary F-score over the images with the class, if it is measured.
    pub boundary_f_score: Option<f64>,
}

impl SegmentationReport {
    pub(super) fn new(names: &[String], options: &SegmentationOptions, tally: &Tally) -> SegmentationReport {
        let confusion = tally.confusion();
        let totals = confusion.totals(names.len());
        let per_class: Vec<ClassReport> = names
            .iter()
            .zip(&totals)
            .zip(&tally.boundaries)
            .map(|((name, totals), boundary)| ClassReport {
                name: name.clone(),
                pixels: totals.truth,
                predicted: totals.predicted,
                correct: totals.correct,
                iou: ratio(totals.correct, totals.union()),
                accuracy: ratio(totals.correct, totals.truth),
                precision: ratio(totals.correct, totals.predicted),
                dice: ratio(2 * totals.correct, totals.truth + totals.predicted),
                boundary_f_score: boundary.f_scores.mean(boundary.images),
            })
            .collect();
        let pixels: u64 = totals.iter().map(|totals| totals.truth).sum();
        let correct: u64 = totals.iter().map(|totals| totals.correct).sum();
        let mut weighted = ExactSum::default();
        for class in &per_class {
            weighted.add(class.iou.unwrap_or(0.0) * (class.pixels as f64 / pixels.max(1) as f64));
        }
        let mean_of = |share: fn(&ClassReport) -> Option<f64>| mean(per_class.iter().filter_map(share));
        SegmentationReport {
            rule: RULE.to_owned(),
            comparable: comparable(tally.images, &per_class),
            images: tally.images,
            pixels,
            ignored: tally.ignored,
            mean_iou: mean_of(|class| class.iou),
            pixel_accuracy: ratio(correct, pixels),
            mean_accuracy: mean_of(|class| class.accuracy),
            frequency_weighted_iou: (pixels > 0).then(|| weighted.value()),
            mean_dice: mean_of(|class| class.dice),
            boundary: options.boundary_tolerance.map(|tolerance| BoundaryReport {
                rule: "boundary F by DAVIS 2017, mean over images and then classes".to_owned(),
                tolerance,
                f_score: mean_of(|class| class.boundary_f_score),
            }),
            most_confused: confusion.most_confused(names, options.confused_pairs),
            per_class,
            confusion,
        }
    }
}

/// Sets on which mIoU is published, with their images and classes.
const PUBLISHED: [(&str, u64, usize); 3] =
    [("VOC2012 val", 1449, 21), ("ADE20K val", 2000, 150), ("Cityscapes val", 500, 19)];

fn comparable(images: u64, classes: &[ClassReport]) -> String {
    let absent = classes.iter().filter(|class| class.iou.is_none()).count();
    let of = classes.len();
    let published = PUBLISHED.iter().find(|&&(_, count, number)| (count, number) == (images, of));
    match published {
        _ if absent > 0 => {
            format!(
                "no: {absent} of {of} classes are in neither truth nor prediction, and a published mean is over all"
            )
        }
        Some((set, ..)) => format!(
            "with published numbers on {set} at a single scale, if these are its images and annotations in their own size"
        ),
        None => format!(
            "no: published numbers are on complete sets ({}), and this is another one ({images} images, {of} classes)",
            PUBLISHED.map(|(set, images, classes)| format!("{set}: {images} images, {classes} classes")).join("; ")
        ),
    }
}

impl CsvReport for SegmentationReport {
    fn summary(&self) -> CsvTable {
        let mut rows = vec![
            ("mean_iou", json!(self.mean_iou)),
            ("pixel_accuracy", json!(self.pixel_accuracy)),
            ("mean_accuracy", json!(self.mean_accuracy)),
            ("frequency_weighted_iou", json!(self.frequency_weighted_iou)),
            ("mean_dice", json!(self.mean_dice)),
        ];
        if let Some(boundary) = &self.boundary {
            rows.push(("boundary_f_score", json!(boundary.f_score)));
            rows.push(("boundary_tolerance", json!(boundary.tolerance)));
        }
        rows.extend([("images", json!(self.images)), ("pixels", json!(self.pixels)), ("ignored", json!(self.ignored))]);
        CsvTable::of_metrics(rows)
    }

    fn classes(&self) -> CsvTable {
        let header = "class,pixels,predicted,correct,iou,accuracy,precision,dice,boundary_f_score";
        CsvTable::new(header, &self.per_class)
    }
}
