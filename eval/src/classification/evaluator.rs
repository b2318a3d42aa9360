//! The evaluator: class scores in, image by image, a [`ClassificationReport`] out.

use super::options::{ClassificationOptions, ScoreKind};
use super::real_labels::RealLabels;
use super::report::ClassificationReport;
use super::tally::Tally;
use crate::checks::{Names, class_index, unique_names};
use crate::{Error, Place};

/// Evaluates class scores: new, add for each image, finish.
///
/// Among equal scores the class of the lower index ranks first, as with a stable descending sort. An image that is added
/// twice counts twice.
#[derive(Debug, Clone)]
pub struct ClassificationEvaluator {
    names: Names,
    options: ClassificationOptions,
    real: Option<RealLabels>,
    tally: Tally,
}

impl ClassificationEvaluator {
    /// An empty evaluator; the classes in the order of the scores.
    ///
    /// # Errors
    /// There is no class, two classes have one name, an option is outside its range.
    pub fn new(
        class_names: impl IntoIterator<Item = impl Into<String>>,
        options: ClassificationOptions,
    ) -> Result<ClassificationEvaluator, Error> {
        options.validate()?;
        let tally = Tally::new(&options);
        Ok(ClassificationEvaluator { names: unique_names(class_names)?, options, real: None, tally })
    }

    /// Also measures images that are added later against ReaL labels.
    ///
    /// # Errors
    /// A label is not a class index.
    pub fn with_real_labels(mut self, labels: RealLabels) -> Result<ClassificationEvaluator, Error> {
        labels.check(self.names.len())?;
        self.real = Some(labels);
        Ok(self)
    }

    /// Adds an image: a score for each class, and the index of the true class.
    ///
    /// # Errors
    /// All name the image, which is then not added: another number of scores than classes; a score that is not finite or,
    /// for probabilities, not from 0 to 1; a true class that is not a class index; an image without an entry in the ReaL
    /// labels.
    pub fn add(&mut self, image: &str, scores: &[f32], truth: usize) -> Result<(), Error> {
        let real = self.check(scores, truth).and_then(|()| match &self.real {
            Some(labels) => labels.of(image),
            None => Ok(&[]),
        });
        let real = real.map_err(|error| error.within(Place::image_name(image)))?;
        self.tally.add(&self.options, scores, truth, real);
        Ok(())
    }

    /// Adds everything that another evaluator has counted.
    ///
    /// # Errors
    /// The other has other classes, options or ReaL labels; nothing is added then.
    pub fn merge(&mut self, other: &ClassificationEvaluator) -> Result<(), Error> {
        let same = [
            ("classes", self.names == other.names),
            ("options", self.options == other.options),
            ("ReaL labels", self.real == other.real),
        ];
        if let Some(&(what, _)) = same.iter().find(|(_, same)| !same) {
            return Err(Error::Unlike { what });
        }
        self.tally.merge(&other.tally);
        Ok(())
    }

    /// The report on everything added.
    pub fn finish(self) -> ClassificationReport {
        ClassificationReport::new(&self.names, &self.options, self.real.is_some(), &self.tally)
    }

    pub(super) fn check(&self, scores: &[f32], truth: usize) -> Result<(), Error> {
        let classes = self.names.len();
        if scores.len() != classes {
            return Err(Error::Count { what: "scores", found: scores.len(), expected: classes });
        }
        class_index(truth, classes)?;
        self.options.scores.check(scores, &self.names)
    }
}

impl ScoreKind {
    /// Checks the scores of all classes.
    pub(super) fn check(self, scores: &[f32], names: &[String]) -> Result<(), Error> {
        let probabilities = self == ScoreKind::Probabilities;
        let expected = if probabilities { "a probability from 0 to 1" } else { "a finite number" };
        let valid = |score: f32| if probabilities { (0.0..=1.0).contains(&score) } else { score.is_finite() };
        match scores.iter().zip(names).find(|&(&score, _)| !valid(score)) {
            Some((score, class)) => Err(Error::value(format!("the score of class {class:?}"), score, expected)),
            None => Ok(()),
        }
    }
}
