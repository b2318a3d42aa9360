//! Non-maximum suppression: of overlapping boxes, the best one is kept. Equal to torchvision's `batched_nms`.

use crate::ssdlite::{
    anchors::Corners,
    matcher::{area, larger, smaller},
};

/// Intersection over union of two boxes; NaN where both are empty.
pub fn iou(a: &Corners, b: &Corners) -> f32 {
    let width = larger(smaller(a[2], b[2]) - larger(a[0], b[0]), 0.0);
    let height = larger(smaller(a[3], b[3]) - larger(a[1], b[1]), 0.0);
    let intersection = width * height;
    intersection / (area(a) + area(b) - intersection)
}

/// Positions of the kept boxes, by descending score, of equal scores the earlier first.
///
/// A box is dropped if it overlaps a better kept one of its class by more than `threshold`. `boxes` (corners in pixels), `scores`
/// (not NaN) and `classes` have equal lengths.
pub fn nms(boxes: &[Corners], scores: &[f32], classes: &[usize], threshold: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..boxes.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let class_count = classes.iter().max().map_or(0, |largest| largest + 1);
    let mut suppression = Suppression::new(class_count, threshold);
    order.retain(|&index| suppression.admit(classes[index], boxes[index]));
    order
}

/// The boxes kept so far, by class.
#[derive(Debug)]
pub(super) struct Suppression {
    threshold: f64,
    kept: Vec<Vec<Corners>>,
}

impl Suppression {
    /// For `classes` classes; boxes that overlap by more than `threshold` suppress each other.
    pub fn new(classes: usize, threshold: f64) -> Self {
        Self { threshold, kept: vec![Vec::new(); classes] }
    }

    /// Adds the next box in descending order of score and returns whether it is kept.
    pub fn admit(&mut self, class: usize, bbox: Corners) -> bool {
        let kept = &mut self.kept[class];
        let free = !kept.iter().any(|other| f64::from(iou(other, &bbox)) > self.threshold);
        if free {
            kept.push(bbox);
        }
        free
    }
}
