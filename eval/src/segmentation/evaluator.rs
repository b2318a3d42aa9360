//! The evaluator: label images in, a [`SegmentationReport`] out.

use super::boundary;
use super::options::SegmentationOptions;
use super::report::SegmentationReport;
use crate::confusion::ConfusionMatrix;
use crate::exact_sum::ExactSum;
use crate::names::{Names, distinct};
use crate::{Error, Side};

/// How many classes a byte can tell apart.
const MOST_CLASSES: usize = 256;

/// Evaluates label images: new, add for each image, finish.
///
/// Pixels whose truth has the ignored label are not looked at, whatever was predicted there.
#[derive(Debug, Clone)]
pub struct SegmentationEvaluator {
    pub(super) names: Names,
    pub(super) ignore: Option<u8>,
    pub(super) options: SegmentationOptions,
    pub(super) tally: Tally,
}

/// What has been counted.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) images: u64,
    pub(super) ignored: u64,
    /// [classes, classes] pixels, rows the truth.
    pixels: Vec<u64>,
    /// For each class, over the images that show it in truth or prediction.
    pub(super) boundaries: Vec<BoundaryTally>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BoundaryTally {
    pub(super) images: u64,
    pub(super) f_scores: ExactSum,
}

impl SegmentationEvaluator {
    /// An evaluator that has seen nothing; the classes in the order of their labels, from 0.
    ///
    /// # Errors
    /// No class or more than 256, two of one name, options outside their range.
    pub fn new(
        class_names: impl IntoIterator<Item = impl Into<String>>,
        ignore: Option<u8>,
        options: SegmentationOptions,
    ) -> Result<SegmentationEvaluator, Error> {
        options.validate()?;
        let names = distinct(class_names, MOST_CLASSES)?;
        let classes = names.len();
        let boundaries = vec![BoundaryTally::default(); classes];
        let tally = Tally { images: 0, ignored: 0, pixels: vec![0; classes * classes], boundaries };
        Ok(SegmentationEvaluator { names, ignore, options, tally })
    }

    /// Adds an image: predicted and true labels, both [H, W], and `[H, W]` itself.
    ///
    /// # Errors
    /// All name the image: another number of pixels than H x W, a label that is neither a class nor, in the truth, ignored,
    /// with its pixel. The evaluator is then as it was.
    pub fn add(&mut self, image: &str, predicted: &[u8], truth: &[u8], size: [usize; 2]) -> Result<(), Error> {
        self.admit(predicted, truth, size).map_err(|error| error.of_image(image))?;
        let classes = self.names.len();
        let mut ignored = 0;
        for (&predicted, &truth) in predicted.iter().zip(truth) {
            if Some(truth) == self.ignore {
                ignored += 1;
            } else {
                self.tally.pixels[usize::from(truth) * classes + usize::from(predicted)] += 1;
            }
        }
        self.tally.images += 1;
        self.tally.ignored += ignored;
        if let Some(tolerance) = self.options.boundary_tolerance {
            self.add_boundaries(predicted, truth, size, tolerance);
        }
        Ok(())
    }

    /// Adds all that another evaluator has seen, which is then as if it had been added here.
    ///
    /// # Errors
    /// Other classes, ignored labels or options. The evaluator is then as it was.
    pub fn merge(&mut self, other: &SegmentationEvaluator) -> Result<(), Error> {
        let same = [
            ("classes", self.names == other.names),
            ("ignored labels", self.ignore == other.ignore),
            ("options", self.options == other.options),
        ];
        if let Some(&(what, _)) = same.iter().find(|(_, same)| !same) {
            return Err(Error::Unlike { what });
        }
        let (tally, other) = (&mut self.tally, &other.tally);
        tally.images += other.images;
        tally.ignored += other.ignored;
        for (pixels, other) in tally.pixels.iter_mut().zip(&other.pixels) {
            *pixels += other;
        }
        for (class, other) in tally.boundaries.iter_mut().zip(&other.boundaries) {
            class.images += other.images;
            class.f_scores.merge(other.f_scores);
        }
        Ok(())
    }

    /// The report on everything added.
    pub fn finish(self) -> SegmentationReport {
        SegmentationReport::new(&self)
    }

    pub(super) fn confusion(&self) -> ConfusionMatrix {
        let classes = self.names.len();
        let mut matrix = ConfusionMatrix::default();
        for (place, &pixels) in self.tally.pixels.iter().enumerate() {
            matrix.add(place / classes, place % classes, pixels);
        }
        matrix
    }

    fn admit(&self, predicted: &[u8], truth: &[u8], [height, width]: [usize; 2]) -> Result<(), Error> {
        for (side, labels) in [(Side::Prediction, predicted), (Side::Truth, truth)] {
            if height.checked_mul(width) != Some(labels.len()) {
                return Err(Error::PixelCount { side, found: labels.len(), height, width });
            }
        }
        let classes = self.names.len();
        let outside = |label: u8| usize::from(label) >= classes;
        let wrong =
            |(&predicted, &truth): (&u8, &u8)| Some(truth) != self.ignore && (outside(predicted) || outside(truth));
        let Some(place) = predicted.iter().zip(truth).position(wrong) else { return Ok(()) };
        let (side, label) =
            if outside(truth[place]) { (Side::Truth, truth[place]) } else { (Side::Prediction, predicted[place]) };
        Err(Error::Label { side, label, row: place / width, column: place % width, classes })
    }

    fn add_boundaries(&mut self, predicted: &[u8], truth: &[u8], size: [usize; 2], tolerance: f64) {
        let counted: Vec<bool> = truth.iter().map(|&truth| Some(truth) != self.ignore).collect();
        let mut shown = [false; MOST_CLASSES];
        for ((&predicted, &truth), _) in predicted.iter().zip(truth).zip(&counted).filter(|(_, counted)| **counted) {
            shown[usize::from(predicted)] = true;
            shown[usize::from(truth)] = true;
        }
        let radius = boundary::radius(tolerance, size);
        for (class, tally) in (0..=u8::MAX).zip(&mut self.tally.boundaries) {
            if !shown[usize::from(class)] {
                continue;
            }
            let mask = |labels: &[u8]| -> Vec<bool> {
                labels.iter().zip(&counted).map(|(&label, &counted)| counted && label == class).collect()
            };
            tally.images += 1;
            tally.f_scores.add(boundary::f_score(&mask(predicted), &mask(truth), size[1], radius));
        }
    }
}
