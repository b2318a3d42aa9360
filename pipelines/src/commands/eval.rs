//! `pipeline eval`.

use front::cli::EvalArgs;
use std::path::Path;
use std::time::Duration;

use crate::config::{Config, ConfigFile, Keys};
use crate::console;
use crate::evaluate::{Evaluated, Judging, ReportOf, results};
use crate::export::ExportedModel;
use crate::failure::Failure;
use crate::files;
use crate::interruption::Interruption;
use crate::measure::{Footprint, Run};
use crate::model::{classes_of, deployed, device, published, read_weights};
use crate::processes::{self, Processes};
use crate::report::Report;
use crate::run::{RunFolder, holds_weights};
use crate::task::{Evaluate, Task, for_task};

pub(super) fn run(args: &EvalArgs) -> Result<(), Failure> {
    processes::run(args.start.processes, |processes| evaluate(args, processes))
}

fn evaluate(args: &EvalArgs, processes: &Processes) -> Result<(), Failure> {
    args.key.of_weights(args.weights.as_deref())?;
    let subject = Path::new(&args.subject);
    if ExportedModel::is_at(subject) {
        return evaluate_exported(args, ExportedModel::open(subject)?, processes);
    }
    if subject.is_file() && holds_weights(subject) {
        return Err(Failure::usage(format!("{} is not an exported file", subject.display()))
            .hint(format!("Evaluate weights under a configuration: CONFIG --weights {}", subject.display())));
    }
    if args.config.is_some() {
        return Err(Failure::usage("CONFIG is only valid with an exported file: FILE CONFIG"));
    }
    let run = subject.is_dir().then(|| RunFolder::open(subject)).transpose()?;
    let overrides = overrides(args);
    let file = match &run {
        Some(run) => run.configuration(&overrides)?,
        None => ConfigFile::open(&args.subject, &overrides)?,
    };
    for_task!(file.task()?, T => evaluate_with::<T>(args, run.as_ref(), &file.config()?, processes))
}

/// Evaluates an exported file under the configuration it was trained with, or that of a run or a file.
fn evaluate_exported(args: &EvalArgs, exported: ExportedModel, processes: &Processes) -> Result<(), Failure> {
    if args.weights.is_some() {
        return Err(Failure::usage("--weights is for runs and configurations: an exported file has its own"));
    }
    let overrides = overrides(args);
    let file = match &args.config {
        Some(run) if Path::new(run).is_dir() => RunFolder::open(Path::new(run))?.configuration(&overrides)?,
        Some(config) => ConfigFile::open(config, &overrides)?,
        None => exported.card.configuration(Path::new(&args.subject), &overrides)?,
    };
    if file.task()? != exported.card.task {
        return Err(Failure::usage(format!("{} is for another task than the file", file.path().display())));
    }
    for_task!(file.task()?, T: Export => {
        let config: Config<<T as Task>::Keys> = file.config()?;
        exported.card.check(&config)?;
        let data = T::validation_data(&config, Some(&exported.card.classes()))?;
        data.warn("validation set");
        let task = T::new(&config, &data.classes)?;
        let folder = create(args.output.as_deref())?;
        let interruption = &Interruption::default();
        begin(processes, &config)?;
        let judging = Judging { task: &task, config: &config, folder, interruption, processes };
        let accuracy = judging.accuracy(&exported, &data)?;
        if !processes.is_first() {
            return Ok(());
        }
        let images = exported.random_input(1, exported.card.input.size);
        let run: Run<'_> = Box::new(|| exported.run(&images).map(|_| ()));
        if let Some(stand_in) = exported.stand_in() {
            console::status(format!("{}: {stand_in}", args.subject));
        }
        let measured = !args.no_latency && exported.stand_in().is_none();
        let run = measured.then(|| (exported.card.format.name(), run));
        let footprint = Footprint::of_file(&task, exported.card.input.size, Path::new(&args.subject), run)?;
        finish(args, &Evaluated::<T> { accuracy, footprint }, folder)
    })
}

fn overrides(args: &EvalArgs) -> Vec<String> {
    let real_labels = args.real_labels.iter().map(|file| format!("eval.real_labels={}", file.display()));
    args.set.overrides.iter().cloned().chain(real_labels).collect()
}

fn evaluate_with<T: Evaluate>(
    args: &EvalArgs,
    run: Option<&RunFolder>,
    config: &Config<T::Keys>,
    processes: &Processes,
) -> Result<(), Failure> {
    let device = processes.device(device::select(&args.device.device)?)?;
    // The folder of a run keeps the report on the run itself, not one on other weights or other settings.
    let own = run.filter(|_| args.weights.is_none() && overrides(args).is_empty());
    let folder = create(args.output.as_deref().or(own.map(RunFolder::path)))?;
    let file = match (run, &args.weights) {
        (_, Some(weights)) => published::resolve(weights)?,
        (Some(run), None) => run.best_weights()?,
        (None, None) => {
            return Err(Failure::usage("a configuration alone has no weights to evaluate")
                .hint("Add --weights FILE, or name a run's folder."));
        }
    };
    let weights = read_weights(&file, args.key.name())?;
    let data = T::validation_data(config, classes_of(&weights).as_deref())?;
    data.warn("validation set");
    let task = T::new(config, &data.classes)?;
    let network = deployed(&task, weights, device, config.train.channels_last)?;
    begin(processes, config)?;
    let judging = Judging { task: &task, config, folder, interruption: &Interruption::default(), processes };
    match judging.network(&network, &data, &file, !args.no_latency)? {
        Some(evaluated) => finish(args, &evaluated, folder),
        None => Ok(()),
    }
}

/// Waits until all processes have read what they need; from then on one that does not answer ends the evaluation.
fn begin<K: Keys>(processes: &Processes, config: &Config<K>) -> Result<(), Failure> {
    processes.wait_for_all()?;
    processes.be_prompt(None, Duration::from_secs_f64(config.train.timeout))
}

/// Creates the folder for the report, where there is one.
fn create(folder: Option<&Path>) -> Result<Option<&Path>, Failure> {
    folder.map_or(Ok(()), files::create_folder)?;
    Ok(folder)
}

/// Writes and prints the report, and adds a row to the results where one is asked for.
fn finish<T: Evaluate>(args: &EvalArgs, evaluated: &Evaluated<T>, folder: Option<&Path>) -> Result<(), Failure> {
    if let Some(results) = &args.results {
        let name = Path::new(&args.subject).file_name().unwrap_or_default().to_string_lossy();
        let headline = Some(evaluated.accuracy.report.headline());
        let row = results::csv_row(&name, T::KIND.name(), ReportOf::<T>::HEADLINE, headline, &evaluated.footprint);
        results::append(results, &row)?;
    }
    if folder.is_none() {
        console::status("no files are written: -o FOLDER writes the report and the predictions there");
    }
    evaluated.publish(folder, args.json)
}
