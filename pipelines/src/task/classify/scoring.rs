//! Classes counted as ImageNet counts them.

use datasets::classification::{ClassificationSample, ClassificationSet};
use eval::classification::{
    ClassificationEvaluator, ClassificationOptions, ClassificationReport, PredictionWriter, RealLabels, best,
    probabilities, write_truth,
};
use std::path::{Path, PathBuf};

use super::Classify;
use crate::failure::Failure;
use crate::report::page::Insight;
use crate::task::Scorer;
use crate::task::evaluate::INTERVAL;

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
    const QUALITY: &'static str =
        "Images are ranked by the probability of the best class: the worst are the most confident mistakes";

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

    /// Above one half where the class is right, below where it is wrong, the further the more certain: the worst are the most
    /// confident mistakes.
    fn quality(&self, (_, scores, class): &Scored) -> Result<Option<f64>, Failure> {
        let (best, probabilities) = (best(scores), probabilities(scores));
        let certain = probabilities.get(best).copied().unwrap_or(0.0) / 2.0;
        Ok(Some(if best == *class { 0.5 + certain } else { 0.5 - certain }))
    }

    fn finish(self) -> Result<(ClassificationReport, Insight), Failure> {
        let report = self.evaluator.finish();
        let mut insight = Insight::default();
        if let Some(Files { predictions, truth, scored }) = self.files {
            insight.interval = report.interval(INTERVAL)?;
            predictions.finish()?;
            let scored = scored.iter().map(|(image, class)| (image.as_str(), self.names[*class].as_str()));
            write_truth(truth, scored)?;
        }
        Ok((report, insight))
    }
}
