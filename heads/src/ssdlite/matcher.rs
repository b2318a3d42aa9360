//! The object of each anchor (section 2.2 of <https://arxiv.org/abs/1512.02325>), equal to torchvision's `SSDMatcher`.
//!
//! Matching depends only on anchors and boxes, so it runs on the host while the device is busy.

use crate::ssdlite::anchors::{Anchors, Corners};

/// Assigns objects to anchors: each anchor gets the object with the largest overlap, if it is at least the threshold; then each
/// object gets the anchor with the largest overlap, however small.
///
/// Of equal overlaps the first object or anchor is used. If two objects have the same best anchor, the later one gets it.
#[derive(Debug, Clone)]
pub struct Matcher {
    threshold: f32,
    x1: Vec<f32>,
    y1: Vec<f32>,
    x2: Vec<f32>,
    y2: Vec<f32>,
    area: Vec<f32>,
}

impl Matcher {
    /// A matcher for `anchors` that accepts overlaps (intersection over union) of at least `threshold`.
    pub fn new(anchors: &Anchors, threshold: f64) -> Self {
        let column = |index: usize| anchors.boxes().iter().map(|corners| corners[index]).collect();
        let area = anchors.boxes().iter().map(area).collect();
        Self { threshold: threshold as f32, x1: column(0), y1: column(1), x2: column(2), y2: column(3), area }
    }

    /// For each anchor the position in `boxes` (corners in pixels, of positive area) of its object, if it has one.
    pub fn matches(&self, boxes: &[Corners]) -> Vec<Option<usize>> {
        let mut best = vec![(f32::NEG_INFINITY, 0); self.area.len()];
        let mut overlaps = vec![0.0; self.area.len()];
        let mut best_anchors = Vec::with_capacity(boxes.len());
        for (object, corners) in boxes.iter().enumerate() {
            self.overlaps(corners, &mut overlaps);
            best_anchors.push(first_maximum(&overlaps));
            for (best, &overlap) in best.iter_mut().zip(&overlaps) {
                if overlap > best.0 {
                    *best = (overlap, object);
                }
            }
        }
        let mut matches: Vec<_> =
            best.into_iter().map(|(overlap, object)| (overlap >= self.threshold).then_some(object)).collect();
        for (object, anchor) in best_anchors.into_iter().enumerate() {
            if let Some(entry) = matches.get_mut(anchor) {
                *entry = Some(object);
            }
        }
        matches
    }

    /// Intersection over union of a box with every anchor; stored by column, so that the compiler vectorises it.
    fn overlaps(&self, &[bx1, by1, bx2, by2]: &Corners, into: &mut [f32]) {
        let box_area = area(&[bx1, by1, bx2, by2]);
        let columns = self.x1.iter().zip(&self.y1).zip(self.x2.iter().zip(&self.y2)).zip(&self.area);
        for (overlap, (((&x1, &y1), (&x2, &y2)), &area)) in into.iter_mut().zip(columns) {
            let width = larger(smaller(bx2, x2) - larger(bx1, x1), 0.0);
            let height = larger(smaller(by2, y2) - larger(by1, y1), 0.0);
            let intersection = width * height;
            *overlap = intersection / (box_area + area - intersection);
        }
    }
}

pub(super) fn area(&[x1, y1, x2, y2]: &Corners) -> f32 {
    (x2 - x1) * (y2 - y1)
}

pub(super) fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

pub(super) fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

fn first_maximum(values: &[f32]) -> usize {
    let largest = values.iter().copied().fold(f32::NEG_INFINITY, larger);
    values.iter().position(|&value| value == largest).unwrap_or(0)
}
