//! The evaluator: detections in, image by image, a [`VocReport`] out.

use std::cmp::Ordering;
use std::sync::Arc;

use super::ground_truth::{GroundTruth, Target};
use super::options::VocOptions;
use super::report::VocReport;
use crate::checks::{class_index, finite};
use crate::{Error, Place};

/// A detection on a known image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// The index of the class among the class names.
    pub class: usize,
    /// xmin, ymin, xmax, ymax in pixels of the annotated image; the box includes the last ones.
    pub bbox: [f64; 4],
    /// The detector's confidence; only the order counts.
    pub score: f64,
}

/// Evaluates detections against ground truth: new, add for each image, finish.
///
/// An image that is never added counts as one without detections. Equal scores rank by the image's position in the ground
/// truth, then by the order of the image's detections: the order of adding changes nothing. Memory: 32 bytes a detection.
#[derive(Debug, Clone)]
pub struct VocEvaluator {
    ground_truth: Arc<GroundTruth>,
    options: VocOptions,
    added: Vec<bool>,
    /// For each class, its detections that count.
    ranked: Vec<Vec<Ranked>>,
    detections: u64,
}

/// A detection that counts.
#[derive(Debug, Clone, Copy)]
struct Ranked {
    score: f64,
    image: usize,
    index: u32,
    correct: bool,
}

impl VocEvaluator {
    /// An empty evaluator; ground truth in an [`Arc`] can be used again.
    ///
    /// # Errors
    /// An option is outside its range.
    pub fn new(ground_truth: impl Into<Arc<GroundTruth>>, options: VocOptions) -> Result<VocEvaluator, Error> {
        options.validate()?;
        let ground_truth = ground_truth.into();
        let added = vec![false; ground_truth.images().len()];
        let ranked = vec![Vec::new(); ground_truth.names.len()];
        Ok(VocEvaluator { ground_truth, options, added, ranked, detections: 0 })
    }

    /// Adds all detections of one image.
    ///
    /// # Errors
    /// All name the image, which is then not added: it is not in the ground truth or was added before; a class is not
    /// listed; a box or score is not finite.
    pub fn add(&mut self, image: &str, detections: &[Detection]) -> Result<(), Error> {
        let position = self.check(image, detections)?;
        self.added[position] = true;
        self.detections += detections.len() as u64;
        let targets = self.ground_truth.targets(position);
        let mut matched = vec![false; targets.len()];
        let mut order: Vec<(u32, &Detection)> = (0..).zip(detections).collect();
        order.sort_by(|(_, a), (_, b)| descending(a.score, b.score));
        for (index, detection) in order {
            let correct = match most_overlapped(detection, targets) {
                Some((target, iou)) if iou >= self.options.iou => {
                    if targets[target].difficult {
                        continue;
                    }
                    !std::mem::replace(&mut matched[target], true)
                }
                _ => false,
            };
            self.ranked[detection.class].push(Ranked { score: detection.score, image: position, index, correct });
        }
        Ok(())
    }

    /// Adds everything that another evaluator of the same ground truth has counted.
    ///
    /// # Errors
    /// The ground truth is not the same [`Arc`], the options differ, an image was added to both. Nothing is added then.
    pub fn merge(&mut self, other: &VocEvaluator) -> Result<(), Error> {
        if !Arc::ptr_eq(&self.ground_truth, &other.ground_truth) {
            return Err(Error::Unlike { what: "ground truth" });
        }
        if self.options != other.options {
            return Err(Error::Unlike { what: "options" });
        }
        if let Some(both) = (0..self.added.len()).find(|&position| self.added[position] && other.added[position]) {
            return Err(Error::repeated_image(format!("{:?}", self.ground_truth.images()[both])));
        }
        for (added, other) in self.added.iter_mut().zip(&other.added) {
            *added |= other;
        }
        for (ranked, other) in self.ranked.iter_mut().zip(&other.ranked) {
            ranked.extend_from_slice(other);
        }
        self.detections += other.detections;
        Ok(())
    }

    /// The report on everything added.
    pub fn finish(mut self) -> VocReport {
        for ranked in &mut self.ranked {
            ranked.sort_by(|a, b| descending(a.score, b.score).then((a.image, a.index).cmp(&(b.image, b.index))));
        }
        let outcomes = |ranked: &Vec<Ranked>| ranked.iter().map(|ranked| ranked.correct).collect();
        let outcomes: Vec<Vec<bool>> = self.ranked.iter().map(outcomes).collect();
        VocReport::new(&self.ground_truth, self.options, &outcomes, self.detections)
    }

    fn check(&self, image: &str, detections: &[Detection]) -> Result<usize, Error> {
        let position = self.ground_truth.position(image)?;
        if self.added[position] {
            return Err(Error::repeated_image(format!("{image:?}")));
        }
        for (index, detection) in detections.iter().enumerate() {
            let checked = class_index(detection.class, self.ground_truth.names.len())
                .and_then(|()| finite("bbox", &detection.bbox))
                .and_then(|()| finite("score", &[detection.score]));
            let place = |error: Error| error.within(Place::element("detections", index));
            checked.map_err(|error| place(error).within(Place::image_name(image)))?;
        }
        Ok(position)
    }
}

/// The order of finite scores, the highest first.
fn descending(a: f64, b: f64) -> Ordering {
    b.partial_cmp(&a).unwrap_or(Ordering::Equal)
}

/// The object of the detection's class with the largest overlap, the first of equal ones, and their IoU.
fn most_overlapped(detection: &Detection, targets: &[Target]) -> Option<(usize, f64)> {
    let of_class = targets.iter().enumerate().filter(|(_, target)| target.class == detection.class);
    let overlaps = of_class.map(|(place, target)| (place, inclusive_iou(detection.bbox, target.bbox)));
    overlaps.reduce(|best, next| if next.1 > best.1 { next } else { best })
}

/// Intersection over union of boxes that include their last pixels.
fn inclusive_iou(a: [f64; 4], b: [f64; 4]) -> f64 {
    let side = |low: f64, high: f64| high - low + 1.0;
    let area = |[left, top, right, bottom]: [f64; 4]| side(left, right) * side(top, bottom);
    let width = side(a[0].max(b[0]), a[2].min(b[2]));
    let height = side(a[1].max(b[1]), a[3].min(b[3]));
    if width <= 0.0 || height <= 0.0 {
        return 0.0;
    }
    let both = width * height;
    both / (area(a) + area(b) - both)
}
