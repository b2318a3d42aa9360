//! Non-maximum suppression: of boxes that overlap, the best one stays. Equal to torchvision's `batched_nms`.

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

/// Positions of the boxes that stay, by descending score, of equal scores the earlier first.
///
/// A box is dropped where it overlaps a better one of its class that stays by more than `threshold`. `boxes` (corners in
/// pixels), `scores` (numbers) and `classes` run in parallel.
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
    /// Nothing kept yet of `classes` classes; boxes that overlap by more than `threshold` suppress each other.
    pub fn new(classes: usize, threshold: f64) -> Self {
        Self { threshold, kept: vec![Vec::new(); classes] }
    }

    /// Takes the next box in descending order of score: whether it is kept.
    pub fn admit(&mut self, class: usize, bbox: Corners) -> bool {
        let kept = &mut self.kept[class];
        let free = !kept.iter().any(|other| f64::from(iou(other, &bbox)) > self.threshold);
        if free {
            kept.push(bbox);
        }
        free
    }
}
