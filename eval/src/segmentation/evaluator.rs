//! The evaluator: label images in, a [`SegmentationReport`] out.

use std::path::Path;

use super::label_image::LabelImage;
use super::options::SegmentationOptions;
use super::report::SegmentationReport;
use super::tally::{MAX_CLASSES, Tally};
use crate::checks::{Names, unique_names};
use crate::confusion::ConfusionMatrix;
use crate::{Error, Place};

/// Whose labels an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Predicted,
    True,
}

/// Evaluates label images: new, add for each image, finish.
///
/// Pixels whose true label is the ignored one are not counted, whatever is predicted there.
#[derive(Debug, Clone)]
pub struct SegmentationEvaluator {
    names: Names,
    ignore: Option<u8>,
    options: SegmentationOptions,
    tally: Tally,
}

impl SegmentationEvaluator {
    /// An empty evaluator; the classes in the order of their labels, from 0.
    ///
    /// # Errors
    /// There are no classes or more than 256, two classes have one name, an option is outside its range.
    pub fn new(
        class_names: impl IntoIterator<Item = impl Into<String>>,
        ignore: Option<u8>,
        options: SegmentationOptions,
    ) -> Result<SegmentationEvaluator, Error> {
        options.validate()?;
        let names = unique_names(class_names)?;
        if names.len() > MAX_CLASSES {
            return Err(Error::value("the number of classes", names.len(), "at most 256 (a label is a byte)"));
        }
        let tally = Tally::new(names.len());
        Ok(SegmentationEvaluator { names, ignore, options, tally })
    }

    /// Adds an image of size `[H, W]`: predicted and true labels, both [H, W].
    ///
    /// # Errors
    /// All name the image, which is then not added: another number of pixels than H x W; with its pixel, a label that is
    /// neither a class nor, in the truth, the ignored one.
    pub fn add(&mut self, image: &str, predicted: &[u8], truth: &[u8], size: [usize; 2]) -> Result<(), Error> {
        self.check(predicted, truth, size).map_err(|(_, error)| error.within(Place::image_name(image)))?;
        self.count(predicted, truth, size);
        Ok(())
    }

    /// As [`SegmentationEvaluator::add`], for labels that were read from files: an error names the file that is at fault.
    pub(super) fn add_files(
        &mut self,
        predicted: (&Path, &LabelImage),
        truth: (&Path, &LabelImage),
    ) -> Result<(), Error> {
        let file = |side| if side == Side::True { truth.0 } else { predicted.0 };
        let (predicted_labels, true_labels, size) = (&predicted.1.labels, &truth.1.labels, truth.1.size);
        self.check(predicted_labels, true_labels, size)
            .map_err(|(side, error)| error.within(Place::file(file(side))))?;
        self.count(predicted_labels, true_labels, size);
        Ok(())
    }

    fn count(&mut self, predicted: &[u8], truth: &[u8], size: [usize; 2]) {
        self.tally.add(predicted, truth, self.ignore);
        if let Some(tolerance) = self.options.boundary_tolerance {
            self.tally.add_boundaries(predicted, truth, self.ignore, size, tolerance);
        }
    }

    /// Adds everything that another evaluator has counted.
    ///
    /// # Errors
    /// The other has other classes, ignored labels or options; nothing is added then.
    pub fn merge(&mut self, other: &SegmentationEvaluator) -> Result<(), Error> {
        let same = [
            ("classes", self.names == other.names),
            ("ignored labels", self.ignore == other.ignore),
            ("options", self.options == other.options),
        ];
        if let Some(&(what, _)) = same.iter().find(|(_, same)| !same) {
            return Err(Error::Unlike { what });
        }
        self.tally.merge(&other.tally);
        Ok(())
    }

    /// The report on everything added.
    pub fn finish(self) -> SegmentationReport {
        SegmentationReport::new(&self.names, &self.options, &self.tally)
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) fn confusion(&self) -> ConfusionMatrix {
        self.tally.confusion()
    }

    /// The side that is at fault, and how.
    fn check(&self, predicted: &[u8], truth: &[u8], [height, width]: [usize; 2]) -> Result<(), (Side, Error)> {
        let expected = height.saturating_mul(width);
        let sides = [(Side::Predicted, "predicted pixels", predicted), (Side::True, "true pixels", truth)];
        for (side, what, labels) in sides {
            if labels.len() != expected {
                return Err((side, Error::Count { what, found: labels.len(), expected }));
            }
        }
        let classes = self.names.len();
        let outside = |label: u8| usize::from(label) >= classes;
        for (pixel, (&predicted, &truth)) in predicted.iter().zip(truth).enumerate() {
            if Some(truth) == self.ignore || !(outside(predicted) || outside(truth)) {
                continue;
            }
            let (side, word, label) = match outside(truth) {
                true => (Side::True, "true", truth),
                false => (Side::Predicted, "predicted", predicted),
            };
            let name = format!("the {word} label at row {}, column {}", pixel / width, pixel % width);
            return Err((side, Error::value(name, label, format!("a class below {classes}"))));
        }
        Ok(())
    }
}
