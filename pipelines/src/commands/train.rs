//! `pipeline train`.

use crate::cli::TrainArgs;
use crate::config::{Changes, Config, ConfigFile, Keys};
use crate::console;
use crate::evaluate::Judging;
use crate::failure::{Failure, Kind};
use crate::interruption::Interruption;
use crate::model::{Network, calibrate, device, metadata, start_weights};
use crate::report;
use crate::run::{Checkpoint, Environment, NewestCheckpoint, RunFolder};
use crate::task::{Evaluate, Task, Train, for_task};
use crate::train::{Finished, Setup, Trainer};

pub(super) fn run(args: &TrainArgs) -> Result<(), Failure> {
    let interruption = Interruption::listen()?;
    let resumed = args.resume.as_deref().map(RunFolder::open).transpose()?;
    let file = match (&resumed, &args.config) {
        (Some(run), _) => run.configuration(&args.set.overrides)?,
        (None, Some(name)) => ConfigFile::open(name, &args.set.overrides)?,
        (None, None) => return Err(Failure::usage("neither a configuration nor --resume is given")),
    };
    for_task!(file.task()?, T => train::<T>(args, &file.config()?, resumed, &interruption))
}

fn train<T: Train + Evaluate>(
    args: &TrainArgs,
    config: &Config<T::Keys>,
    resumed: Option<RunFolder>,
    interruption: &Interruption,
) -> Result<(), Failure> {
    let device = device::select(&args.device.device)?;
    let lock = resumed.as_ref().map(RunFolder::lock).transpose()?;
    if let Some(run) = &resumed {
        may_change(run, config)?;
    }
    let training = T::training_data(config)?;
    let validation = T::validation_data(config, Some(&training.classes))?;
    training.warn("training set");
    validation.warn("validation set");
    let task = T::new(config, &training.classes)?;

    tch::manual_seed(i64::from_ne_bytes(config.seed.to_ne_bytes()));
    let network = Network::new(&task, backbone::Form::Train, device)?;
    let checkpoint = match &resumed {
        Some(run) => Some(run.newest_checkpoint()?.settle()?),
        None => {
            start_weights(&config.backbone, &network)?;
            calibrate(config, &network, &training)?;
            None
        }
    };
    let name = args.name.as_deref().or(config.name.as_deref()).unwrap_or("run");
    let (run, _lock) = match (resumed, lock) {
        (Some(run), Some(lock)) => (run, lock),
        _ => {
            let run = RunFolder::create(&args.output, name)?;
            let lock = run.lock()?;
            (run, lock)
        }
    };
    // A resumed run has its checkpoints already and removes the older ones.
    if checkpoint.is_none() {
        run.require_room(checkpoint_bytes(&network).saturating_mul(config.train.checkpoint.keep as u64 + 2))?;
    }
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
    let setup = Setup { task: &task, config, run: &run, interruption, training, validation, network, metadata };
    let mut trainer = Trainer::new(setup)?;
    if let Some(checkpoint) = &checkpoint {
        trainer.resume(checkpoint)?;
        let position = &checkpoint.state().position;
        console::status(format!("resuming after step {}, in epoch {}", position.step, position.epoch + 1));
    }
    run.write("config.yaml", &serde_yaml::to_string(config).map_err(Failure::failed)?)?;
    run.write("environment.json", &report::json(&Environment::now(device, config.seed))?)?;
    trainer.run().map_err(|failure| match failure.kind() {
        Kind::Interrupted(_) => failure,
        _ => with_resume_hint(&run, failure),
    })?;
    let Finished { network, file, validation } = trainer.into_best()?;
    let judging = Judging { task: &task, config, folder: Some(run.path()), interruption: Some(interruption) };
    let evaluated = judging.network(&network, &validation, &file, !args.no_latency);
    let evaluated = evaluated.map_err(|failure| match failure.kind() {
        Kind::Interrupted(_) => failure
            .and(format!("after the last step; {} is complete", run.path().display()))
            .hint(format!("Evaluate it with: pipeline eval {}", run.path().display())),
        _ => failure,
    })?;
    evaluated.publish(Some(run.path()), args.json)
}

/// About what a checkpoint takes: parameters, their average, and two moments of the optimiser, 4 bytes each.
fn checkpoint_bytes<T: Task>(network: &Network<T>) -> u64 {
    network.parameter_count().unsigned_abs().saturating_mul(16)
}

/// Adds how to resume a run that failed, where it has a checkpoint.
fn with_resume_hint(run: &RunFolder, failure: Failure) -> Failure {
    match Checkpoint::newest(&run.checkpoints()) {
        Ok(NewestCheckpoint { checkpoint: Some(_), .. }) => failure.hint_also(format!(
            "Resume from the last checkpoint with: pipeline train --resume {}",
            run.path().display()
        )),
        _ => failure,
    }
}

/// Refuses changes that contradict what a run has computed, and warns of those that change its results.
fn may_change<K: Keys>(run: &RunFolder, wanted: &Config<K>) -> Result<(), Failure> {
    let changes = Changes::between(&run.configuration(&[])?.config()?, wanted)?;
    if !changes.refused.is_empty() {
        return Err(Failure::usage(format!(
            "{} keeps its data, classes and model, so these cannot change: {}",
            run.path().display(),
            changes.refused.join(", ")
        ))
        .hint("Start a new run for that: pipeline train CONFIG."));
    }
    for change in changes.warned {
        console::warning(format!("{change}: results will differ from the original run"));
    }
    Ok(())
}
