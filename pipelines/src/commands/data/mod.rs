//! `pipeline data`.

mod browse;

use datasets::check::{CheckFinding, KindCount, Severity, SplitReport, check};
use datasets::shapes::{self, Outcome, ShapesOptions};
use datasets::{CheckOptions, CheckReport};
use front::cli::{CheckArgs, DataCommand, ShapesArgs};

use crate::config::{Config, ConfigFile};
use crate::console::{self, SharedProgress, Table};
use crate::failure::Failure;
use crate::files;
use crate::report;
use crate::task::{Task, for_task, read_splits};

pub(super) fn run(command: &DataCommand) -> Result<(), Failure> {
    match command {
        DataCommand::Check(args) => run_check(args),
        DataCommand::Browse(args) => browse::run(args),
        DataCommand::Shapes(args) => shapes(args),
    }
}

fn run_check(args: &CheckArgs) -> Result<(), Failure> {
    let file = ConfigFile::open(&args.config, &args.set.overrides)?;
    let (splits, pixels) = for_task!(file.task()?, T => {
        let config: Config<<T as Task>::Keys> = file.config()?;
        (read_splits(&config)?, config.pixels())
    });
    let options = CheckOptions { threads: args.threads.unwrap_or(0), findings_per_kind: args.findings, pixels };
    let images: usize = splits.iter().map(datasets::Split::images).sum();
    let progress = SharedProgress::new("checking", images as u64);
    let report = check(&splits, &options, &|_, _| progress.advance())?;
    drop(progress);
    let json = report::json(&report)?;
    if let Some(path) = &args.output {
        files::write(path, json.as_bytes())?;
    }
    console::data(&if args.json { json } else { text(&report) })?;
    match report.total(Severity::Error) {
        0 => Ok(()),
        errors => Err(Failure::failed(format!("{errors} errors in the data{}", first(&report)))
            .hint("Fix or remove what is listed; data.on_error: skip trains without images that cannot be read.")),
    }
}

/// The first error, where errors are listed.
fn first(report: &CheckReport) -> String {
    let listed = report.findings.first().filter(|finding| finding.severity == Severity::Error);
    listed.map_or_else(String::new, |finding| format!(", the first: {}", sentence(finding)))
}

fn text(report: &CheckReport) -> String {
    let mut text = numbers(&report.splits).render() + "\n" + &classes(&report.splits).render() + "\n";
    if report.kinds.is_empty() {
        return text + "Nothing is wrong.\n";
    }
    text.push_str(&kinds(&report.kinds).render());
    for finding in &report.findings {
        text.push_str(&format!("\n{}", line(finding)));
    }
    text + "\n"
}

/// One column per split.
fn numbers(splits: &[SplitReport]) -> Table {
    let names: Vec<&str> = std::iter::once("").chain(splits.iter().map(|split| split.name.as_str())).collect();
    let mut table = Table::new("", &names);
    let mut row = |name: &str, value: &dyn Fn(&SplitReport) -> String| {
        let cells: Vec<String> = splits.iter().map(value).collect();
        if cells.iter().any(|cell| !cell.is_empty() && cell != "0") {
            table.rows.push(std::iter::once(name.to_owned()).chain(cells).collect());
        }
    };
    row("images", &|split| split.images.to_string());
    row("readable", &|split| split.decoded.to_string());
    row("megabytes", &|split| format!("{:.1}", split.bytes as f64 / 1e6));
    row("smallest", &|split| split.image_sizes.as_ref().map_or_else(String::new, |sizes| sizes.smallest.to_string()));
    row("largest", &|split| split.image_sizes.as_ref().map_or_else(String::new, |sizes| sizes.largest.to_string()));
    let mut sides: Vec<(usize, usize)> = splits
        .iter()
        .filter_map(|split| split.image_sizes.as_ref())
        .flat_map(|sizes| sizes.longer_side.iter().map(|bin| (bin.from, bin.below)))
        .collect();
    sides.sort_unstable();
    sides.dedup();
    for (from, below) in sides {
        row(&format!("longer side {from} to {}", below - 1), &|split| {
            let bins = split.image_sizes.iter().flat_map(|sizes| &sizes.longer_side);
            bins.filter(|bin| bin.from == from).map(|bin| bin.images).sum::<usize>().to_string()
        });
    }
    row("greyscale", &|split| split.facts.grey.to_string());
    row("CMYK", &|split| split.facts.cmyk.to_string());
    row("16 bits", &|split| split.facts.deep.to_string());
    row("with transparency", &|split| split.facts.alpha.to_string());
    row("rotated by EXIF", &|split| split.facts.turned.to_string());
    row("animated", &|split| split.facts.animated.to_string());
    let boxes = |split: &SplitReport, of: &dyn Fn(&datasets::check::BoxSizes) -> String| {
        split.box_sizes.as_ref().map_or_else(String::new, of)
    };
    row("boxes below 32² pixels", &|split| boxes(split, &|sizes| sizes.small.to_string()));
    row("boxes below 96² pixels", &|split| boxes(split, &|sizes| sizes.medium.to_string()));
    row("larger boxes", &|split| boxes(split, &|sizes| sizes.large.to_string()));
    for (decile, name) in
        [(0, "least"), (1, "a tenth is below"), (5, "median"), (9, "a tenth is above"), (10, "greatest")]
    {
        row(&format!("box area, % of the image: {name}"), &|split| {
            boxes(split, &|sizes| format!("{:.3}", 100.0 * sizes.relative_area[decile]))
        });
    }
    table
}

/// The JSON report lists all classes.
const MAX_LISTED_CLASSES: usize = 100;

/// One row per class.
fn classes(splits: &[SplitReport]) -> Table {
    let mut header = vec!["class".to_owned()];
    for split in splits {
        header.extend([format!("{} images", split.name), format!("{} instances", split.name)]);
    }
    let known = splits.iter().map(|split| &split.classes).max_by_key(|classes| classes.len());
    let known = known.map_or(&[][..], Vec::as_slice);
    let title = match known.len() {
        0..=MAX_LISTED_CLASSES => String::new(),
        more => format!("The first {MAX_LISTED_CLASSES} of {more} classes; the JSON report has all"),
    };
    let row = |(index, class): (usize, &datasets::check::ClassCount)| {
        let counts = splits.iter().flat_map(|split| match split.classes.get(index) {
            Some(count) => [count.images.to_string(), count.instances.to_string()],
            None => [String::new(), String::new()],
        });
        std::iter::once(class.name.clone()).chain(counts).collect()
    };
    Table { title, header, rows: known.iter().take(MAX_LISTED_CLASSES).enumerate().map(row).collect() }
}

fn kinds(kinds: &[KindCount]) -> Table {
    let mut table = Table::new("", &["severity", "kind", "count", "listed"]);
    for KindCount { kind, severity, count, listed } in kinds {
        table.rows.push(vec![word(severity), word(kind), count.to_string(), listed.to_string()]);
    }
    table
}

/// A finding in a line; a sentence that names its file needs it only once.
fn line(finding: &CheckFinding) -> String {
    format!("{} {}: {}", word(&finding.severity), finding.split, sentence(finding))
}

/// What is wrong, with its file.
fn sentence(finding: &CheckFinding) -> String {
    let file = finding.file.display().to_string();
    let place = finding.place.as_ref().map(|place| format!(" {place}")).unwrap_or_default();
    match file.is_empty() || finding.sentence.contains(&file) {
        true => finding.sentence.clone(),
        false => format!("{file}{place}: {}", finding.sentence),
    }
}

/// The word that the JSON report has for a severity or a kind.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word.replace('_', " "),
        _ => String::new(),
    }
}

fn shapes(args: &ShapesArgs) -> Result<(), Failure> {
    let options = ShapesOptions {
        train: args.train,
        val: args.val,
        classify_train: args.classify_train,
        classify_val: args.classify_val,
        seed: args.seed,
        ..ShapesOptions::default()
    };
    let outcome = shapes::write(&args.folder, &options)?;
    let done = match outcome {
        Outcome::Written => "written to",
        Outcome::Present => "already in",
    };
    console::status(format!("{} + {} images of shapes {done} {}", args.train, args.val, args.folder.display()));
    Ok(())
}
