//! The training stage, written once for every task.

pub mod checkpoint;
mod ema;
mod hooks;
mod optimizer;
mod progress;
mod schedule;
mod start;

use backbone::Mode;
use backbone::checkpoint::Metadata;
use datasets::{Batch, LastBatch, Loader, LoaderOptions, Order, SampleRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor};
use tch_ext::foreach;

use crate::batch::Normalizer;
use crate::config::Config;
use crate::console;
use crate::evaluate::{EvaluateOptions, evaluate, tell_skipped};
use crate::failure::Failure;
use crate::network::Network;
use crate::precision;
use crate::predictor::Eager;
use crate::run_folder::RunFolder;
use crate::task::{Data, Report, Task};
use checkpoint::{Checkpoint, Contents, State};
use ema::Ema;
use optimizer::Optimizer;
use progress::{Epoch, Hook, Means, Position, Step};
use schedule::Schedule;

pub use start::{calibrate, lay_channels_last, start_weights};

/// A run in memory.
pub struct Trainer<'a, T: Task> {
    task: &'a T,
    config: &'a Config<T::Keys>,
    run: &'a RunFolder,
    training: Data<T::Dataset>,
    validation: Data<T::Dataset>,
    metadata: Metadata,
    network: Network<T>,
    ema: Option<Ema<T>>,
    optimizer: Optimizer,
    parameters: Vec<Tensor>,
    normalizer: Normalizer,
    position: Position,
    before: Duration,
    begun: Instant,
    skipped: usize,
    hooks: Vec<Box<dyn Hook>>,
}

/// What a run is made from.
pub struct Setup<'a, T: Task> {
    /// The task.
    pub task: &'a T,
    /// Its configuration.
    pub config: &'a Config<T::Keys>,
    /// Where everything is written.
    pub run: &'a RunFolder,
    /// What is trained on.
    pub training: Data<T::Dataset>,
    /// What is evaluated on.
    pub validation: Data<T::Dataset>,
    /// The network with the weights that it starts from.
    pub network: Network<T>,
    /// What checkpoints say of their weights.
    pub metadata: Metadata,
}

impl<'a, T: Task> Trainer<'a, T> {
    /// A run at its beginning.
    ///
    /// # Errors
    /// When libtorch fails, or the run's files cannot be written.
    pub fn new(setup: Setup<'a, T>) -> Result<Self, Failure> {
        let Setup { task, config, run, training, validation, network, metadata } = setup;
        let train = &config.train;
        if train.channels_last {
            lay_channels_last(&network)?;
        }
        let ema = train.ema.map(|decay| Ema::new(task, &network, decay)).transpose()?;
        if let (Some(ema), true) = (&ema, train.channels_last) {
            lay_channels_last(ema.network())?;
        }
        let named = network.parameters();
        let optimizer = Optimizer::new(&train.optimizer, &named, T::BACKBONE);
        let normalizer = Normalizer::new(&config.data.normalize, network.device(), train.channels_last);
        Ok(Self {
            task,
            config,
            run,
            training,
            validation,
            metadata,
            network,
            ema,
            optimizer,
            parameters: named.into_values().collect(),
            normalizer,
            position: Position::default(),
            before: Duration::ZERO,
            begun: Instant::now(),
            skipped: 0,
            hooks: Vec::new(),
        })
    }

    /// Takes up the run where its last checkpoint stands.
    ///
    /// # Errors
    /// When the checkpoint does not fit the configuration.
    pub fn resume(&mut self, checkpoint: &Checkpoint) -> Result<(), Failure> {
        let state = checkpoint.state()?;
        self.network.load(&checkpoint.weights()?.tensors)?;
        if let Some(ema) = &mut self.ema {
            let saved = checkpoint
                .ema()?
                .ok_or_else(|| Failure::failed("the checkpoint has no averaged weights, but train.ema is set"))?;
            ema.network_mut().load(&saved.tensors)?;
        }
        let buffers = checkpoint.restore_optimizer(self.network.device())?;
        self.optimizer.load(&buffers, state.optimizer_steps)?;
        (self.position, self.before) = (state.position, state.elapsed);
        Ok(())
    }

    /// Trains to the last epoch, or until `interrupted` is set: then the run is saved first.
    ///
    /// # Errors
    /// When a sample cannot be read, the loss is not finite, a file cannot be written, or the run was interrupted.
    pub fn run(&mut self, interrupted: &AtomicBool) -> Result<(), Failure> {
        let loader = Loader::new(Arc::clone(&self.training.samples), self.loader_options()).map_err(Failure::failed)?;
        let batches = loader.batches();
        let epochs = self.config.train.epochs;
        let schedule = Schedule::new(&self.config.train.schedule, epochs * batches as u64);
        self.hooks = self.make_hooks()?;
        self.begun = Instant::now();
        while self.position.epoch < epochs {
            let result = self.epoch(&loader, &schedule, interrupted)?;
            self.tell(|hook| hook.epoch(&result))?;
        }
        if self.skipped > 0 {
            console::warning(format!("{} samples could not be read and were skipped", self.skipped));
        }
        Ok(())
    }

    fn epoch(
        &mut self,
        loader: &Loader<T::Dataset>,
        schedule: &Schedule,
        interrupted: &AtomicBool,
    ) -> Result<Epoch, Failure> {
        let number = self.position.epoch + 1;
        let count = loader.batches();
        self.tell(|hook| {
            hook.begin(number, count);
            Ok(())
        })?;
        let (begun, mut images, mut means, mut rate) = (Instant::now(), 0, Means::default(), 0.0);
        let mut batches = loader.epoch(self.position.epoch, self.position.batch).map_err(Failure::failed)?;
        for batch in &mut batches {
            let batch = batch.map_err(Failure::failed)?;
            self.skipped += tell_skipped(&batch.skipped);
            let step = self.step(&batch, schedule)?;
            self.position.batch = batch.index + 1;
            images += step.images;
            rate = step.learning_rate;
            means.add(&step.losses, step.images as f64);
            self.tell(|hook| hook.step(&step))?;
            if interrupted.load(Ordering::Relaxed) {
                return Err(self.interrupted()?);
            }
        }
        self.skipped += tell_skipped(batches.skipped_at_end());
        let seconds = begun.elapsed().as_secs_f64();
        self.tell(|hook| {
            hook.end();
            Ok(())
        })?;
        self.position.epoch += 1;
        self.position.batch = 0;
        let metrics = self.finish_epoch()?;
        Ok(Epoch {
            number,
            step: self.position.step,
            learning_rate: rate,
            losses: means.values(),
            images_per_second: images as f64 / seconds,
            elapsed: self.elapsed(),
            metrics,
        })
    }

    fn step(&mut self, batch: &Batch<T::Sample>, schedule: &Schedule) -> Result<Step, Failure> {
        let (task, device) = (self.task, self.network.device());
        let mut rng = SampleRng::for_batch(self.config.seed, self.position.epoch, batch.index as u64);
        let images = self.normalizer.batch(batch.samples.iter().map(T::image));
        let (images, targets) = task.targets(images, &batch.samples, &mut rng)?;
        let output = precision::forward(self.config.train.precision, device, || {
            task.forward(&self.network.model, &images, Mode::Train)
        })??;
        let parts = task.losses(&self.network.model, &output, &targets)?;
        let values: Vec<&Tensor> = parts.iter().map(|part| &part.value).collect();
        let stacked = Tensor::stack(&values, 0);
        let total = stacked.sum(Kind::Float);
        let losses = read_losses(&parts, &stacked);
        if losses.iter().any(|(_, value)| !value.is_finite()) {
            return Err(self.not_finite(&losses, batch));
        }
        total.f_backward().map_err(Failure::failed)?;
        let gradient_norm = match self.config.train.clip_grad_norm {
            Some(limit) => Some(foreach::clip_grad_norm(&self.parameters, limit).map_err(Failure::failed)?),
            None => None,
        };
        let (factor, annealed) = (schedule.factor(self.position.step), schedule.annealed(self.position.step));
        self.optimizer.step(factor, annealed)?;
        if let Some(ema) = &mut self.ema {
            ema.update(self.position.step)?;
        }
        self.position.step += 1;
        Ok(Step {
            number: self.position.step,
            learning_rate: self.config.train.optimizer.learning_rate() * factor,
            losses,
            gradient_norm,
            images: batch.samples.len(),
        })
    }

    /// Evaluates where it is time to, writes checkpoints, and gives the metrics.
    fn finish_epoch(&mut self) -> Result<Vec<(&'static str, f64)>, Failure> {
        let train = &self.config.train;
        let done = self.position.epoch;
        let last = done == train.epochs;
        let mut metrics = Vec::new();
        let mut better = false;
        if last || done.is_multiple_of(train.eval_every) {
            let report = self.evaluate()?;
            metrics = report.scalars();
            let headline = report.headline();
            better = self.position.best.is_none_or(|best| headline > best);
            if better {
                self.position.best = Some(headline);
            }
        }
        if better {
            self.save("best")?;
        }
        if last || done.is_multiple_of(train.checkpoint.every_epochs) {
            self.save("last")?;
        }
        Ok(metrics)
    }

    fn evaluate(&self) -> Result<crate::evaluate::ReportOf<T>, Failure> {
        let network = self.ema.as_ref().map_or(&self.network, Ema::network);
        let options = EvaluateOptions {
            batch_size: self.config.train.batch_size,
            workers: self.config.data.workers,
            on_error: self.config.data.on_error,
            predictions: None,
        };
        let deployed = network.deployed(self.task)?;
        if self.config.train.channels_last {
            lay_channels_last(&deployed)?;
        }
        let predictor =
            Eager { network: &deployed, normalizer: &self.normalizer, precision: self.config.train.precision };
        evaluate(self.task, &predictor, &self.validation, &options)
    }

    fn save(&self, name: &str) -> Result<(), Failure> {
        let weights = self.network.state();
        let ema = self.ema.as_ref().map(|ema| ema.network().state());
        let state =
            State { position: self.position.clone(), optimizer_steps: self.optimizer.steps(), elapsed: self.elapsed() };
        let contents = Contents {
            weights: &weights,
            ema: ema.as_ref(),
            optimizer: self.optimizer.state(),
            metadata: &self.metadata,
            state: &state,
            device: self.network.device(),
        };
        Checkpoint::write(&self.run.checkpoints(), name, &contents).map(|_| ())
    }

    fn interrupted(&mut self) -> Result<Failure, Failure> {
        self.tell(|hook| {
            hook.end();
            Ok(())
        })?;
        self.save("last")?;
        let run = self.run.path().display();
        Ok(Failure::interrupted(format!("interrupted after step {}; the run is saved in {run}", self.position.step))
            .hint(format!("Go on with: pipeline train --resume {run}")))
    }

    fn not_finite(&self, losses: &[(&'static str, f64)], batch: &Batch<T::Sample>) -> Failure {
        let parts: Vec<String> = losses.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let files: Vec<String> = batch.samples.iter().map(|sample| T::file(sample).display().to_string()).collect();
        Failure::failed(format!(
            "the loss is not finite at step {} ({}); the batch's files: {}",
            self.position.step + 1,
            parts.join(", "),
            files.join(", ")
        ))
        .hint("Lower train.optimizer.lr, lengthen train.schedule.warmup_steps, or set train.clip_grad_norm.")
    }

    fn loader_options(&self) -> LoaderOptions {
        let (train, data) = (&self.config.train, &self.config.data);
        LoaderOptions {
            batch_size: train.batch_size,
            workers: data.workers,
            seed: self.config.seed,
            order: Order::Shuffled,
            last: LastBatch::Drop,
            on_error: data.on_error,
            ..LoaderOptions::default()
        }
    }

    fn make_hooks(&self) -> Result<Vec<Box<dyn Hook>>, Failure> {
        Ok(vec![
            Box::new(hooks::Terminal::new(self.config.train.epochs)),
            Box::new(hooks::Csv::open(self.run.file("metrics.csv"), self.position.epoch)?),
            Box::new(hooks::TensorBoard::new(self.run.path())?),
        ])
    }

    fn tell(&mut self, message: impl Fn(&mut dyn Hook) -> Result<(), Failure>) -> Result<(), Failure> {
        self.hooks.iter_mut().try_for_each(|hook| message(hook.as_mut()))
    }

    fn elapsed(&self) -> Duration {
        self.before + self.begun.elapsed()
    }
}

/// The parts and their sum, copied from the device once.
fn read_losses(parts: &[crate::task::Loss], stacked: &Tensor) -> Vec<(&'static str, f64)> {
    let stacked = stacked.detach().to_kind(Kind::Double).to(Device::Cpu);
    let values: Vec<f64> = (0..parts.len() as i64).map(|index| stacked.double_value(&[index])).collect();
    std::iter::once(("loss", values.iter().sum()))
        .chain(parts.iter().map(|part| part.name).zip(values.iter().copied()))
        .collect()
}
