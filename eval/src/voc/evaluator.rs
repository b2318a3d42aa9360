//! The evaluator: detections in, image by image, a [`VocReport`] out.

use std::cmp::Ordering;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ground_truth::{GroundTruth, Target, check};
use super::report::VocReport;
use crate::{Entry, Error};

/// A detection on an image that is known from where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// The class, by its place among the class names.
    pub class: usize,
    /// xmin, ymin, xmax, ymax in pixels of the image as annotated, the last ones part of the box.
    pub bbox: [f64; 4],
    /// How sure the detector is; only the order counts.
    pub score: f64,
}

/// How VOC detection is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VocOptions {
    /// The overlap from which a detection is right; VOC's own is 0.5.
    pub iou: f64,
}

impl Default for VocOptions {
    fn default() -> VocOptions {
        VocOptions { iou: 0.5 }
    }
}

impl VocOptions {
    /// Whether an evaluation can be made of these.
    ///
    /// # Errors
    /// An overlap that is not above 0 and up to 1.
    pub fn validate(&self) -> Result<(), Error> {
        if self.iou > 0.0 && self.iou <= 1.0 {
            return Ok(());
        }
        Err(Error::Setting { key: "iou", value: self.iou.to_string(), expected: "a number above 0 and up to 1" })
    }
}

/// Evaluates detections against ground truth: new, add for each image, finish.
///
/// An image that is never added counts as one without detections. Equal scores rank by the image's place in the ground
/// truth, then in the order in which the image's detections were given, so that the order of adding changes nothing. What
/// is kept of a detection is 32 bytes.
#[derive(Debug, Clone)]
pub struct VocEvaluator {
    pub(super) ground_truth: Arc<GroundTruth>,
    pub(super) options: VocOptions,
    added: Vec<bool>,
    /// For each class, detections that are right or wrong.
    ranked: Vec<Vec<Ranked>>,
    pub(super) detections: u64,
}

/// A detection that was matched and counts.
#[derive(Debug, Clone, Copy)]
struct Ranked {
    score: f64,
    image: usize,
    index: u32,
    right: bool,
}

impl VocEvaluator {
    /// An evaluator that has seen nothing; ground truth in an [`Arc`] serves one evaluation after another.
    ///
    /// # Errors
    /// Options outside their range.
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
    /// All name the image: one that the ground truth does not list or that was added before, a class that is not listed, a
    /// box or score that is not finite. The evaluator is then as it was.
    pub fn add(&mut self, image: &str, detections: &[Detection]) -> Result<(), Error> {
        let position = self.admit(image, detections).map_err(|error| error.of_image(image))?;
        self.added[position] = true;
        self.detections += detections.len() as u64;
        let targets = self.ground_truth.targets(position);
        let mut taken = vec![false; targets.len()];
        let mut order: Vec<(u32, &Detection)> = (0..).zip(detections).collect();
        order.sort_by(|(_, a), (_, b)| descending(a.score, b.score));
        for (index, detection) in order {
            let right = match most_overlapped(detection, targets) {
                Some((target, iou)) if iou >= self.options.iou => {
                    if targets[target].difficult {
                        continue;
                    }
                    !std::mem::replace(&mut taken[target], true)
                }
                _ => false,
            };
            self.ranked[detection.class].push(Ranked { score: detection.score, image: position, index, right });
        }
        Ok(())
    }

    /// Adds all that another evaluator of the same ground truth has seen, which is then as if it had been added here.
    ///
    /// # Errors
    /// Ground truth that is not the same [`Arc`], other options, an image that both have seen. The evaluator is then as it
    /// was.
    pub fn merge(&mut self, other: &VocEvaluator) -> Result<(), Error> {
        if !Arc::ptr_eq(&self.ground_truth, &other.ground_truth) {
            return Err(Error::Unlike { what: "ground truth" });
        }
        if self.options != other.options {
            return Err(Error::Unlike { what: "options" });
        }
        if let Some(both) = (0..self.added.len()).find(|&position| self.added[position] && other.added[position]) {
            return Err(Error::Again.of_image(&self.ground_truth.images()[both]));
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
        VocReport::new(&self)
    }

    /// Whether each detection of a class that counts is right, once they are in order.
    pub(super) fn outcomes(&self, class: usize) -> impl ExactSizeIterator<Item = bool> + '_ {
        self.ranked[class].iter().map(|ranked| ranked.right)
    }

    fn admit(&self, image: &str, detections: &[Detection]) -> Result<usize, Error> {
        let position = self.ground_truth.position(image).ok_or(Error::NotListed)?;
        if self.added[position] {
            return Err(Error::Again);
        }
        for (index, detection) in detections.iter().enumerate() {
            let entry = Entry::DetectedBox { index };
            check(entry, detection.class, self.ground_truth.names.len(), &detection.bbox)?;
            if !detection.score.is_finite() {
                return Err(Error::NotFinite { entry, field: "score", value: detection.score });
            }
        }
        Ok(position)
    }
}

/// The order of finite scores, the higher first.
fn descending(a: f64, b: f64) -> Ordering {
    b.partial_cmp(&a).unwrap_or(Ordering::Equal)
}

/// The object of the detection's class that it overlaps most, the first of equal ones, with their IoU.
fn most_overlapped(detection: &Detection, targets: &[Target]) -> Option<(usize, f64)> {
    let of_class = targets.iter().enumerate().filter(|(_, target)| target.class == detection.class);
    let overlaps = of_class.map(|(place, target)| (place, inclusive_iou(detection.bbox, target.bbox)));
    overlaps.reduce(|best, next| if next.1 > best.1 { next } else { best })
}

/// Intersection over union of boxes whose last pixels are part of them.
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
