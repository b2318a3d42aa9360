//! Confusions with background as one more class: objects that are missed, and detections where there is no object.

use serde::Serialize;

use super::ground_truth::GroundTruth;
use super::predictions::Detection;
use crate::confusion::{ConfusedPair, ConfusionMatrix};

/// The name of the class that means "no object".
const BACKGROUND: &str = "background";

/// How many of the most frequent confusions are listed.
const LISTED_PAIRS: usize = 20;

/// The confusion matrix with background.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConfusionReport {
    /// The rule that defines the counts.
    pub rule: String,
    /// The classes of rows and columns: the ground truth's in its order, then background.
    pub classes: Vec<String>,
    /// Rows are the truth, columns the prediction. The last row counts detections without an object, the last column
    /// objects without a detection.
    pub matrix: ConfusionMatrix,
    /// The most frequent confusions, including those with background.
    pub most_confused: Vec<ConfusedPair>,
}

/// Counts of confusions as ultralytics' `ConfusionMatrix.process_batch` counts them.
pub(super) struct BackgroundConfusion {
    confidence: f64,
    iou: f64,
    matrix: ConfusionMatrix,
}

impl BackgroundConfusion {
    pub(super) fn new(confidence: f64, iou: f64) -> BackgroundConfusion {
        BackgroundConfusion { confidence, iou, matrix: ConfusionMatrix::default() }
    }

    /// Counts an image's detections: each goes to the object of any class with which it overlaps most, and each object keeps
    /// the detection with the largest overlap. Crowds are left out.
    pub(super) fn add(&mut self, ground_truth: &GroundTruth, position: usize, detections: &[Detection]) {
        let class_of = |id| ground_truth.category_position(id);
        let objects: Vec<_> = ground_truth
            .annotations_of(position)
            .iter()
            .filter(|annotation| !annotation.crowd)
            .filter_map(|annotation| Some((class_of(annotation.category_id)?, annotation.bbox)))
            .collect();
        let kept: Vec<_> = detections
            .iter()
            .filter(|detection| detection.score > self.confidence)
            .filter_map(|detection| Some((class_of(detection.category_id)?, detection.bbox)))
            .collect();
        let background = ground_truth.categories().len();

        let mut matched: Vec<Option<(usize, f64)>> = vec![None; objects.len()];
        for (index, (_, bbox)) in kept.iter().enumerate() {
            let overlaps = objects.iter().enumerate().map(|(object, (_, other))| (object, iou(bbox, other)));
            let best = overlaps.filter(|&(_, iou)| iou > self.iou).reduce(|a, b| if b.1 > a.1 { b } else { a });
            if let Some((object, iou)) = best
                && matched[object].is_none_or(|(_, other)| iou > other)
            {
                matched[object] = Some((index, iou));
            }
        }
        let mut has_object = vec![false; kept.len()];
        for ((class, _), matched) in objects.iter().zip(matched) {
            let predicted = matched.map_or(background, |(index, _)| {
                has_object[index] = true;
                kept[index].0
            });
            self.matrix.add(*class, predicted, 1);
        }
        for ((class, _), _) in kept.iter().zip(has_object).filter(|(_, has_object)| !has_object) {
            self.matrix.add(background, *class, 1);
        }
    }

    pub(super) fn report(self, ground_truth: &GroundTruth) -> ConfusionReport {
        let names = ground_truth.categories().iter().map(|category| category.name.clone());
        let classes: Vec<String> = names.chain([BACKGROUND.to_owned()]).collect();
        ConfusionReport {
            rule: format!("as ultralytics: scores above {}, IoU above {}, any class", self.confidence, self.iou),
            most_confused: self.matrix.most_confused(&classes, LISTED_PAIRS),
            classes,
            matrix: self.matrix,
        }
    }
}

/// Intersection over union of boxes as x, y, width, height; 0 for boxes without an area.
pub(super) fn iou(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    let shared = |axis: usize| ((a[axis] + a[axis + 2]).min(b[axis] + b[axis + 2]) - a[axis].max(b[axis])).max(0.0);
    let both = shared(0) * shared(1);
    if both > 0.0 { both / (a[2] * a[3] + b[2] * b[3] - both) } else { 0.0 }
}
