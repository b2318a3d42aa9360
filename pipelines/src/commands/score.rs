//! `pipeline score`: files of predictions against files of truth, without a model.

use eval::classification::{ClassificationOptions, RealLabels};
use eval::coco::IouType;
use eval::segmentation::SegmentationOptions;
use eval::{BootstrapOptions, Comparison, classification, coco, segmentation};
use std::path::Path;

use super::{output, publish, to_json};
use crate::cli::{IouTypeName, ScoreArgs};
use crate::config::TaskKind;
use crate::console::{self, Output, Table};
use crate::failure::Failure;

pub(super) fn run(args: &ScoreArgs) -> Result<(), Failure> {
    args.check()?;
    match &args.compare {
        None => score(args),
        Some(other) => compare(args, other),
    }
}

fn score(args: &ScoreArgs) -> Result<(), Failure> {
    let (truth, predictions, shown) = (&args.annotations, &args.predictions, output(args.json));
    match args.task {
        TaskKind::Detect => {
            let report = coco::score_files(truth, predictions, args.iou_type()).map_err(Failure::failed)?;
            publish(&report, None, shown)
        }
        TaskKind::Classify => {
            let real = args.real_labels.as_ref().map(RealLabels::from_file).transpose().map_err(Failure::failed)?;
            let options = ClassificationOptions::default();
            let report = classification::score_files(truth, predictions, options, real).map_err(Failure::failed)?;
            publish(&report, None, shown)
        }
        TaskKind::Segment => {
            let options = SegmentationOptions { boundary_tolerance: args.boundary_tolerance, ..Default::default() };
            let names = args.class_names()?;
            let report = segmentation::score_folders(truth, predictions, names, args.ignore(), options);
            publish(&report.map_err(Failure::failed)?, None, shown)
        }
    }
}

fn compare(args: &ScoreArgs, other: &Path) -> Result<(), Failure> {
    let (truth, predictions) = (&args.annotations, &args.predictions);
    let options = BootstrapOptions { resamples: args.resamples, seed: args.seed, ..BootstrapOptions::default() };
    let comparison = match args.task {
        TaskKind::Detect => coco::compare_files(truth, predictions, other, args.iou_type(), options),
        TaskKind::Classify => classification::compare_files(truth, predictions, other, options),
        TaskKind::Segment => {
            segmentation::compare_folders(truth, predictions, other, args.class_names()?, args.ignore(), options)
        }
    }
    .map_err(Failure::failed)?;
    match output(args.json) {
        Output::Json => console::data(&to_json(&comparison)?),
        Output::Text => console::data(&table(&comparison).render()),
    }
}

fn table(comparison: &Comparison) -> Table {
    let BootstrapOptions { resamples, confidence, .. } = comparison.bootstrap;
    let title = format!(
        "{}; {} images, paired bootstrap of {resamples} resamples, {:.0} % intervals",
        comparison.rule,
        comparison.images,
        confidence * 100.0
    );
    let mut table = Table::new(title, &["metric", "A", "B", "B - A", "from", "to", "B better"]);
    let cell = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    table.rows.extend(comparison.metrics.iter().map(|metric| {
        let values = [metric.a, metric.b, metric.difference, metric.low, metric.high, metric.b_above_a];
        std::iter::once(metric.name.clone()).chain(values.map(cell)).collect()
    }));
    table
}

impl ScoreArgs {
    /// Refuses options that the task has no use for.
    fn check(&self) -> Result<(), Failure> {
        let (detect, classify, segment) =
            (self.task == TaskKind::Detect, self.task == TaskKind::Classify, self.task == TaskKind::Segment);
        let options = [
            ("--iou-type", self.iou_type.is_some(), detect),
            ("--real-labels", self.real_labels.is_some(), classify),
            ("--class-names", self.class_names.is_some(), segment),
            ("--ignore", self.ignore.is_some(), segment),
            ("--boundary-tolerance", self.boundary_tolerance.is_some(), segment),
        ];
        match options.iter().find(|(_, given, used)| *given && !used) {
            Some((name, ..)) => Err(Failure::usage(format!("{name} has no meaning for this task"))),
            None => Ok(()),
        }
    }

    fn iou_type(&self) -> IouType {
        match self.iou_type {
            Some(IouTypeName::Segm) => IouType::Segm,
            Some(IouTypeName::Bbox) | None => IouType::Bbox,
        }
    }

    fn ignore(&self) -> Option<u8> {
        Some(self.ignore.unwrap_or(255))
    }

    /// The classes of masks, one name a line.
    fn class_names(&self) -> Result<Vec<String>, Failure> {
        let Some(file) = &self.class_names else {
            return Err(Failure::usage("masks do not name their classes")
                .hint("Add --class-names FILE with one name a line, in the order of the ids."));
        };
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::failed(format!("{} cannot be read: {error}", file.display())))?;
        Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }
}
