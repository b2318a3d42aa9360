//! Classes counted as ImageNet counts them.

use datasets::classification::{ClassificationRecord, ClassificationSample, ClassificationSet};
use eval::classification::{
    ClassificationEvaluator, ClassificationOptions, ClassificationReport, PredictionWriter, RealLabels, write_truth,
};
use std::path::{Path, PathBuf};

use super::Classify;
use crate::console::Table;
use crate::failure::Failure;
use crate::task::{CONFUSED, Report, Scorer, provenance};

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

/// Classes of which each has a line in the printed table; the report as JSON has all.
const PRINTED: usize = 100;

impl Report for ClassificationReport {
    const HEADLINE: &'static str = "top1";

    fn headline(&self) -> f64 {
        self.accuracy(1).unwrap_or(0.0)
    }

    fn scalars(&self) -> Vec<(&'static str, f64)> {
        let known = [
            ("top1", self.accuracy(1)),
            ("top5", self.accuracy(5)),
            ("mean_class_accuracy", self.mean_class_accuracy),
            ("nll", self.negative_log_likelihood),
            ("ece", self.expected_calibration_error),
            ("real_top1", self.real.as_ref().and_then(|real| real.accuracy)),
        ];
        known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    fn tables(&self) -> Vec<Table> {
        let cell = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
        let mut summary = Table::new(provenance(&self.rule, &self.comparable), &["metric", "value"]);
        let top = self.top_k.iter().map(|top| (format!("top-{} accuracy", top.k), top.accuracy));
        let rest = [
            ("mean accuracy of the classes".to_owned(), self.mean_class_accuracy),
            ("negative log likelihood".to_owned(), self.negative_log_likelihood),
            ("expected calibration error".to_owned(), self.expected_calibration_error),
        ];
        let real = self.real.iter().map(|real| ("top-1 accuracy, ReaL labels".to_owned(), real.accuracy));
        summary.rows = top.chain(rest).chain(real).map(|(name, value)| vec![name, cell(value)]).collect();
        summary.rows.insert(0, vec!["images".to_owned(), self.images.to_string()]);
        let mut tables = vec![summary];
        if self.per_class.len() <= PRINTED {
            let mut classes = Table::new("", &["class", "images", "predicted", "accuracy", "precision"]);
            classes.rows.extend(self.per_class.iter().map(|class| {
                let counts = [class.images.to_string(), class.predicted.to_string()];
                [vec![class.name.clone()], counts.to_vec(), vec![cell(class.accuracy), cell(class.precision)]].concat()
            }));
            tables.push(classes);
        }
        if !self.most_confused.is_empty() {
            let mut confused = Table::new("Most confused", &["is", "taken for", "images"]);
            confused.rows.extend(
                self.most_confused
                    .iter()
                    .take(10)
                    .map(|pair| vec![pair.truth.clone(), pair.predicted.clone(), pair.count.to_string()]),
            );
            tables.push(confused);
        }
        tables
    }
    fn figures(&self) -> Vec<(&'static str, String)> {
        vec![("confusion", self.confusion_map(CONFUSED).svg())]
    }
}
