//! `pipeline train`.

use super::{eval, for_task, metadata, output, publish, run_config, run_weights, tell_findings, to_json};
use crate::cli::TrainArgs;
use crate::config::{Changes, Config, ConfigFile, Keys};
use crate::console;
use crate::device;
use crate::environment::Environment;
use crate::failure::{Failure, Kind};
use crate::interruption::Interruption;
use crate::network::Network;
use crate::run_folder::RunFolder;
use crate::task::Task;
use crate::train::checkpoint::{Checkpoint, Found};
use crate::train::{Setup, Trainer, calibrate, newest_checkpoint, start_weights};

pub(super) fn run(args: &TrainArgs) -> Result<(), Failure> {
    let interruption = Interruption::listen()?;
    let resumed = args.resume.as_deref().map(RunFolder::open).transpose()?;
    let file = match (&resumed, &args.config) {
        (Some(run), _) => run_config(run, &args.set.overrides)?,
        (None, Some(name)) => ConfigFile::open(name, &args.set.overrides)?,
        (None, None) => return Err(Failure::usage("neither a configuration nor --resume is given")),
    };
    for_task!(file.task()?, T => train::<T>(args, &file.config()?, resumed, &interruption))
}

fn train<T: Task>(
    args: &TrainArgs,
    config: &Config<T::Keys>,
    resumed: Option<RunFolder>,
    interruption: &Interruption,
) -> Result<(), Failure> {
    let device = device::select(&args.device.device)?;
    let held = resumed.as_ref().map(RunFolder::lock).transpose()?;
    if let Some(run) = &resumed {
        may_change(run, config)?;
    }
    let training = T::training_data(config)?;
    let validation = T::validation_data(config, Some(&training.classes))?;
    tell_findings("training set", &training.findings);
    tell_findings("validation set", &validation.findings);
    let task = T::new(config, &training.classes)?;

    tch::manual_seed(i64::from_ne_bytes(config.seed.to_ne_bytes()));
    let network = Network::new(&task, backbone::Form::Train, device)?;
    let checkpoint = match &resumed {
        Some(run) => Some(newest_checkpoint(&run.checkpoints())?.settle()?),
        None => {
            start_weights(&config.backbone, &network)?;
            calibrate(config, &network, &training)?;
            None
        }
    };
    let name = args.name.as_deref().or(config.name.as_deref()).unwrap_or("run");
    let (run, _held) = match (resumed, held) {
        (Some(run), Some(held)) => (run, held),
        _ => {
            let run = RunFolder::create(&args.output, name)?;
            let held = run.lock()?;
            (run, held)
        }
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
    let setup = Setup { task: &task, config, run: &run, interruption, training, validation, network, metadata };
    let mut trainer = Trainer::new(setup)?;
    if let Some(checkpoint) = &checkpoint {
        trainer.resume(checkpoint)?;
        let position = &checkpoint.state().position;
        console::status(format!("going on after step {}, in epoch {}", position.step, position.epoch + 1));
    }
    run.write("config.yaml", &serde_yaml::to_string(config).map_err(Failure::failed)?)?;
    run.write("environment.json", &to_json(&Environment::now(device, config.seed))?)?;
    trainer.run().map_err(|failure| match failure.kind() {
        Kind::Interrupted(_) => failure,
        _ => and_go_on(&run, failure),
    })?;
    drop(trainer);
    let weights = run_weights(&run)?;
    let judged = eval::Judged {
        file: &weights,
        device,
        folder: Some(run.path()),
        latency: !args.no_latency,
        interruption: Some(interruption),
    };
    let evaluated = eval::evaluate_weights::<T>(config, &judged).map_err(|failure| match failure.kind() {
        Kind::Interrupted(_) => failure
            .but(format!("after the last step; {} is whole", run.path().display()))
            .hint(format!("Evaluate it with: pipeline eval {}", run.path().display())),
        _ => failure,
    })?;
    publish(&evaluated.report, Some(&evaluated.footprint), Some(run.path()), output(args.json))
}

/// Says how to go on with a run that failed, where it has something to go on from.
fn and_go_on(run: &RunFolder, failure: Failure) -> Failure {
    match Checkpoint::newest(&run.checkpoints()) {
        Ok(Found { checkpoint: Some(_), .. }) => failure.hint_also(format!(
            "Go on from the last checkpoint with: pipeline train --resume {}",
            run.path().display()
        )),
        _ => failure,
    }
}

/// Refuses changes that would make nonsense of what a run has computed, and tells of those that only make it another.
fn may_change<K: Keys>(run: &RunFolder, wanted: &Config<K>) -> Result<(), Failure> {
    let changes = Changes::between(&run_config(run, &[])?.config()?, wanted)?;
    if !changes.refused.is_empty() {
        return Err(Failure::usage(format!(
            "{} keeps its data, classes and model, so these cannot change: {}",
            run.path().display(),
            changes.refused.join(", ")
        ))
        .hint("Start a new run for that: pipeline train CONFIG."));
    }
    for change in changes.warned {
        console::warning(format!("{change}: from here on the run is another than it would have been"));
    }
    Ok(())
}
