//! What reads the samples of a job, how fast that is, and how fast the job trains on them.

use datasets::{Batch, Dataset, LastBatch, Loader, LoaderOptions, Order};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Trainer;
use super::schedule::Schedule;
use crate::config::{Config, Keys};
use crate::failure::Failure;
use crate::processes::Processes;
use crate::task::{Data, Evaluate, Train};

/// Steps before those that are timed.
const WARM_UP: usize = 3;
/// Steps that are timed at least.
const LEAST: usize = 5;

/// Images per second, of all processes together.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Pace {
    /// Of the loader, when nothing waits for its samples.
    pub loader: f64,
    /// Of the steps, when they wait for no sample.
    pub steps: f64,
}

/// What reads the batches of a training.
///
/// # Errors
/// When the set has fewer images than a batch.
pub fn loader<D: Dataset + 'static, K: Keys>(
    config: &Config<K>,
    training: &Data<D>,
    processes: &Processes,
) -> Result<Loader<D>, Failure> {
    let options = LoaderOptions {
        batch_size: config.train.batch_size,
        shard: processes.shard(),
        seed: config.seed,
        order: Order::Shuffled,
        last: LastBatch::Drop,
        ..config.data.loader()
    };
    Ok(Loader::new(Arc::clone(&training.samples), options)?)
}

/// The first batch of a loader, and its images per second for about `time` after that, when nothing waits for them; `ready` is called
/// in between.
///
/// # Errors
/// When a sample cannot be read, or `ready` fails.
pub fn pace_of<D: Dataset + 'static>(
    loader: &Loader<D>,
    time: Duration,
    ready: impl FnOnce() -> Result<(), Failure>,
) -> Result<(Batch<D::Sample>, f64), Failure> {
    let mut epochs = (0..).map(|epoch| loader.epoch(epoch, 0));
    let mut batches = epochs.next().transpose()?;
    let first = batches.iter_mut().flatten().next().transpose()?.ok_or_else(|| Failure::failed("no batch"))?;
    ready()?;
    let (begun, mut read) = (Instant::now(), 0);
    while begun.elapsed() < time {
        match batches.iter_mut().flatten().next().transpose()? {
            Some(batch) => read += batch.samples.len(),
            None => batches = epochs.next().transpose()?,
        }
    }
    Ok((first, read as f64 / begun.elapsed().as_secs_f64()))
}

impl<T: Train + Evaluate> Trainer<'_, T> {
    /// Measures the loader alone, then steps on one batch, each for about `time`. The network is of no use afterwards.
    ///
    /// # Errors
    /// When a sample cannot be read, a loss is not finite, or a process is lost.
    pub fn pace(&mut self, time: Duration) -> Result<Pace, Failure> {
        let loader = loader(self.config, &self.training, self.processes)?;
        let (batch, rate) = pace_of(&loader, time, || self.processes.wait_for_all())?;
        let pace_of_loader: f64 = self.processes.gather(rate)?.into_iter().sum();
        let images = self.processes.gather(batch.samples.len())?;
        let schedule = Schedule::new(&self.config.train.schedule, self.config.train.epochs * loader.batches() as u64);
        let steps = |trainer: &mut Self, count: usize| -> Result<f64, Failure> {
            trainer.processes.wait_for_all()?;
            let begun = Instant::now();
            for _ in 0..count {
                trainer.step(&batch, &images, &schedule, 0)?;
            }
            Ok(begun.elapsed().as_secs_f64() / count as f64)
        };
        let seconds = steps(self, WARM_UP)?;
        let count = ((time.as_secs_f64() / seconds) as usize).max(LEAST);
        let count = self.processes.of_the_first(count)?;
        let seconds = steps(self, count)?;
        let slowest = self.processes.gather(seconds)?.into_iter().fold(0.0, f64::max);
        Ok(Pace { loader: pace_of_loader, steps: images.iter().sum::<usize>() as f64 / slowest })
    }
}
