//! The report on a detector: COCO's twelve statistics, and AP and AR of each class.

use ::coco::{AccumulatedEval, COCOeval};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::annotation::Category;
use super::detected::IouType;
use super::evaluator::MAX_DETECTIONS;
use super::finding::Finding;
use super::ground_truth::GroundTruth;
use crate::Error;

/// Name and pycocotools' line of each statistic, in pycocotools' order.
const STATISTICS: [(&str, &str); 12] = [
    ("AP", "Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ]"),
    ("AP50", "Average Precision  (AP) @[ IoU=0.50      | area=   all | maxDets=100 ]"),
    ("AP75", "Average Precision  (AP) @[ IoU=0.75      | area=   all | maxDets=100 ]"),
    ("APs", "Average Precision  (AP) @[ IoU=0.50:0.95 | area= small | maxDets=100 ]"),
    ("APm", "Average Precision  (AP) @[ IoU=0.50:0.95 | area=medium | maxDets=100 ]"),
    ("APl", "Average Precision  (AP) @[ IoU=0.50:0.95 | area= large | maxDets=100 ]"),
    ("AR1", "Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=  1 ]"),
    ("AR10", "Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets= 10 ]"),
    ("AR100", "Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ]"),
    ("ARs", "Average Recall     (AR) @[ IoU=0.50:0.95 | area= small | maxDets=100 ]"),
    ("ARm", "Average Recall     (AR) @[ IoU=0.50:0.95 | area=medium | maxDets=100 ]"),
    ("ARl", "Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | maxDets=100 ]"),
];

/// pycocotools' value of a mean over nothing.
const UNDEFINED: f64 = -1.0;

/// The result of an evaluation, in the numbers of pycocotools: from 0 to 1, and -1 without objects.
///
/// Serialises with the statistics by name (`{"stats": {"AP": 0.25, "AP50": ...}, ...}`).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CocoReport {
    /// Whether overlaps are those of boxes or of masks.
    pub iou_type: IouType,
    /// The rule that defines the numbers.
    pub rule: String,
    /// Whether they may be compared with a leaderboard, and if not, why.
    pub comparable: String,
    /// How many detections of an image and class are evaluated, best first; 100 in COCO. The names of the statistics keep COCO's
    /// number.
    pub max_detections: usize,
    /// The twelve statistics in pycocotools' order: AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl.
    #[serde(serialize_with = "by_name")]
    pub stats: [f64; 12],
    /// Each class, in the ground truth's order.
    pub per_class: Vec<ClassReport>,
    /// Images evaluated: all of the ground truth.
    pub images: usize,
    /// Detections added, including those beyond the best [`max_detections`](Self::max_detections) of a class and image.
    pub detections: usize,
    /// Oddities of the files that matter when these numbers are compared with others.
    pub findings: Vec<Finding>,
}

/// The result for one class; values are `None` for a class without objects.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassReport {
    /// The category's id.
    pub id: u64,
    /// The category's name.
    pub name: String,
    /// Objects to find: annotations that are not crowds.
    pub objects: usize,
    /// Mean precision over IoU .50:.05:.95 and 101 recall points.
    pub ap: Option<f64>,
    /// Mean precision at IoU .50.
    pub ap50: Option<f64>,
    /// Mean precision at IoU .75.
    pub ap75: Option<f64>,
    /// Mean recall over IoU .50:.05:.95 with 1 detection an image.
    pub ar1: Option<f64>,
    /// Mean recall over IoU .50:.05:.95 with 10 detections an image.
    pub ar10: Option<f64>,
    /// Mean recall over IoU .50:.05:.95 with 100 detections an image.
    pub ar100: Option<f64>,
}

/// One of the twelve lines that pycocotools prints: `" {label} = {value:.3}"`.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Short name: "AP", "AP50", "ARl".
    pub name: &'static str,
    /// pycocotools' text for it.
    pub label: String,
    /// The value, -1 where undefined.
    pub value: f64,
}

impl CocoReport {
    pub(super) fn new(
        ground_truth: &GroundTruth,
        iou_type: IouType,
        mut evaluated: COCOeval,
        detections: usize,
        max_detections: usize,
    ) -> Result<CocoReport, Error> {
        let missing = || ::coco::Error::InvalidState("it gave no statistics".to_owned());
        evaluated.accumulate();
        // Unlike `summarize`, this does not print.
        evaluated.summarize_lines();
        let stats = evaluated.stats().and_then(|stats| stats.try_into().ok()).ok_or_else(missing)?;
        let curves = evaluated.accumulated().ok_or_else(missing)?;
        Ok(CocoReport {
            iou_type,
            rule: format!("COCO {iou_type}, IoU .50:.05:.95, 101 recall points, as pycocotools 2.0.11"),
            comparable: if max_detections == MAX_DETECTIONS {
                comparable(ground_truth)
            } else {
                format!("no: published numbers are with {MAX_DETECTIONS} detections an image and class")
            },
            max_detections,
            stats,
            per_class: per_class(ground_truth, curves),
            images: ground_truth.images().len(),
            detections,
            findings: ground_truth.findings().to_vec(),
        })
    }

    /// The twelve statistics with pycocotools' text for them, in its order.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        STATISTICS.iter().zip(self.stats).map(|(&(name, label), value)| {
            let label = label.replace("maxDets=100", &format!("maxDets={:>3}", self.max_detections));
            Row { name, label, value }
        })
    }
}

macro_rules! statistics {
    ($($(#[$doc:meta])* $name:ident = $index:literal;)*) => {
        impl CocoReport {
            $($(#[$doc])* pub fn $name(&self) -> f64 {
                self.stats[$index]
            })*
        }
    };
}

statistics! {
    /// AP over IoU .50:.05:.95, also called mAP.
    ap = 0;
    /// AP at IoU .50.
    ap50 = 1;
    /// AP at IoU .75.
    ap75 = 2;
    /// AP of objects up to 32² pixels.
    ap_small = 3;
    /// AP of objects between 32² and 96² pixels.
    ap_medium = 4;
    /// AP of objects from 96² pixels.
    ap_large = 5;
    /// AR with one detection for an image and class.
    ar_1 = 6;
    /// AR with 10 detections for an image and class.
    ar_10 = 7;
    /// AR with 100 detections for an image and class.
    ar_100 = 8;
    /// AR of objects up to 32² pixels.
    ar_small = 9;
    /// AR of objects between 32² and 96² pixels.
    ar_medium = 10;
    /// AR of objects from 96² pixels.
    ar_large = 11;
}

/// The set of COCO's leaderboard and papers.
const VAL2017_IMAGES: usize = 5000;
const COCO_CLASSES: usize = 80;

/// Whether numbers on this ground truth may be compared with published ones.
pub(super) fn comparable(ground_truth: &GroundTruth) -> String {
    let (images, classes) = (ground_truth.images().len(), ground_truth.categories().len());
    if ground_truth.findings().iter().any(Finding::is_oddity_of_annotations) {
        "no: the annotation file has oddities (see findings) that pycocotools counts differently or not at all"
            .to_owned()
    } else if (images, classes) == (VAL2017_IMAGES, COCO_CLASSES) {
        "with published numbers on val2017, if these are its images and annotations; COCO's server alone scores test-dev"
            .to_owned()
    } else {
        format!(
            "no: COCO val2017 has {VAL2017_IMAGES} images of {COCO_CLASSES} classes, this set {images} of {classes}"
        )
    }
}

fn by_name<S: Serializer>(stats: &[f64; 12], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(stats.len()))?;
    for ((name, _), value) in STATISTICS.iter().zip(stats) {
        map.serialize_entry(name, value)?;
    }
    map.end()
}

fn per_class(ground_truth: &GroundTruth, curves: &AccumulatedEval) -> Vec<ClassReport> {
    let mut objects = vec![0; ground_truth.categories().len()];
    for annotation in ground_truth.annotations().iter().filter(|annotation| !annotation.crowd) {
        if let Some(position) = ground_truth.category_position(annotation.category_id) {
            objects[position] += 1;
        }
    }
    let thresholds = curves.shape.t;
    let class = |(category, objects): (&Category, usize)| {
        let k = curves.cat_ids.iter().position(|&id| id == category.id);
        let ap = |t| k.and_then(|k| mean(precisions(curves, t, k)));
        let ar = |limit| {
            let recall = |k| move |t| curves.recall[curves.recall_idx(t, k, ALL_AREAS, limit)];
            k.and_then(|k| mean((0..thresholds).map(recall(k))))
        };
        ClassReport {
            id: category.id,
            name: category.name.clone(),
            objects,
            ap: k.and_then(|k| mean((0..thresholds).flat_map(|t| precisions(curves, t, k)))),
            ap50: ap(IOU_50),
            ap75: ap(IOU_75),
            ar1: ar(MAX_DETS_1),
            ar10: ar(MAX_DETS_10),
            ar100: ar(MAX_DETS_ALL),
        }
    };
    ground_truth.categories().iter().zip(objects).map(class).collect()
}

/// Indices on the engine's axes: IoU .50:.05:.95, areas all, small, medium, large, and 1, 10, all evaluated detections.
const IOU_50: usize = 0;
const IOU_75: usize = 5;
const ALL_AREAS: usize = 0;
const MAX_DETS_1: usize = 0;
const MAX_DETS_10: usize = 1;
const MAX_DETS_ALL: usize = 2;

/// Precision of category `k` at each recall point, at IoU threshold `t`.
fn precisions(curves: &AccumulatedEval, t: usize, k: usize) -> impl Iterator<Item = f64> + '_ {
    (0..curves.shape.r).map(move |r| curves.precision[curves.precision_idx(t, r, k, ALL_AREAS, MAX_DETS_ALL)])
}

/// The mean of the values that are defined.
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.filter(|&value| value > UNDEFINED).fold((0.0, 0usize), |(sum, n), v| (sum + v, n + 1));
    (count > 0).then(|| sum / count as f64)
}
