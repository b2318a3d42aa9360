//! The targets of the anchors of a batch, computed on the host from the annotated objects.

use crate::{
    Error,
    ssdlite::{
        anchors::{Anchors, Corners},
        box_coder::BoxCoder,
        matcher::Matcher,
    },
};

/// The annotated objects of one image.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroundTruth {
    /// Corners in pixels of the input.
    pub boxes: Vec<Corners>,
    /// Classes, from 1; 0 is the background.
    pub labels: Vec<i64>,
}

impl GroundTruth {
    fn validate(&self, image: usize, classes: i64) -> Result<(), Error> {
        let (boxes, labels) = (self.boxes.len(), self.labels.len());
        if boxes != labels {
            return Err(Error::LabelCount { image, boxes, labels });
        }
        for (object, (&bbox, &label)) in self.boxes.iter().zip(&self.labels).enumerate() {
            let [x1, y1, x2, y2] = bbox;
            if !(bbox.iter().all(|corner| corner.is_finite()) && x1 < x2 && y1 < y2) {
                return Err(Error::Box { image, object, bbox });
            }
            if !(1..=classes).contains(&label) {
                return Err(Error::Label { image, object, label, classes });
            }
        }
        Ok(())
    }
}

/// The targets of the anchors of a batch. Positive anchors are those with an object.
///
/// They are on the host, so that the losses never wait for the device. Anchors are positions in `[N * A]`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Targets {
    /// Positive anchors, ascending.
    pub positives: Vec<i64>,
    /// Offsets of each positive anchor's object.
    pub deltas: Vec<[f32; 4]>,
    /// Positive anchors in the classification loss, some of them twice.
    pub foreground: Vec<i64>,
    /// Class of each entry of `foreground`.
    pub labels: Vec<i64>,
    /// For each image, the number of hardest other anchors that count as background.
    pub negatives: Vec<i64>,
}

/// Converts annotated objects to [`Targets`].
#[derive(Debug)]
pub(super) struct Assigner<'a> {
    pub anchors: &'a Anchors,
    pub matcher: &'a Matcher,
    pub coder: &'a BoxCoder,
    pub classes: i64,
    pub negatives_per_positive: f64,
}

impl Assigner<'_> {
    /// Checks and assigns the objects of a batch.
    pub fn assign(&self, batch: &[GroundTruth]) -> Result<Targets, Error> {
        let mut targets = Targets::default();
        for (image, truth) in batch.iter().enumerate() {
            truth.validate(image, self.classes)?;
            if truth.boxes.is_empty() {
                targets.negatives.push(0);
            } else {
                self.assign_image(image, truth, &mut targets);
            }
        }
        Ok(targets)
    }

    /// If an image has fewer negative anchors than the quota, its first positive ones count twice, as in torchvision.
    fn assign_image(&self, image: usize, truth: &GroundTruth, targets: &mut Targets) {
        let first = image * self.anchors.len();
        let mut foreground = Vec::new();
        for (anchor, object) in self.matcher.matches(&truth.boxes).into_iter().enumerate() {
            let Some(object) = object else { continue };
            foreground.push(((first + anchor) as i64, truth.labels[object]));
            targets.deltas.push(self.coder.encode(&truth.boxes[object], &self.anchors.boxes()[anchor]));
        }
        let (quota, others) = (self.quota(foreground.len()), self.anchors.len() - foreground.len());
        targets.negatives.push(quota.min(others) as i64);
        targets.positives.extend(foreground.iter().map(|&(anchor, _)| anchor));
        let twice = foreground.iter().take(quota.saturating_sub(others));
        for &(anchor, label) in foreground.iter().chain(twice) {
            targets.foreground.push(anchor);
            targets.labels.push(label);
        }
    }

    /// In fp32 as in torchvision, which uses every rank below `ratio * positives`.
    fn quota(&self, positives: usize) -> usize {
        (self.negatives_per_positive as f32 * positives as f32).ceil() as usize
    }
}
