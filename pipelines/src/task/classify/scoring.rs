//! Classes counted as ImageNet counts them.

use datasets::classification::{ClassificationSample, ClassificationSet};
use eval::classification::{
    ClassificationEvaluator, ClassificationOptions, ClassificationReport, PredictionWriter, RealLabels, write_truth,
};
use std::path::{Path, PathBuf};

use super::Classify;
use crate::failure::Failure;
use crate::task::Scorer;

/// Counts the classes of pictures.
pub struct ClassifyScorer {
    evaluator: ClassificationEvaluator,
    files: Option<Files>,
    names: Vec<String>,
    root: PathBuf,
}

/// Where scores and true classes are written; the truth lists the images that were scored.
struct Files {
    predictions: PredictionWriter,
    truth: PathBuf,
    /// Images and their classes.
    scored: Vec<(String, usize)>,
}

impl ClassifyScorer {
    /// A scorer of the pictures of `set`, which writes scores and true classes into `folder` where one is given. Pictures are
    /// named by their path below `root`.
    pub(super) fn new(
        set: &ClassificationSet,
        root: &Path,
        real_labels: Option<&Path>,
        folder: Option<&Path>,
    ) -> Result<Self, Failure> {
        let names: Vec<String> = set.classes.iter().map(|class| class.name.clone()).collect();
        let files = |folder: &Path| -> Result<Files, Failure> {
            let predictions = PredictionWriter::create(folder.join("predictions.csv"), names.clone());
            let (predictions, truth) = (predictions?, folder.join("ground_truth.csv"));
            Ok(Files { predictions, truth, scored: Vec::new() })
        };
        let files = folder.map(files).transpose()?;
        let mut evaluator = ClassificationEvaluator::new(names.clone(), ClassificationOptions::default())?;
        if let Some(labels) = real_labels {
            let labels = RealLabels::from_file(labels)?;
            evaluator = evaluator.with_real_labels(labels)?;
        }
        Ok(Self { evaluator, files, names, root: root.to_owned() })
    }
}

/// A picture: its name, its scores and its true class.
type Scored = (String, Vec<f32>, usize);

impl Scorer<Classify> for ClassifyScorer {
    type Report = ClassificationReport;
    type Result = Scored;

    const UNREADABLE: &'static str = "they are left out of the score";

    fn result(&self, _: &Classify, scores: Vec<f32>, sample: &ClassificationSample) -> Result<Scored, Failure> {
        let name = sample.path.strip_prefix(&self.root).unwrap_or(&sample.path).to_string_lossy().into_owned();
        Ok((name, scores, sample.class))
    }

    fn add(&mut self, (name, scores, class): Scored) -> Result<(), Failure> {
        self.evaluator.add(&name, &scores, class)?;
        if let Some(files) = &mut self.files {
            files.predictions.add(&name, &scores)?;
            files.scored.push((name, class));
        }
        Ok(())
    }

    fn finish(self) -> Result<ClassificationReport, Failure> {
        if let Some(Files { predictions, truth, scored }) = self.files {
            predictions.finish()?;
            let scored = scored.iter().map(|(image, class)| (image.as_str(), self.names[*class].as_str()));
            write_truth(truth, scored)?;
        }
        Ok(self.evaluator.finish())
    }
}
