//! Two classifiers on the same images.

use std::path::Path;

use super::evaluator::ClassificationEvaluator;
use super::options::ClassificationOptions;
use super::predictions::PredictionReader;
use super::score_files::score_rows;
use super::tally::best;
use crate::bootstrap::{BootstrapOptions, Comparison, compare};
use crate::exact_sum::ratio;
use crate::{Error, Place};

const RULE: &str = "top-1 accuracy, paired bootstrap over images, intervals of percentiles";

/// Compares two sets of class scores in top-1 accuracy: new, add for each image, finish.
///
/// Memory: two bytes an image. Time: a resample is one pass over the images.
pub struct ClassificationComparison {
    evaluator: ClassificationEvaluator,
    options: BootstrapOptions,
    /// Of each image, whether A and whether B is correct.
    correct: Vec<[bool; 2]>,
}

impl ClassificationComparison {
    /// An empty comparison; the classes in the order of the scores, which are any finite numbers.
    ///
    /// # Errors
    /// There is no class, two classes have one name, an option is outside its range.
    pub fn new(
        class_names: impl IntoIterator<Item = impl Into<String>>,
        options: BootstrapOptions,
    ) -> Result<ClassificationComparison, Error> {
        options.validate()?;
        let evaluator = ClassificationEvaluator::new(class_names, ClassificationOptions::default())?;
        Ok(ClassificationComparison { evaluator, options, correct: Vec::new() })
    }

    /// Adds an image: a score for each class from A and from B, and the index of the true class.
    ///
    /// # Errors
    /// As [`ClassificationEvaluator::add`], with the set.
    pub fn add(&mut self, image: &str, a: &[f32], b: &[f32], truth: usize) -> Result<(), Error> {
        let correct = |set, scores: &[f32]| match self.evaluator.check(scores, truth) {
            Ok(()) => Ok(best(scores) == truth),
            Err(error) => Err(error.within(Place::image_name(image)).within(Place::PredictionSet(set))),
        };
        self.correct.push([correct('A', a)?, correct('B', b)?]);
        Ok(())
    }

    /// The comparison of everything added.
    ///
    /// # Errors
    /// None.
    pub fn finish(self) -> Result<Comparison, Error> {
        compare_correct(&self.correct, self.options)
    }
}

/// Compares two files of class scores on a file of true classes, as [`score_files`](super::score_files) reads them; the files
/// may list classes and images in different orders.
///
/// # Errors
/// As [`score_files`](super::score_files) for either file; an option outside its range.
pub fn compare_files(
    truth: impl AsRef<Path>,
    a: impl AsRef<Path>,
    b: impl AsRef<Path>,
    options: BootstrapOptions,
) -> Result<Comparison, Error> {
    options.validate()?;
    let [a, b] = [a.as_ref(), b.as_ref()].map(|path| read_correct(truth.as_ref(), path));
    let correct: Vec<[bool; 2]> = a?.into_iter().zip(b?).map(|(a, b)| [a, b]).collect();
    compare_correct(&correct, options)
}

/// Whether each image's best class is the true one, in the truth's order.
fn read_correct(truth: &Path, predictions: &Path) -> Result<Vec<bool>, Error> {
    let mut correct = Vec::new();
    score_rows(truth, &mut PredictionReader::open(predictions)?, |row, expected| {
        correct.push((expected.line, best(row.scores) == expected.class));
        Ok(())
    })?;
    correct.sort_unstable();
    Ok(correct.into_iter().map(|(_, correct)| correct).collect())
}

fn compare_correct(correct: &[[bool; 2]], options: BootstrapOptions) -> Result<Comparison, Error> {
    compare(RULE.to_owned(), correct.len(), options, &["top-1"], |weights| {
        let mut sums = [0; 2];
        let mut images = 0;
        for (&weight, correct) in weights.iter().zip(correct) {
            images += u64::from(weight);
            for (sum, &correct) in sums.iter_mut().zip(correct) {
                *sum += u64::from(weight) * u64::from(correct);
            }
        }
        vec![sums.map(|sum| ratio(sum, images))]
    })
}
