//! The evaluator: label images in, a [`SegmentationReport`] out.

use super::options::SegmentationOptions;
use super::report::SegmentationReport;
use super::tally::{MAX_CLASSES, Tally};
use crate::checks::{Names, unique_names};
use crate::confusion::ConfusionMatrix;
use crate::{Error, Place};

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
        self.check(predicted, truth, size).map_err(|error| error.within(Place::image_name(image)))?;
        self.tally.add(predicted, truth, self.ignore);
        if let Some(tolerance) = self.options.boundary_tolerance {
            self.tally.add_boundaries(predicted, truth, self.ignore, size, tolerance);
        }
        Ok(())
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

    fn check(&self, predicted: &[u8], truth: &[u8], [height, width]: [usize; 2]) -> Result<(), Error> {
        let expected = height.saturating_mul(width);
        for (what, labels) in [("predicted pixels", predicted), ("true pixels", truth)] {
            if labels.len() != expected {
                return Err(Error::Count { what, found: labels.len(), expected });
            }
        }
        let classes = self.names.len();
        let outside = |label: u8| usize::from(label) >= classes;
        for (pixel, (&predicted, &truth)) in predicted.iter().zip(truth).enumerate() {
            if Some(truth) == self.ignore || !(outside(predicted) || outside(truth)) {
                continue;
            }
            let (side, label) = if outside(truth) { ("true", truth) } else { ("predicted", predicted) };
            let name = format!("the {side} label at row {}, column {}", pixel / width, pixel % width);
            return Err(Error::value(name, label, format!("a class below {classes}")));
        }
        Ok(())
    }
}
