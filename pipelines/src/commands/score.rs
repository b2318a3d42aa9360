//! `pipeline score`: files of predictions against files of truth, without a model.

use datasets::voc::Classes;
use eval::classification::{ClassificationOptions, RealLabels};
use eval::coco::{AnalysisOptions, AnalysisReport, IouType};
use eval::segmentation::SegmentationOptions;
use eval::voc::{FileIds, VocOptions, VocReport, inclusive};
use eval::{BootstrapOptions, Comparison, classification, coco, segmentation, voc};
use std::path::Path;

use super::{output, publish, tell_findings, to_json, write_report};
use crate::cli::{IouTypeName, ScoreArgs};
use crate::config::TaskKind;
use crate::console::{self, Output, Table};
use crate::failure::Failure;
use crate::task::{CONFUSED, Report, provenance};

pub(super) fn run(args: &ScoreArgs) -> Result<(), Failure> {
    args.check()?;
    match &args.compare {
        None => score(args),
        Some(other) => compare(args, other),
    }
}

fn score(args: &ScoreArgs) -> Result<(), Failure> {
    let (truth, predictions) = (&args.annotations, &args.predictions);
    match args.task {
        TaskKind::Detect if truth.is_dir() => show(args, &voc_report(args)?),
        TaskKind::Detect if args.analyze => {
            let report = coco::analyze_files(truth, predictions, AnalysisOptions::default());
            show(args, &report.map_err(Failure::failed)?)
        }
        TaskKind::Detect => {
            show(args, &coco::score_files(truth, predictions, args.iou_type()).map_err(Failure::failed)?)
        }
        TaskKind::Classify => {
            let real = args.real_labels.as_ref().map(RealLabels::from_file).transpose().map_err(Failure::failed)?;
            let options = ClassificationOptions::default();
            let report = classification::score_files(truth, predictions, options, real);
            show(args, &report.map_err(Failure::failed)?)
        }
        TaskKind::Segment => {
            let options = SegmentationOptions { boundary_tolerance: args.boundary_tolerance, ..Default::default() };
            let names = args.class_names()?;
            let report = segmentation::score_folders(truth, predictions, names, args.ignore(), options);
            show(args, &report.map_err(Failure::failed)?)
        }
    }
}

/// Prints a report as it was asked for.
fn show(args: &ScoreArgs, report: &impl Report) -> Result<(), Failure> {
    let folder = args.output.as_deref();
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::failed(format!("{} cannot be made: {error}", folder.display())))?;
    }
    match (args.csv, args.per_class) {
        (false, _) => return publish(report, None, folder, output(args.json)),
        (true, false) => console::data(&report.summary().to_string())?,
        (true, true) => console::data(&report.classes().to_string())?,
    }
    folder.map_or(Ok(()), |folder| write_report(report, None, folder))
}

/// Detections against a VOC devkit folder.
fn voc_report(args: &ScoreArgs) -> Result<VocReport, Failure> {
    let split = args.split.as_deref().ok_or_else(|| {
        Failure::usage("a VOC devkit has several lists of images")
            .hint("Add --split NAME, the list in ImageSets/Main without its ending, for example --split val.")
    })?;
    let names = args.class_names.as_ref().map(|_| args.class_names()).transpose()?;
    let classes = names.as_deref().map_or(Classes::Collected, Classes::Given);
    let set = datasets::voc::read(&args.annotations, split, classes).map_err(Failure::failed)?;
    tell_findings("annotations", &crate::task::sentences(&set.findings));
    let stem = |record: &datasets::Record| record.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let objects = set.records.iter().flat_map(|record| {
        record.objects.iter().map(|object| voc::Object {
            image: stem(record),
            class: object.class,
            bbox: inclusive(object.bbox),
            difficult: object.difficult,
        })
    });
    let names: Vec<String> = set.classes.iter().map(|class| class.name.clone()).collect();
    let truth = voc::GroundTruth::from_parts(set.records.iter().map(stem).collect(), names, objects.collect());
    let truth = truth.map_err(Failure::failed)?;
    let ids = FileIds {
        images: set.records.iter().map(|record| record.image_id).collect(),
        classes: set.classes.iter().map(|class| class.id).collect(),
    };
    voc::score_files(truth, &ids, &args.predictions, VocOptions::default()).map_err(Failure::failed)
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
    table.rows.extend(comparison.metrics.iter().map(|metric| {
        let values = [metric.a, metric.b, metric.difference, metric.low, metric.high, metric.b_above_a];
        std::iter::once(metric.name.clone()).chain(values.map(cell)).collect()
    }));
    table
}

fn cell(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.4}"))
}

impl Report for VocReport {
    const HEADLINE: &'static str = "map_2010";

    fn headline(&self) -> f64 {
        self.voc_2010.map.unwrap_or(0.0)
    }

    fn scalars(&self) -> Vec<(&'static str, f64)> {
        let known = [("map_2007", self.voc_2007.map), ("map_2010", self.voc_2010.map)];
        known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    fn tables(&self) -> Vec<Table> {
        let of_rule = |rule: &voc::RuleReport| {
            let mut table = Table::new(provenance(&rule.rule, &rule.comparable), &["metric", "value"]);
            table.rows = vec![vec!["mean AP".to_owned(), cell(rule.map)]];
            table
        };
        let mut classes = Table::new("", &["class", "objects", "difficult", "right", "wrong", "AP 2007", "AP 2010"]);
        classes.rows.extend(self.per_class.iter().map(|class| {
            let counts = [class.objects, class.difficult, class.right, class.wrong].map(|count| count.to_string());
            let values = [class.ap_2007, class.ap_2010].map(cell);
            std::iter::once(class.name.clone()).chain(counts).chain(values).collect()
        }));
        vec![of_rule(&self.voc_2007), of_rule(&self.voc_2010), classes]
    }
}

/// Curves in a figure beside the mean.
const CURVES: usize = 9;

impl Report for AnalysisReport {
    const HEADLINE: &'static str = "ap50";

    fn headline(&self) -> f64 {
        self.tide.ap50
    }

    fn scalars(&self) -> Vec<(&'static str, f64)> {
        vec![("ap50", self.tide.ap50)]
    }

    fn tables(&self) -> Vec<Table> {
        let numbers = |point: Option<coco::OperatingPoint>| {
            let of = |value: fn(coco::OperatingPoint) -> f64| cell(point.map(value));
            [of(|point| point.threshold), of(|point| point.precision), of(|point| point.recall), of(|point| point.f1)]
        };
        let title = provenance(&self.rule, &self.comparable);
        let header = ["class", "objects", "AP50", "threshold", "precision", "recall", "best F1"];
        let mut classes = Table::new(format!("{title}\nThe threshold of the best F1 of each class"), &header);
        classes.rows.extend(self.per_class.iter().map(|class| {
            let first = [class.name.clone(), class.objects.to_string(), cell(class.ap50())];
            first.into_iter().chain(numbers(class.best)).collect()
        }));
        let all: u64 = self.per_class.iter().map(|class| class.objects).sum();
        let first = ["all, one threshold".to_owned(), all.to_string(), cell(Some(self.tide.ap50))];
        classes.rows.push(first.into_iter().chain(numbers(self.best)).collect());
        let mut errors = Table::new(self.tide.rule.clone(), &["error", "count", "AP50 lost", "what"]);
        errors.rows.extend(self.tide.errors.iter().map(|error| {
            vec![error.name.clone(), error.count.to_string(), format!("{:.4}", error.delta_ap), error.meaning.clone()]
        }));
        for (name, lost) in
            [("all false positives", self.tide.false_positives), ("all missed", self.tide.false_negatives)]
        {
            errors.rows.push(vec![name.to_owned(), "-".to_owned(), format!("{lost:.4}"), String::new()]);
        }
        let mut confused = Table::new(self.confusion.rule.clone(), &["is", "taken for", "count"]);
        confused.rows.extend(
            self.confusion
                .most_confused
                .iter()
                .take(10)
                .map(|pair| vec![pair.truth.clone(), pair.predicted.clone(), pair.count.to_string()]),
        );
        vec![classes, errors, confused]
    }

    fn figures(&self) -> Vec<(&'static str, String)> {
        vec![
            ("precision_recall", self.precision_recall_chart(CURVES).svg()),
            ("confusion", self.confusion_map(CONFUSED).svg()),
        ]
    }
}

impl ScoreArgs {
    /// Refuses options that the task has no use for.
    fn check(&self) -> Result<(), Failure> {
        let detect = self.task == TaskKind::Detect;
        let (classify, segment) = (self.task == TaskKind::Classify, self.task == TaskKind::Segment);
        let devkit = detect && self.annotations.is_dir();
        let options = [
            ("--iou-type", self.iou_type.is_some(), detect && !devkit && !self.analyze),
            ("--split", self.split.is_some(), devkit),
            ("--analyze", self.analyze, detect && !devkit && self.compare.is_none()),
            ("--real-labels", self.real_labels.is_some(), classify && self.compare.is_none()),
            ("--class-names", self.class_names.is_some(), segment || devkit),
            ("--ignore", self.ignore.is_some(), segment),
            ("--boundary-tolerance", self.boundary_tolerance.is_some(), segment && self.compare.is_none()),
            ("--compare", self.compare.is_some(), !devkit),
            ("--csv", self.csv, self.compare.is_none()),
            ("--output", self.output.is_some(), self.compare.is_none()),
        ];
        match options.iter().find(|(_, given, used)| *given && !used) {
            Some((name, ..)) => Err(Failure::usage(format!("{name} has no meaning for this task and these options"))),
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

    /// The classes, one name a line.
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
