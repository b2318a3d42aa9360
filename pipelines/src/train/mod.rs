//! The training stage, written once for every task.
//!
//! | module | what it holds |
//! |---|---|
//! | here | a run from epoch to epoch |
//! | [`mod@step`], [`accumulate`] | one batch, at once or piece by piece |
//! | [`not_finite`] | the policy where a loss or gradient is not finite |
//! | [`deployed`] | the evaluation of the average, and the best network in the end |
//! | [`saving`] | the run's state to a checkpoint and back |
//! | [`together`] | what several processes exchange, and what each needs of rank 0 |
//! | [`optimizer`], [`schedule`], [`ema`] | steps, learning rate, average |
//! | [`pace`] | the speed of the loader and of steps, each alone |
//! | [`progress`], [`hooks`], [`tensorboard`] | results of a step and an epoch, and where they are logged |
//! | [`events`] | what was logged of steps, read while the run trains |

mod accumulate;
mod deployed;
mod ema;
mod events;
mod hooks;
mod not_finite;
mod optimizer;
mod pace;
mod progress;
mod saving;
mod schedule;
mod step;
mod tensorboard;
mod together;

use backbone::checkpoint::Metadata;
use datasets::Loader;
use eval::CsvReport;
use std::time::{Duration, Instant};
use tch::Tensor;
use tch_ext::system;

use crate::config::Config;
use crate::console;
use crate::evaluate::warn_skipped;
use crate::failure::{Failure, Kind};
use crate::interruption::Interruption;
use crate::model::{Network, Normalizer};
use crate::processes::Processes;
use crate::report::Report;
use crate::run::{Best, DataIdentity, Position, RunFolder, Tally};
use crate::task::{Data, Evaluate, Train};
pub use deployed::Finished;
use ema::Ema;
pub use events::Events;
use not_finite::Statistics;
use optimizer::Optimizer;
pub use pace::{Pace, loader, pace_of};
use progress::{Epoch, Hook};
use schedule::Schedule;
use tensorboard::shows_samples;
use together::Exchange;

/// A run in memory.
pub struct Trainer<'a, T: Train + Evaluate> {
    task: &'a T,
    config: &'a Config<T::Keys>,
    /// Rank 0's.
    run: Option<&'a RunFolder>,
    processes: &'a Processes,
    interruption: &'a Interruption,
    training: Data<T::Dataset>,
    validation: Data<T::Dataset>,
    metadata: Metadata,
    data: DataIdentity,
    network: Network<T>,
    teacher: Option<Network<T>>,
    ema: Option<Ema<T>>,
    optimizer: Optimizer,
    /// Trainable parameters, and their keys in the same order.
    parameters: Vec<Tensor>,
    names: Vec<String>,
    /// None for a single process.
    exchange: Option<Exchange>,
    statistics: Option<Statistics>,
    normalizer: Normalizer,
    position: Position,
    tally: Tally,
    before: Duration,
    begun: Instant,
    skipped: usize,
    not_finite: u64,
    hooks: Vec<Box<dyn Hook>>,
}

/// The parts of a run.
pub struct Setup<'a, T: Train + Evaluate> {
    /// The task.
    pub task: &'a T,
    /// Its configuration.
    pub config: &'a Config<T::Keys>,
    /// The folder of the run, in the process that owns it.
    pub run: Option<&'a RunFolder>,
    /// The processes that train together.
    pub processes: &'a Processes,
    /// What can interrupt the run.
    pub interruption: &'a Interruption,
    /// The training set.
    pub training: Data<T::Dataset>,
    /// The validation set.
    pub validation: Data<T::Dataset>,
    /// The network with its initial weights.
    pub network: Network<T>,
    /// A network whose outputs it is to give, besides those by labels.
    pub teacher: Option<Network<T>>,
    /// The metadata of the weights.
    pub metadata: Metadata,
}

impl<'a, T: Train + Evaluate> Trainer<'a, T> {
    /// A run at its beginning.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn new(setup: Setup<'a, T>) -> Result<Self, Failure> {
        let Setup { task, config, run, processes, interruption, training, validation, network, teacher, metadata } =
            setup;
        system::keep_freed_memory();
        let train = &config.train;
        let pieces = train.accumulate.saturating_mul(processes.count());
        if train.batch_size < pieces {
            return Err(Failure::usage(format!(
                "train.batch_size is {}, which cannot be divided among {pieces} pieces: train.accumulate is {} for each of {} processes",
                train.batch_size,
                train.accumulate,
                processes.count()
            )));
        }
        if train.channels_last {
            network.channels_last()?;
        }
        let ema = train.ema.map(|decay| Ema::new(task, &network, decay)).transpose()?;
        if let (Some(ema), true) = (&ema, train.channels_last) {
            ema.network().channels_last()?;
        }
        let named = network.parameters();
        let optimizer = Optimizer::new(&train.optimizer, &named, T::BACKBONE);
        let (names, parameters): (Vec<String>, Vec<Tensor>) = named.into_iter().unzip();
        let exchange = Exchange::new(processes, train, &names, &parameters)?;
        let normalizer = Normalizer::new(&config.normalization(), network.device(), train.channels_last);
        Ok(Self {
            task,
            config,
            run,
            processes,
            interruption,
            data: DataIdentity::of(training.samples.as_ref(), &config.data.root),
            training,
            validation,
            metadata,
            teacher,
            ema,
            optimizer,
            parameters,
            names,
            exchange,
            statistics: Statistics::needed(train.not_finite.policy).then(|| Statistics::of(&network)),
            normalizer,
            network,
            position: Position::default(),
            tally: Tally::default(),
            before: Duration::ZERO,
            begun: Instant::now(),
            skipped: 0,
            not_finite: 0,
            hooks: Vec::new(),
        })
    }

    /// Trains to the last epoch, or until the run is asked to end: then it is saved first.
    ///
    /// # Errors
    /// When a sample cannot be read, the loss is not finite, a file cannot be written, or the run was interrupted.
    pub fn run(&mut self) -> Result<(), Failure> {
        let loader = loader(self.config, &self.training, self.processes)?;
        let epochs = self.config.train.epochs;
        let schedule = Schedule::new(&self.config.train.schedule, epochs * loader.batches() as u64);
        self.hooks = self.make_hooks()?;
        self.begun = Instant::now();
        if self.position == Position::default() {
            self.save()?;
        }
        if let Some(exchange) = &self.exchange {
            self.processes.wait_for_all()?;
            self.processes.be_prompt(exchange.beside(), Duration::from_secs_f64(self.config.train.timeout))?;
        }
        while self.position.epoch < epochs {
            self.batches(&loader, &schedule)?;
            self.finish_epoch()?;
        }
        if self.skipped > 0 {
            console::warning(format!("{} samples could not be read and were skipped", self.skipped));
        }
        if self.not_finite > 0 {
            console::warning(format!("{} steps had a loss or gradient that is not finite", self.not_finite));
        }
        Ok(())
    }

    /// Trains on the remaining batches of the epoch.
    fn batches(&mut self, loader: &Loader<T::Dataset>, schedule: &Schedule) -> Result<(), Failure> {
        let (epoch, count) = (self.position.epoch, loader.batches());
        let left = count - self.position.batch.min(count);
        self.notify(|hook| {
            hook.begin(epoch + 1, left);
            Ok(())
        })?;
        let mut batches = loader.epoch(epoch, self.position.batch)?;
        let mut begun = Instant::now();
        for batch in &mut batches {
            let batch = batch?;
            let round = self.processes.round(batch.samples.len(), warn_skipped(&batch.skipped), self.interruption)?;
            if let Some(signal) = round.signal {
                return Err(self.leave(Interruption::failure(signal))?);
            }
            self.skipped += round.skipped;
            let pieces = self.config.train.accumulate;
            if let Some(rank) = round.images.iter().position(|images| *images < pieces) {
                console::warning(format!(
                    "batch {} is left out: rank {rank} could read too few of its samples",
                    batch.index
                ));
                self.position.batch = batch.index + 1;
                continue;
            }
            let scheduled = epoch * count as u64 + batch.index as u64;
            let step = self.step(&batch, &round.images, schedule, scheduled)?;
            self.position.batch = batch.index + 1;
            if let Some(step) = step {
                self.tally.add(&step, begun.elapsed().as_secs_f64());
                self.notify(|hook| hook.step(&step))?;
            }
            begun = Instant::now();
            let every = self.config.train.checkpoint.every_steps;
            // After the epoch's last step the evaluation comes first.
            if every.is_some_and(|every| self.position.step.is_multiple_of(every)) && self.position.batch < count {
                self.save()?;
            }
        }
        self.skipped += self.processes.gather(warn_skipped(batches.skipped_at_end()))?.into_iter().sum::<usize>();
        self.notify(|hook| {
            hook.end();
            Ok(())
        })
    }

    /// Evaluates where that is due, reports the epoch, and saves the run where that is due.
    fn finish_epoch(&mut self) -> Result<(), Failure> {
        let train = &self.config.train;
        let done = self.position.epoch + 1;
        let last = done == train.epochs;
        let (mut metrics, mut samples) = (Vec::new(), Vec::new());
        let mut better = false;
        if last || done.is_multiple_of(train.eval_every) {
            let shown = last || shows_samples(done, train.eval_every, train.epochs);
            let report = match self.evaluate(shown) {
                Err(failure) if matches!(failure.kind(), Kind::Interrupted(_)) => return Err(self.leave(failure)?),
                result => {
                    let (report, shown) = result?;
                    samples = shown;
                    report
                }
            };
            if let Some(run) = self.run {
                report.classes().write(run.file("classes.csv"))?;
            }
            metrics = report.scalars();
            let headline = report.headline();
            better = headline.is_finite() && self.position.best.is_none_or(|best| headline > best.headline);
            if better {
                self.position.best = Some(Best { headline, step: self.position.step });
            }
        }
        let tally = std::mem::take(&mut self.tally);
        let epoch = Epoch {
            number: done,
            step: self.position.step,
            learning_rate: tally.learning_rate,
            losses: tally.losses.values(),
            images_per_second: tally.images as f64 / tally.seconds.max(f64::MIN_POSITIVE),
            elapsed: self.elapsed(),
            metrics,
            samples,
        };
        (self.position.epoch, self.position.batch) = (done, 0);
        // Before the checkpoint: a resumed run drops rows that it repeats, but cannot add one that is missing.
        self.notify(|hook| hook.epoch(&epoch))?;
        if better || last || done.is_multiple_of(train.checkpoint.every_epochs) {
            self.save()?;
        }
        Ok(())
    }

    fn make_hooks(&self) -> Result<Vec<Box<dyn Hook>>, Failure> {
        let Some(run) = self.run else { return Ok(Vec::new()) };
        Ok(vec![
            Box::new(hooks::Terminal::new(self.config.train.epochs)),
            Box::new(hooks::Csv::open(run.file("metrics.csv"), self.position.epoch)?),
            Box::new(tensorboard::TensorBoard::new(run.path(), self.position.step)?),
        ])
    }

    fn notify(&mut self, call: impl Fn(&mut dyn Hook) -> Result<(), Failure>) -> Result<(), Failure> {
        self.hooks.iter_mut().try_for_each(|hook| call(hook.as_mut()))
    }

    fn elapsed(&self) -> Duration {
        self.before + self.begun.elapsed()
    }
}
