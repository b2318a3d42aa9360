//! `pipeline eval`.

use backbone::checkpoint;
use std::path::Path;
use tch::Device;

use super::{classes_of, deployed, for_task, output, publish, run_config, run_weights, tell_findings};
use crate::batch::Normalizer;
use crate::cli::EvalArgs;
use crate::config::{Config, ConfigFile};
use crate::device;
use crate::evaluate::{EvaluateOptions, ReportOf, evaluate};
use crate::failure::Failure;
use crate::run_folder::RunFolder;
use crate::task::Task;

pub(super) fn run(args: &EvalArgs) -> Result<(), Failure> {
    let subject = Path::new(&args.subject);
    let run = subject.is_dir().then(|| RunFolder::open(subject)).transpose()?;
    let mut overrides = args.set.overrides.clone();
    overrides.extend(args.real_labels.iter().map(|file| format!("eval.real_labels={}", file.display())));
    let file = match &run {
        Some(run) => run_config(run, &overrides)?,
        None => ConfigFile::open(&args.subject, &overrides)?,
    };
    for_task!(file.task()?, T => evaluate_with::<T>(args, run.as_ref(), &file.config()?))
}

fn evaluate_with<T: Task>(args: &EvalArgs, run: Option<&RunFolder>, config: &Config<T::Keys>) -> Result<(), Failure> {
    let device = device::select(&args.device.device)?;
    let folder = args.output.as_deref().or(run.map(RunFolder::path));
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::failed(format!("{} cannot be made: {error}", folder.display())))?;
    }
    let report = match (run, &args.weights) {
        (Some(run), weights) => evaluate_run::<T>(run, config, weights.as_deref(), device, folder)?,
        (None, Some(weights)) => evaluate_weights::<T>(config, weights, device, folder)?,
        (None, None) => {
            return Err(Failure::usage("a configuration alone has no weights to evaluate")
                .hint("Add --weights FILE, or name a run's folder."));
        }
    };
    publish(&report, folder, output(args.json))
}

/// Evaluates a run's best weights, or those given, on the validation set of `config`.
pub(super) fn evaluate_run<T: Task>(
    run: &RunFolder,
    config: &Config<T::Keys>,
    weights: Option<&Path>,
    device: Device,
    folder: Option<&Path>,
) -> Result<ReportOf<T>, Failure> {
    match weights {
        Some(weights) => evaluate_weights::<T>(config, weights, device, folder),
        None => evaluate_weights::<T>(config, &run_weights(run)?, device, folder),
    }
}

fn evaluate_weights<T: Task>(
    config: &Config<T::Keys>,
    weights: &Path,
    device: Device,
    folder: Option<&Path>,
) -> Result<ReportOf<T>, Failure> {
    let weights = checkpoint::read(weights).map_err(Failure::failed)?;
    let data = T::validation_data(config, classes_of(&weights).as_deref())?;
    tell_findings("validation set", &data.findings);
    let task = T::new(config, &data.classes)?;
    let network = deployed(&task, weights, device)?;
    let normalizer = Normalizer::new(&config.data.normalize, device, true);
    let options = EvaluateOptions {
        batch_size: config.train.batch_size,
        workers: config.data.workers,
        precision: config.train.precision,
        on_error: config.data.on_error,
        predictions: folder,
    };
    evaluate(&task, &network, &data, &normalizer, &options)
}
