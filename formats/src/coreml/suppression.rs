//! Non-maximum suppression behind a program, in the form that Vision turns into recognised objects: a model of its own, one of two in a
//! pipeline.
//!
//! Boxes are suppressed among those with the same best class, and each keeps the confidence of every class: so a box is one detection,
//! of its best class, where torchvision can make one of each class.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::package::Package;
use super::proto::{
    ArrayFeature, ArrayKind, FeatureDescription, FeatureType, Model, ModelDescription, NonMaximumSuppression, Nothing,
    PickTop, Pipeline, Range, Ranges, Strings,
};
use crate::Error;
use crate::graph::ends::Suppression;

/// The outputs of a program that is suppressed: confidences `[A, K]`, and coordinates `[A, 4]`.
pub const BEFORE: [&str; 2] = ["raw_confidence", "raw_coordinates"];
/// Those of the pipeline.
pub const BEHIND: [&str; 2] = ["confidence", "coordinates"];
const IOU: &str = "iouThreshold";
const CONFIDENCE: &str = "confidenceThreshold";

impl Package {
    /// The package with a suppression behind its program, whose outputs are [`BEFORE`]: the confidence of each label for each box, and
    /// boxes as centre x, centre y, width and height in shares of the image. Both thresholds are inputs as well, which may be left out.
    ///
    /// # Errors
    /// [`Error::Value`] where a threshold is not from 0 to 1.
    pub fn suppressed(self, labels: &[&str], limits: &Suppression) -> Result<Self, Error> {
        limits.check()?;
        let Self { mut model, weights } = self;
        let mut description = model.description.take().unwrap_or_default();
        let metadata = description.metadata.take();
        let feature = |name: &str, text: &str, columns: u64| {
            let kind = ArrayKind::F32 as i32;
            // Any number of rows.
            let ranges = vec![Range { lower: 0, upper: -1 }, Range { lower: columns, upper: columns as i64 }];
            let array = ArrayFeature { ranges: Some(Ranges { ranges }), kind, ..ArrayFeature::default() };
            FeatureDescription {
                name: name.to_owned(),
                short_description: text.to_owned(),
                r#type: Some(FeatureType { array: Some(array), ..FeatureType::default() }),
            }
        };
        let outputs = vec![
            feature(BEHIND[0], "Boxes × class confidence", labels.len() as u64),
            feature(BEHIND[1], "Boxes × [x, y, width, height], relative to the image size", 4),
        ];
        let threshold = |name: &str, text: &str, value: f64| FeatureDescription {
            name: name.to_owned(),
            short_description: format!("{text}; {value} where it is left out"),
            r#type: Some(FeatureType { double: Some(Nothing {}), is_optional: true, ..FeatureType::default() }),
        };
        let suppression = Model {
            specification_version: model.specification_version,
            description: Some(ModelDescription {
                input: description.output.clone(),
                output: outputs.clone(),
                ..ModelDescription::default()
            }),
            suppression: Some(NonMaximumSuppression {
                pick_top: Some(PickTop { per_class: true }),
                labels: Some(Strings { values: labels.iter().map(|&label| label.to_owned()).collect() }),
                iou_threshold: limits.iou_threshold,
                confidence_threshold: limits.score_threshold,
                confidence_input: BEFORE[0].to_owned(),
                coordinates_input: BEFORE[1].to_owned(),
                iou_threshold_input: IOU.to_owned(),
                confidence_threshold_input: CONFIDENCE.to_owned(),
                confidence_output: BEHIND[0].to_owned(),
                coordinates_output: BEHIND[1].to_owned(),
            }),
            ..Model::default()
        };
        let mut inputs = description.input.clone();
        inputs.push(threshold(IOU, "Overlap above which the weaker of two boxes is dropped", limits.iou_threshold));
        inputs.push(threshold(CONFIDENCE, "Confidence below which a box is dropped", limits.score_threshold));
        model.description = Some(description);
        let pipeline = Model {
            specification_version: model.specification_version,
            description: Some(ModelDescription {
                input: inputs,
                output: outputs,
                metadata,
                ..ModelDescription::default()
            }),
            pipeline: Some(Pipeline {
                models: vec![model, suppression],
                names: vec!["detector".to_owned(), "suppression".to_owned()],
            }),
            ..Model::default()
        };
        Ok(Self { model: pipeline, weights })
    }
}

/// The boxes that remain, the best first, of confidences `[A, K]` and coordinates `[A, 4]`: those at or above the threshold, without
/// those that overlap a better one with the same best class by more than the other threshold (`NonMaximumSuppression.proto`).
///
/// # Errors
/// libtorch's, where the tensors have other shapes.
pub(super) fn pick_top(
    [confidence, coordinates]: [&Tensor; 2],
    settings: &NonMaximumSuppression,
) -> Result<[Tensor; 2], tch::TchError> {
    let (best, classes) = confidence.f_max_dim(1, false)?;
    let order: Vec<i64> = Vec::try_from(best.f_argsort_stable(true, 0, true)?)?;
    let best: Vec<f32> = Vec::try_from(best.f_to_kind(Kind::Float)?)?;
    let classes: Vec<i64> = Vec::try_from(classes)?;
    let flat: Vec<f32> = Vec::try_from(coordinates.f_to_kind(Kind::Float)?.f_contiguous()?.f_view(-1)?)?;
    let boxes = flat.as_chunks::<4>().0;
    let per_class = settings.pick_top.as_ref().is_some_and(|pick| pick.per_class);
    let mut kept: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    let mut rows = Vec::new();
    for row in order {
        let index = row as usize;
        let Some(place) = boxes.get(index) else { continue };
        if f64::from(best[index]) < settings.confidence_threshold {
            break;
        }
        let rivals = kept.entry(if per_class { classes[index] } else { 0 }).or_default();
        if rivals.iter().all(|&other| overlap(place, &boxes[other]) <= settings.iou_threshold) {
            rivals.push(index);
            rows.push(row);
        }
    }
    let rows = Tensor::from_slice(&rows);
    Ok([confidence.f_index_select(0, &rows)?, coordinates.f_index_select(0, &rows)?])
}

/// Intersection over union of two boxes, centre x, centre y, width, height.
fn overlap(a: &[f32; 4], b: &[f32; 4]) -> f64 {
    let side = |axis: usize| {
        let half = |of: &[f32; 4]| f64::from(of[axis + 2]) / 2.0;
        let (low_a, high_a) = (f64::from(a[axis]) - half(a), f64::from(a[axis]) + half(a));
        let (low_b, high_b) = (f64::from(b[axis]) - half(b), f64::from(b[axis]) + half(b));
        (high_a.min(high_b) - low_a.max(low_b)).max(0.0)
    };
    let area = |of: &[f32; 4]| f64::from(of[2]) * f64::from(of[3]);
    let shared = side(0) * side(1);
    let whole = area(a) + area(b) - shared;
    if whole > 0.0 { shared / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_dropped_for_a_better_one_of_its_class_alone() {
        let boxes = [[0.5, 0.5, 0.4, 0.4], [0.52, 0.5, 0.4, 0.4], [0.5, 0.5, 0.4, 0.4], [0.1, 0.1, 0.1, 0.1]];
        let scores = [[0.6_f32, 0.1], [0.7, 0.2], [0.1, 0.5], [0.01, 0.02]];
        let coordinates =
            Tensor::from_slice(boxes.map(|place| place.map(|side: f32| side)).as_flattened()).view([4, 4]);
        let confidence = Tensor::from_slice(scores.as_flattened()).view([4, 2]);
        let settings = |per_class| NonMaximumSuppression {
            pick_top: Some(PickTop { per_class }),
            iou_threshold: 0.5,
            confidence_threshold: 0.05,
            ..NonMaximumSuppression::default()
        };
        let kept = |settings: &NonMaximumSuppression| -> Vec<Vec<f32>> {
            let [confidence, _] = pick_top([&confidence, &coordinates], settings).unwrap();
            Vec::try_from(confidence).unwrap()
        };
        assert_eq!(kept(&settings(true)), [[0.7, 0.2], [0.1, 0.5]]);
        assert_eq!(kept(&settings(false)), [[0.7, 0.2]]);
        let loose = NonMaximumSuppression { iou_threshold: 1.0, ..settings(true) };
        assert_eq!(kept(&loose).len(), 3);
    }
}
