//! `pipeline train`.

use signal_hook::consts::SIGINT;
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{eval, for_task, metadata, output, publish, run_config, run_weights, tell_findings, to_json};
use crate::cli::TrainArgs;
use crate::config::{Config, ConfigFile};
use crate::console;
use crate::device;
use crate::environment::Environment;
use crate::failure::{Failure, Kind};
use crate::network::Network;
use crate::run_folder::RunFolder;
use crate::task::Task;
use crate::train::checkpoint::Checkpoint;
use crate::train::{Setup, Trainer, calibrate, start_weights};

pub(super) fn run(args: &TrainArgs) -> Result<(), Failure> {
    let resumed = args.resume.as_deref().map(RunFolder::open).transpose()?;
    let file = match (&resumed, &args.config) {
        (Some(run), _) => run_config(run, &args.set.overrides)?,
        (None, Some(name)) => ConfigFile::open(name, &args.set.overrides)?,
        (None, None) => return Err(Failure::usage("neither a configuration nor --resume is given")),
    };
    for_task!(file.task()?, T => train::<T>(args, &file.config()?, resumed))
}

fn train<T: Task>(args: &TrainArgs, config: &Config<T::Keys>, resumed: Option<RunFolder>) -> Result<(), Failure> {
    let device = device::select(&args.device.device)?;
    let training = T::training_data(config)?;
    let validation = T::validation_data(config, Some(&training.classes))?;
    tell_findings("training set", &training.findings);
    tell_findings("validation set", &validation.findings);
    let task = T::new(config, &training.classes)?;

    tch::manual_seed(i64::from_ne_bytes(config.seed.to_ne_bytes()));
    let network = Network::new(&task, backbone::Form::Train, device)?;
    let checkpoint = resumed.as_ref().map(last_checkpoint).transpose()?;
    if checkpoint.is_none() {
        start_weights(&config.backbone, &network)?;
        calibrate(config, &network, &training)?;
    }
    let name = args.name.as_deref().or(config.name.as_deref()).unwrap_or("run");
    let run = match resumed {
        Some(run) => run,
        None => make_run(RunFolder::create(&args.output, name)?, config, device)?,
    };
    console::status(format!(
        "{} images to train, {} to evaluate, {} classes; {:.2} M parameters on {}; run {}",
        datasets::Dataset::len(training.samples.as_ref()),
        datasets::Dataset::len(validation.samples.as_ref()),
        training.classes.len(),
        network.parameter_count() as f64 / 1e6,
        device::describe(device),
        run.path().display()
    ));

    let metadata = metadata::<T>(config, &training.classes)?;
    let interrupted = interruption()?;
    let setup = Setup { task: &task, config, run: &run, training, validation, network, metadata };
    let mut trainer = Trainer::new(setup)?;
    if let Some(checkpoint) = &checkpoint {
        trainer.resume(checkpoint)?;
    }
    if let Err(failure) = trainer.run(&interrupted) {
        return Err(match failure.kind() {
            Kind::Interrupted => failure,
            _ if Checkpoint::find(&run.checkpoints(), "last").is_some() && failure.next_step().is_none() => failure
                .hint(format!("Go on from the last checkpoint with: pipeline train --resume {}", run.path().display())),
            _ => failure,
        });
    }
    drop(trainer);
    let evaluated =
        eval::evaluate_weights::<T>(config, &run_weights(&run)?, device, Some(run.path()), !args.no_latency)?;
    publish(&evaluated.report, Some(&evaluated.footprint), Some(run.path()), output(args.json))
}

fn last_checkpoint(run: &RunFolder) -> Result<Checkpoint, Failure> {
    Checkpoint::find(&run.checkpoints(), "last").ok_or_else(|| {
        Failure::failed(format!("{} has no checkpoint to go on from", run.path().display()))
            .hint("It stopped before its first epoch ended; start it again with its configuration.")
    })
}

fn make_run<T: crate::config::Keys>(
    run: RunFolder,
    config: &Config<T>,
    device: tch::Device,
) -> Result<RunFolder, Failure> {
    let text = serde_yaml::to_string(config).map_err(Failure::failed)?;
    run.write("config.yaml", &text)?;
    run.write("environment.json", &to_json(&Environment::now(device, config.seed))?)?;
    Ok(run)
}

/// Set by Ctrl-C; a second one ends the program at once.
fn interruption() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    flag::register_conditional_shutdown(SIGINT, i32::from(Kind::Interrupted.status()), Arc::clone(&flag))
        .and_then(|_| flag::register(SIGINT, Arc::clone(&flag)))
        .map_err(|error| Failure::failed(format!("the interrupt signal cannot be handled: {error}")))?;
    Ok(flag)
}
