//! `pipeline score`: files of predictions against files of truth, without a model.

use eval::classification::{ClassificationOptions, RealLabels};
use eval::coco::{AnalysisOptions, Finding, IouType};
use eval::segmentation::SegmentationOptions;
use eval::{BootstrapOptions, classification, coco, segmentation};
use std::path::Path;

use crate::cli::{IouTypeName, ScoreArgs};
use crate::console;
use crate::failure::Failure;
use crate::files;
use crate::report::{self, Report, WithCost};
use crate::words::TaskKind;

/// Scores, or compares; nothing where the truth is a VOC devkit, which may take the sizes of its images from their files.
pub fn run(args: &ScoreArgs) -> Option<Result<(), Failure>> {
    (!is_devkit(args)).then(|| {
        check(args)?;
        match &args.compare {
            None => score(args),
            Some(other) => compare(args, other),
        }
    })
}

fn is_devkit(args: &ScoreArgs) -> bool {
    args.task == TaskKind::Detect && args.annotations.is_dir()
}

fn score(args: &ScoreArgs) -> Result<(), Failure> {
    let (truth, predictions) = (&args.annotations, &args.predictions);
    match args.task {
        TaskKind::Detect if args.analyze => {
            let report =
                coco::analyze_files(truth, predictions, AnalysisOptions::default()).map_err(Failure::failed)?;
            warn(&report.findings);
            show(args, &report)
        }
        TaskKind::Detect => {
            let report = match args.max_dets {
                Some(count) => coco::score_files_with(truth, predictions, iou_type(args), count),
                None => coco::score_files(truth, predictions, iou_type(args)),
            }
            .map_err(Failure::failed)?;
            warn(&report.findings);
            if args.max_dets.is_none() && report.findings.iter().any(Finding::is_beyond_limit) {
                console::status("--max-dets COUNT evaluates more detections of an image and class");
            }
            show(args, &report)
        }
        TaskKind::Classify => {
            let real = args.real_labels.as_ref().map(RealLabels::from_file).transpose().map_err(Failure::failed)?;
            let options = ClassificationOptions::default();
            let report = classification::score_files(truth, predictions, options, real);
            show(args, &report.map_err(Failure::failed)?)
        }
        TaskKind::Segment => {
            let options = SegmentationOptions { boundary_tolerance: args.boundary_tolerance, ..Default::default() };
            let names = class_names(args)?;
            let report = segmentation::score_folders(truth, predictions, names, ignore(args), options);
            show(args, &report.map_err(Failure::failed)?)
        }
    }
}

/// Warns of what was left out, or is counted otherwise than a reader of the numbers may expect.
fn warn(findings: &[impl ToString]) {
    for finding in findings {
        console::warning(finding.to_string());
    }
}

/// Prints and writes a report as it was asked for.
///
/// # Errors
/// When it cannot be written.
pub fn show(args: &ScoreArgs, report: &impl Report) -> Result<(), Failure> {
    let result = WithCost::accuracy(report, None);
    args.output.as_deref().map_or(Ok(()), |folder| result.write(folder))?;
    match (args.csv, args.per_class) {
        (false, _) => report::print(&result, args.json),
        (true, false) => console::data(&report.summary().to_string()),
        (true, true) => console::data(&report.classes().to_string()),
    }
}

fn compare(args: &ScoreArgs, other: &Path) -> Result<(), Failure> {
    let (truth, predictions) = (&args.annotations, &args.predictions);
    let options = BootstrapOptions { resamples: args.resamples, seed: args.seed, ..BootstrapOptions::default() };
    let comparison = match args.task {
        TaskKind::Detect => coco::compare_files(truth, predictions, other, iou_type(args), options),
        TaskKind::Classify => classification::compare_files(truth, predictions, other, options),
        TaskKind::Segment => {
            segmentation::compare_folders(truth, predictions, other, class_names(args)?, ignore(args), options)
        }
    }
    .map_err(Failure::failed)?;
    warn(&comparison.findings);
    report::print(&comparison, args.json)
}

/// Refuses options that the task has no use for.
///
/// # Errors
/// The option.
pub fn check(args: &ScoreArgs) -> Result<(), Failure> {
    if let Some(count @ ..=10) = args.max_dets {
        return Err(Failure::usage(format!("--max-dets is {count} instead of a number above 10")));
    }
    let detect = args.task == TaskKind::Detect;
    let (classify, segment) = (args.task == TaskKind::Classify, args.task == TaskKind::Segment);
    let devkit = is_devkit(args);
    let options = [
        ("--iou-type", args.iou_type.is_some(), detect && !devkit && !args.analyze),
        ("--max-dets", args.max_dets.is_some(), detect && !devkit && !args.analyze && args.compare.is_none()),
        ("--split", args.split.is_some(), devkit),
        ("--analyze", args.analyze, detect && !devkit && args.compare.is_none()),
        ("--real-labels", args.real_labels.is_some(), classify && args.compare.is_none()),
        ("--class-names", args.class_names.is_some(), segment || devkit),
        ("--ignore", args.ignore.is_some(), segment),
        ("--boundary-tolerance", args.boundary_tolerance.is_some(), segment && args.compare.is_none()),
        ("--compare", args.compare.is_some(), !devkit),
        ("--csv", args.csv, args.compare.is_none()),
        ("--output", args.output.is_some(), args.compare.is_none()),
    ];
    match options.iter().find(|(_, given, used)| *given && !used) {
        Some((name, ..)) => Err(Failure::usage(format!("{name} has no meaning for this task and these options"))),
        None => Ok(()),
    }
}

fn iou_type(args: &ScoreArgs) -> IouType {
    match args.iou_type {
        Some(IouTypeName::Segm) => IouType::Segm,
        Some(IouTypeName::Bbox) | None => IouType::Bbox,
    }
}

fn ignore(args: &ScoreArgs) -> Option<u8> {
    Some(args.ignore.unwrap_or(255))
}

/// The classes of `--class-names`, one name a line.
///
/// # Errors
/// When the option is missing, or its file cannot be read.
pub fn class_names(args: &ScoreArgs) -> Result<Vec<String>, Failure> {
    let Some(file) = &args.class_names else {
        return Err(Failure::usage("masks do not name their classes")
            .hint("Add --class-names FILE with one name a line, in the order of the ids."));
    };
    let text = files::read_text(file)?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}
