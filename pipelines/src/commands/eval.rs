//! `pipeline eval`.

use backbone::checkpoint;
use datasets::LoaderOptions;
use std::path::Path;
use tch::Device;

use super::subject::holds_weights;
use super::{classes_of, deployed, for_task, output, publish, report, run_config, run_weights, tell_findings};
use crate::batch::Normalizer;
use crate::cli::EvalArgs;
use crate::config::{Config, ConfigFile, Keys};
use crate::device;
use crate::evaluate::{EvaluateOptions, ReportOf, evaluate};
use crate::export::Shipment;
use crate::failure::Failure;
use crate::footprint::Footprint;
use crate::interruption::Interruption;
use crate::latency::Run;
use crate::predictor::Eager;
use crate::run_folder::RunFolder;
use crate::task::{Report, Task};

pub(super) fn run(args: &EvalArgs) -> Result<(), Failure> {
    let subject = Path::new(&args.subject);
    if Shipment::is_one(subject) {
        return run_shipment(args, Shipment::open(subject)?);
    }
    if subject.is_file() && holds_weights(subject) {
        return Err(Failure::usage(format!("{} is no exported file", subject.display()))
            .hint(format!("Evaluate weights under a configuration: CONFIG --weights {}", subject.display())));
    }
    if args.config.is_some() {
        return Err(Failure::usage("a second name is for exported files only: FILE CONFIG"));
    }
    let run = subject.is_dir().then(|| RunFolder::open(subject)).transpose()?;
    let overrides = args.overrides();
    let file = match &run {
        Some(run) => run_config(run, &overrides)?,
        None => ConfigFile::open(&args.subject, &overrides)?,
    };
    for_task!(file.task()?, T => evaluate_with::<T>(args, run.as_ref(), &file.config()?))
}

/// Evaluates an exported file under the configuration it was trained with, or another one.
fn run_shipment(args: &EvalArgs, shipment: Shipment) -> Result<(), Failure> {
    if args.weights.is_some() {
        return Err(Failure::usage("--weights is for runs and configurations: an exported file has its own"));
    }
    let overrides = args.overrides();
    let file = match &args.config {
        Some(config) => ConfigFile::open(config, &overrides)?,
        None => ConfigFile::kept_in(Path::new(&args.subject), &shipment.card.config, &overrides)?,
    };
    if file.task()? != shipment.card.task {
        return Err(Failure::usage(format!("{} is for another task than the file", file.path().display())));
    }
    for_task!(file.task()?, T => {
        let config: Config<<T as Task>::Keys> = file.config()?;
        shipment.card.check(&config)?;
        let data = T::validation_data(&config, Some(&shipment.card.classes()))?;
        tell_findings("validation set", &data.findings);
        let task = T::new(&config, &data.classes)?;
        let folder = folder(args.output.as_deref())?;
        let report = evaluate(&task, &shipment, &data, &options(&config, folder))?;
        let images = shipment.random_input(1, shipment.card.input.size);
        let run: Run<'_> = Box::new(|| shipment.run(&images).map(|_| ()));
        let run = (!args.no_latency).then(|| (shipment.card.format.name(), run));
        let footprint = Footprint::of_file(&task, shipment.card.input.size, Path::new(&args.subject), run)?;
        Evaluated::<T> { report, footprint }.publish(args, folder)
    })
}

/// Makes the folder where it is not there.
fn folder(folder: Option<&Path>) -> Result<Option<&Path>, Failure> {
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::failed(format!("{} cannot be made: {error}", folder.display())))?;
    }
    Ok(folder)
}

fn options<'a, K: Keys>(config: &Config<K>, predictions: Option<&'a Path>) -> EvaluateOptions<'a> {
    let loader = LoaderOptions { batch_size: config.train.batch_size, ..config.data.loader() };
    EvaluateOptions { loader, predictions, interruption: None }
}

impl EvalArgs {
    fn overrides(&self) -> Vec<String> {
        let real_labels = self.real_labels.iter().map(|file| format!("eval.real_labels={}", file.display()));
        self.set.overrides.iter().cloned().chain(real_labels).collect()
    }
}

/// A network's accuracy, and what it costs.
pub(super) struct Evaluated<T: Task> {
    pub report: ReportOf<T>,
    pub footprint: Footprint,
}

impl<T: Task> Evaluated<T> {
    fn publish(&self, args: &EvalArgs, folder: Option<&Path>) -> Result<(), Failure> {
        if let Some(results) = &args.results {
            let name = Path::new(&args.subject).file_name().unwrap_or_default().to_string_lossy();
            let line = report::csv_row(
                &name,
                T::KIND.name(),
                ReportOf::<T>::HEADLINE,
                Some(self.report.headline()),
                &self.footprint,
            );
            report::append(results, &line)?;
        }
        publish(&self.report, Some(&self.footprint), folder, output(args.json))
    }
}

fn evaluate_with<T: Task>(args: &EvalArgs, run: Option<&RunFolder>, config: &Config<T::Keys>) -> Result<(), Failure> {
    let device = device::select(&args.device.device)?;
    let folder = folder(args.output.as_deref().or(run.map(RunFolder::path)))?;
    let weights = match (run, &args.weights) {
        (_, Some(weights)) => weights.clone(),
        (Some(run), None) => run_weights(run)?,
        (None, None) => {
            return Err(Failure::usage("a configuration alone has no weights to evaluate")
                .hint("Add --weights FILE, or name a run's folder."));
        }
    };
    let judged = Judged { file: &weights, device, folder, latency: !args.no_latency, interruption: None };
    evaluate_weights::<T>(config, &judged)?.publish(args, folder)
}

/// Weights that are to be evaluated.
pub(super) struct Judged<'a> {
    pub file: &'a Path,
    pub device: Device,
    /// Where predictions and truth go.
    pub folder: Option<&'a Path>,
    /// Whether latency is measured.
    pub latency: bool,
    pub interruption: Option<&'a Interruption>,
}

/// Evaluates weights on the validation set of `config`.
pub(super) fn evaluate_weights<T: Task>(
    config: &Config<T::Keys>,
    judged: &Judged<'_>,
) -> Result<Evaluated<T>, Failure> {
    let Judged { file, device, folder, .. } = *judged;
    let weights = checkpoint::read(file)?;
    let data = T::validation_data(config, classes_of(&weights).as_deref())?;
    tell_findings("validation set", &data.findings);
    let task = T::new(config, &data.classes)?;
    let network = deployed(&task, weights, device)?;
    let normalizer = Normalizer::new(&config.data.normalize, device, true);
    let predictor = Eager { network: &network, normalizer: &normalizer, precision: config.train.precision };
    let options = EvaluateOptions { interruption: judged.interruption, ..options(config, folder) };
    let report = evaluate(&task, &predictor, &data, &options)?;
    let footprint = Footprint::of(&task, config.data.size.sides(), file, judged.latency.then_some(device))?;
    Ok(Evaluated { report, footprint })
}
