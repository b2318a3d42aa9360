//! What each command does.

mod bench;
mod convert;
mod data;
mod doctor;
mod eval;
mod export;
mod info;
mod predict;
mod reparameterize;
mod report;
mod score;
mod sightings;
mod subject;
mod train;

use backbone::checkpoint::{self, Layout, Metadata, Normalization};
use backbone::{Form, Spec, StateDict};
use clap::ValueEnum;
use datasets::Class;
use serde::Serialize;
use std::path::{Path, PathBuf};
use tch::Device;

use crate::cli::Command;
use crate::config::{Config, ConfigFile, DEFAULT_WORKERS};
use crate::console::{self, Output};
use crate::failure::Failure;
use crate::footprint::Footprint;
use crate::network::Network;
use crate::run_folder::{RunFolder, write_whole};
use crate::task::{Report, Task};
use crate::train::checkpoint::Checkpoint;

/// Does what the command says.
///
/// # Errors
/// A failure with its exit status.
pub fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Train(args) => train::run(&args),
        Command::Reparameterize(args) => reparameterize::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Score(args) => score::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Data(command) => data::run(&command),
        Command::Doctor(args) => doctor::run(&args),
    }
}

/// Evaluates an expression with `T` as the task of that kind: the one place that knows which types the kinds are.
macro_rules! for_task {
    ($kind:expr, $task:ident => $body:expr) => {
        match $kind {
            crate::config::TaskKind::Classify => {
                type $task = crate::task::classify::Classify;
                $body
            }
            crate::config::TaskKind::Detect => {
                type $task = crate::task::detect::Detect;
                $body
            }
            crate::config::TaskKind::Segment => {
                type $task = crate::task::segment::Segment;
                $body
            }
        }
    };
}
use for_task;

pub use sightings::SightingsFormat;

/// Whose names a file of weights is written under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LayoutName {
    /// This program's, with metadata
    Own,
    /// apple/ml-mobileone's
    Apple,
    /// timm's
    Timm,
}

/// Writes weights under the names of `layout`.
fn write_weights(path: &Path, tensors: &StateDict, metadata: &Metadata, layout: LayoutName) -> Result<(), Failure> {
    let written = match layout {
        LayoutName::Own => checkpoint::write(path, tensors, metadata),
        LayoutName::Apple => checkpoint::export(path, tensors, Layout::Apple),
        LayoutName::Timm => checkpoint::export(path, tensors, Layout::Timm),
    };
    written.map_err(|error| match error {
        backbone::Error::NoName { .. } => {
            Failure::usage(error).hint("Apple and timm have classifiers only; write other networks with --layout own.")
        }
        other => Failure::failed(other),
    })
}

/// What a file of ours says of weights that came without a word about themselves: ImageNet's normalisation, as published.
fn bare_metadata(spec: Spec, form: Form) -> Metadata {
    let normalization = Normalization::default();
    Metadata { spec, form, classes: Vec::new(), normalization, extra: checkpoint::file::Text::new() }
}

/// The configuration that a run was made with.
fn run_config(run: &RunFolder, overrides: &[String]) -> Result<ConfigFile, Failure> {
    ConfigFile::open(&run.config().to_string_lossy(), overrides)
}

/// The weights that a run is judged by: its best, or its last where no evaluation was made.
fn run_weights(run: &RunFolder) -> Result<PathBuf, Failure> {
    match Checkpoint::best(&run.checkpoints())? {
        Some(checkpoint) => Ok(checkpoint.weights_file()),
        None => Err(Failure::failed(format!("{} has no trained weights yet", run.path().display()))
            .hint("A run writes them after its first epoch, or where train.checkpoint.every_steps says.")),
    }
}

/// Where the metadata of weights keeps the ids that annotation files use for the classes.
const CLASS_IDS: &str = "class_ids";

/// The classes that weights were trained for, in the order of the network's outputs.
fn classes_of(weights: &checkpoint::Checkpoint) -> Option<Vec<Class>> {
    let metadata = weights.metadata.as_ref()?;
    let ids: Vec<u64> = serde_json::from_str(metadata.extra.get(CLASS_IDS)?).ok()?;
    let named = metadata.classes.iter().zip(ids);
    Some(named.map(|(name, id)| Class { id, name: name.clone() }).collect())
}

/// A network in deploy form with the weights of a file, ready to run.
fn deployed<T: Task>(task: &T, weights: checkpoint::Checkpoint, device: Device) -> Result<Network<T>, Failure> {
    // A network that is trained on a deploy-form backbone still has normalisation in its head: its file knows.
    let form = weights.metadata.map(|metadata| metadata.form).or(weights.form).unwrap_or(Form::Train);
    let mut network = Network::new(task, form, device)?;
    network.variables.freeze();
    network.load(&weights.tensors)?;
    let network = if form == Form::Deploy { network } else { network.deployed(task)? };
    crate::train::lay_channels_last(&network)?;
    Ok(network)
}

/// A report on accuracy with what the network costs.
#[derive(Serialize)]
struct Whole<'a, R> {
    #[serde(flatten)]
    report: &'a R,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<&'a Footprint>,
}

/// Writes figures as SVG files into `folder`, which is made for them.
fn write_figures(folder: &Path, figures: Vec<(&'static str, String)>) -> Result<(), Failure> {
    if figures.is_empty() {
        return Ok(());
    }
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::failed(format!("{} cannot be made: {error}", folder.display())))?;
    figures.iter().try_for_each(|(name, svg)| write_whole(&folder.join(format!("{name}.svg")), svg.as_bytes()))
}

/// Prints a report, and writes it into `folder` where one is given.
fn publish(
    report: &impl Report,
    network: Option<&Footprint>,
    folder: Option<&Path>,
    output: Output,
) -> Result<(), Failure> {
    folder.map_or(Ok(()), |folder| write_report(report, network, folder))?;
    match output {
        Output::Json => console::data(&to_json(&Whole { report, network })?),
        Output::Text => console::data(&tables(report, network).join("\n")),
    }
}

fn tables(report: &impl Report, network: Option<&Footprint>) -> Vec<String> {
    let tables = report.tables().into_iter().chain(network.into_iter().flat_map(Footprint::tables));
    tables.map(|table| table.render()).collect()
}

/// Writes a report, its tables as CSV and its figures into `folder`.
fn write_report(report: &impl Report, network: Option<&Footprint>, folder: &Path) -> Result<(), Failure> {
    write_whole(&folder.join("report.json"), to_json(&Whole { report, network })?.as_bytes())?;
    let fenced: String = tables(report, network).iter().map(|table| format!("```\n{table}```\n\n")).collect();
    write_whole(&folder.join("report.md"), fenced.as_bytes())?;
    report.summary().write(folder.join("report.csv")).map_err(Failure::failed)?;
    report.classes().write(folder.join("classes.csv")).map_err(Failure::failed)?;
    write_figures(&folder.join("plots"), report.figures())
}

fn to_json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(Failure::failed)
}

fn output(json: bool) -> Output {
    if json { Output::Json } else { Output::Text }
}

/// Says what is odd in a data set, a line each.
fn tell_findings(set: &str, findings: &[String]) {
    for finding in findings {
        console::warning(format!("{set}: {finding}"));
    }
}

/// What checkpoints say of their weights.
fn metadata<T: Task>(config: &Config<T::Keys>, classes: &[Class]) -> Result<Metadata, Failure> {
    let ids: Vec<u64> = classes.iter().map(|class| class.id).collect();
    let ids = serde_json::to_string(&ids).map_err(Failure::failed)?;
    // The file must not depend on how many threads happened to read the data.
    let mut kept = config.clone();
    kept.data.workers = DEFAULT_WORKERS;
    let text = serde_yaml::to_string(&kept).map_err(Failure::failed)?;
    Ok(Metadata {
        spec: config.backbone.specification()?,
        form: Form::Train,
        classes: classes.iter().map(|class| class.name.clone()).collect(),
        normalization: config.data.normalize,
        extra: [(CLASS_IDS.to_owned(), ids), (subject::CONFIG.to_owned(), text)].into(),
    })
}
