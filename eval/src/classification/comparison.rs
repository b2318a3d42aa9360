//! Two classifiers on the same images.

use std::path::Path;

use super::evaluator::{ClassificationEvaluator, best};
use super::options::ClassificationOptions;
use super::predictions::PredictionReader;
use super::score_files::score_rows;
use crate::Error;
use crate::bootstrap::{BootstrapOptions, Comparison, compare};
use crate::exact_sum::ratio;

const RULE: &str = "top-1 accuracy, paired bootstrap over images, intervals of percentiles";

/// Compares two sets of class scores in top-1 accuracy: new, add for each image, finish.
///
/// What is kept of an image is two bytes; a resample costs a pass over the images.
pub struct ClassificationComparison {
    evaluator: ClassificationEvaluator,
    options: BootstrapOptions,
    /// Whether A and whether B is right, of each image.
    right: Vec<[bool; 2]>,
}

impl ClassificationComparison {
    /// A comparison that has seen nothing; the classes in the order of the scores, which are any finite numbers.
    ///
    /// # Errors
    /// No class, two of one name, options outside their range.
    pub fn new(
        class_names: impl IntoIterator<Item = impl Into<String>>,
        options: BootstrapOptions,
    ) -> Result<ClassificationComparison, Error> {
        options.validate()?;
        let evaluator = ClassificationEvaluator::new(class_names, ClassificationOptions::default())?;
        Ok(ClassificationComparison { evaluator, options, right: Vec::new() })
    }

    /// Adds an image: a score for each class from A and from B, and the index of the true class.
    ///
    /// # Errors
    /// As [`ClassificationEvaluator::add`], with the set. The comparison is then as it was.
    pub fn add(&mut self, image: &str, a: &[f32], b: &[f32], truth: usize) -> Result<(), Error> {
        let right = |set, scores: &[f32]| {
            let admitted = self.evaluator.admit(scores, truth);
            admitted.map_err(|error| error.of_image(image).in_set(set)).map(|()| best(scores) == truth)
        };
        self.right.push([right('A', a)?, right('B', b)?]);
        Ok(())
    }

    /// The comparison of everything added.
    ///
    /// # Errors
    /// None.
    pub fn finish(self) -> Result<Comparison, Error> {
        compare_right(&self.right, self.options)
    }
}

/// Compares two files of class scores on a file of true classes, as [`score_files`](super::score_files) reads them; the files
/// may list classes and images in different orders.
///
/// # Errors
/// As [`score_files`](super::score_files) for either file; options outside their range.
pub fn compare_files(
    truth: impl AsRef<Path>,
    a: impl AsRef<Path>,
    b: impl AsRef<Path>,
    options: BootstrapOptions,
) -> Result<Comparison, Error> {
    options.validate()?;
    let [a, b] = [a.as_ref(), b.as_ref()].map(|path| read_right(truth.as_ref(), path));
    let right: Vec<[bool; 2]> = a?.into_iter().zip(b?).map(|(a, b)| [a, b]).collect();
    compare_right(&right, options)
}

/// Whether each image's best class is the true one, in the truth's order.
fn read_right(truth: &Path, predictions: &Path) -> Result<Vec<bool>, Error> {
    let mut right = Vec::new();
    score_rows(truth, &mut PredictionReader::open(predictions)?, |row, expected| {
        right.push((expected.line, best(row.scores) == expected.class));
        Ok(())
    })?;
    right.sort_unstable();
    Ok(right.into_iter().map(|(_, right)| right).collect())
}

fn compare_right(right: &[[bool; 2]], options: BootstrapOptions) -> Result<Comparison, Error> {
    compare(RULE.to_owned(), right.len(), options, &["top-1"], |weights| {
        let mut correct = [0; 2];
        let mut images = 0;
        for (&weight, right) in weights.iter().zip(right) {
            images += u64::from(weight);
            for (correct, &right) in correct.iter_mut().zip(right) {
                *correct += u64::from(weight) * u64::from(right);
            }
        }
        vec![correct.map(|correct| ratio(correct, images))]
    })
}
