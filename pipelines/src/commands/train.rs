//! `pipeline train`.

use datasets::Dataset;
use front::cli::TrainArgs;
use std::path::Path;

use crate::config::{Changes, Config, ConfigFile, Keys};
use crate::console;
use crate::evaluate::Judging;
use crate::failure::{Failure, Kind};
use crate::interruption::Interruption;
use crate::model::{Network, calibrate, device, metadata, start_weights};
use crate::processes::{self, Processes};
use crate::quantize::{Start, TEACHER};
use crate::report;
use crate::run::{Checkpoint, DataIdentity, Environment, NewestCheckpoint, RunFolder};
use crate::task::{Data, Evaluate, Task, Train, for_task};
use crate::train::{Finished, Setup, Trainer};

pub(super) fn run(args: &TrainArgs) -> Result<(), Failure> {
    processes::run(args.start.processes, |processes| train_among(args, processes))
}

fn train_among(args: &TrainArgs, processes: &Processes) -> Result<(), Failure> {
    let interruption = Interruption::listen()?;
    let resumed = args.resume.as_deref().map(RunFolder::open).transpose()?;
    let file = match (&resumed, &args.config) {
        (Some(run), _) => run.configuration(&args.set.overrides)?,
        (None, Some(name)) => ConfigFile::open(name, &args.set.overrides)?,
        (None, None) => return Err(Failure::usage("neither a configuration nor --resume is given")),
    };
    for_task!(file.task()?, T => {
        let config = file.config::<<T as Task>::Keys>()?.for_processes(processes.count());
        train::<T>(args, &config, resumed, processes, &interruption)
    })
}

fn train<T: Train + Evaluate>(
    args: &TrainArgs,
    config: &Config<T::Keys>,
    resumed: Option<RunFolder>,
    processes: &Processes,
    interruption: &Interruption,
) -> Result<(), Failure> {
    let device = processes.device(device::select(&args.device.device)?)?;
    // The files are rank 0's, and so is what they say.
    let name = args.name.as_deref().or(config.name.as_deref()).unwrap_or("run");
    let resumed = resumed
        .filter(|_| processes.is_first())
        .map_or_else(|| restarted(args, name, processes), |run| Ok(Some(run)))?;
    let lock = resumed.as_ref().map(RunFolder::lock).transpose()?;
    if let Some(run) = &resumed {
        may_change(run, config)?;
    }
    require_same_job(processes, config)?;
    let training = T::training_data(config)?;
    let validation = T::validation_data(config, Some(&training.classes))?;
    training.warn("training set");
    validation.warn("validation set");
    require_same_data(processes, config, [&training, &validation])?;
    let task = T::new(config, &training.classes)?;

    tch::manual_seed(i64::from_ne_bytes(config.seed.to_ne_bytes()));
    let checkpoint = resumed.as_ref().map(|run| run.newest_checkpoint()?.settle()).transpose()?;
    let begun = resumed.as_ref().zip(checkpoint.as_ref());
    let Start { network, teacher } = match &config.train.quantize {
        Some(int8) => Start::of(config, int8, (&task, &training.classes), device, processes, begun)?,
        None => {
            let network = Network::new(&task, backbone::Form::Train, device)?;
            if processes.is_first() && begun.is_none() {
                start_weights(&config.backbone, &network)?;
                calibrate(config, &network, &training)?;
            }
            Start { network, teacher: None }
        }
    };
    let (run, _lock) = match (resumed, lock) {
        (Some(run), Some(lock)) => (Some(run), lock),
        _ if processes.is_first() => {
            let run = RunFolder::create(&args.output, name)?;
            let lock = run.lock()?;
            // A resumed run has its checkpoints already and removes the older ones.
            run.require_room(checkpoint_bytes(&network).saturating_mul(config.train.checkpoint.keep as u64 + 2))?;
            (Some(run), lock)
        }
        _ => (None, None),
    };
    let run = run.as_ref();
    console::status(format!(
        "{} images to train, {} to evaluate, {} classes; {:.2} M parameters on {}; run {}",
        Dataset::len(training.samples.as_ref()),
        Dataset::len(validation.samples.as_ref()),
        training.classes.len(),
        network.parameter_count() as f64 / 1e6,
        device::describe(device),
        run.map_or(args.output.as_path(), RunFolder::path).display()
    ));

    let metadata = metadata::<T>(config, network.form, &training.classes)?;
    if let (Some(run), Some(teacher), None) = (run, &teacher, &checkpoint) {
        backbone::checkpoint::write(&run.file(TEACHER), &teacher.state(), &metadata).map_err(Failure::failed)?;
    }
    let setup =
        Setup { task: &task, config, run, processes, interruption, training, validation, network, teacher, metadata };
    let mut trainer = Trainer::new(setup)?;
    trainer.begin(checkpoint.as_ref())?;
    if let Some(checkpoint) = &checkpoint {
        let position = &checkpoint.state().position;
        console::status(format!("resuming after step {}, in epoch {}", position.step, position.epoch + 1));
    }
    if let Some(run) = run {
        run.write("config.yaml", &serde_yaml::to_string(config).map_err(Failure::failed)?)?;
        run.write("environment.json", &report::json(&Environment::now(device, config.seed).of_job(processes))?)?;
    }
    // Any process may be the one that says why a job failed.
    let place = processes.of_the_first(run.map(|run| run.path().to_owned()))?;
    trainer.run().map_err(|failure| match (failure.kind(), &place) {
        (Kind::Failed | Kind::Usage, Some(place)) => with_resume_hint(place, failure),
        _ => failure,
    })?;
    let Finished { network, file, validation } = trainer.into_best()?;
    let folder = run.map(RunFolder::path);
    let judging = Judging { task: &task, config, folder, interruption, processes };
    let evaluated = judging.network(&network, &validation, &file, !args.no_latency);
    let evaluated = evaluated.map_err(|failure| match (failure.kind(), folder) {
        (Kind::Interrupted(_), Some(folder)) => failure
            .and(format!("after the last step; {} is complete", folder.display()))
            .hint(format!("Evaluate it with: pipeline eval {}", folder.display())),
        _ => failure,
    })?;
    evaluated.map_or(Ok(()), |evaluated| evaluated.publish(folder, args.json))
}

/// The run that this job began before its launcher started it again, where it has a checkpoint.
fn restarted(args: &TrainArgs, name: &str, processes: &Processes) -> Result<Option<RunFolder>, Failure> {
    match processes.job().filter(|_| processes.is_first()) {
        Some((job, true)) => RunFolder::of_job(&args.output, name, &job),
        _ => Ok(None),
    }
}

/// Refuses processes that would not train the same network in the same way.
fn require_same_job<K: Keys>(processes: &Processes, config: &Config<K>) -> Result<(), Failure> {
    if processes.count() == 1 {
        return Ok(());
    }
    processes.require_equal("the program", front::VERSION)?;
    let mut config = config.clone();
    // Each host may have the data in a place of its own: the files are compared.
    config.data.root.clear();
    processes.require_equal("the configuration", &serde_yaml::to_string(&config).map_err(Failure::failed)?)
}

/// Refuses processes that would not read the same data.
fn require_same_data<K: Keys, D: Dataset>(
    processes: &Processes,
    config: &Config<K>,
    sets: [&Data<D>; 2],
) -> Result<(), Failure> {
    if processes.count() == 1 {
        return Ok(());
    }
    for (set, what) in sets.into_iter().zip(["the training set", "the validation set"]) {
        let DataIdentity { samples, files } = DataIdentity::of(set.samples.as_ref(), &config.data.root);
        let classes: Vec<&str> = set.classes.iter().map(|class| class.name.as_str()).collect();
        let classes = classes.join(", ");
        processes
            .require_equal(what, &format!("{samples} images\nfiles with the checksum {files}\nclasses {classes}"))?;
    }
    Ok(())
}

/// About what a checkpoint takes: parameters, their average, and two moments of the optimiser, 4 bytes each.
fn checkpoint_bytes<T: Task>(network: &Network<T>) -> u64 {
    network.parameter_count().unsigned_abs().saturating_mul(16)
}

/// Adds how to resume a run that failed, where it has a checkpoint.
fn with_resume_hint(run: &Path, failure: Failure) -> Failure {
    let newest = RunFolder::open(run).and_then(|run| Checkpoint::newest(&run.checkpoints()));
    match newest {
        Ok(NewestCheckpoint { checkpoint: Some(_), .. }) => failure
            .hint_also(format!("Resume from the last checkpoint with: pipeline train --resume {}", run.display())),
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
