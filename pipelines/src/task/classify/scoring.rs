//! Classes counted as ImageNet counts them.

use datasets::classification::{ClassificationRecord, ClassificationSample, ClassificationSet};
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
    writer: Option<PredictionWriter>,
    root: PathBuf,
}

impl ClassifyScorer {
    /// A scorer of the pictures of `set`, which writes scores and true classes into `folder` where one is given. Pictures are
    /// named by their place below `root`.
    pub(super) fn new(
        set: &ClassificationSet,
        root: &Path,
        real_labels: Option<&Path>,
        folder: Option<&Path>,
    ) -> Result<Self, Failure> {
        let names: Vec<String> = set.classes.iter().map(|class| class.name.clone()).collect();
        let mut writer = None;
        if let Some(folder) = folder {
            let truth: Vec<(String, &str)> =
                set.records.iter().map(|record| (name(record, root), names[record.class].as_str())).collect();
            let truth = truth.iter().map(|(image, class)| (image.as_str(), *class));
            write_truth(folder.join("ground_truth.csv"), truth).map_err(Failure::failed)?;
            let created = PredictionWriter::create(folder.join("predictions.csv"), names.clone());
            writer = Some(created.map_err(Failure::failed)?);
        }
        let mut evaluator =
            ClassificationEvaluator::new(names, ClassificationOptions::default()).map_err(Failure::failed)?;
        if let Some(labels) = real_labels {
            let labels = RealLabels::from_file(labels).map_err(Failure::failed)?;
            evaluator = evaluator.with_real_labels(labels).map_err(Failure::failed)?;
        }
        Ok(Self { evaluator, writer, root: root.to_owned() })
    }
}

fn name(record: &ClassificationRecord, root: &Path) -> String {
    relative(&record.file, root)
}

fn relative(file: &Path, root: &Path) -> String {
    file.strip_prefix(root).unwrap_or(file).to_string_lossy().into_owned()
}

impl Scorer<Classify> for ClassifyScorer {
    type Report = ClassificationReport;

    fn add(&mut self, _: &Classify, logits: &[Vec<f32>], batch: &[ClassificationSample]) -> Result<(), Failure> {
        for (scores, sample) in logits.iter().zip(batch) {
            let name = relative(&sample.path, &self.root);
            self.evaluator.add(&name, scores, sample.class).map_err(Failure::failed)?;
            if let Some(writer) = &mut self.writer {
                writer.add(&name, scores).map_err(Failure::failed)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<ClassificationReport, Failure> {
        if let Some(writer) = self.writer {
            writer.finish().map_err(Failure::failed)?;
        }
        Ok(self.evaluator.finish())
    }
}
