//! A run's state to disk and back.

use backbone::StateDict;
use std::path::Path;

use super::Trainer;
use crate::failure::Failure;
use crate::run::{Checkpoint, Contents, DataIdentity, RunFolder, State};
use crate::task::{Evaluate, Train};

impl<T: Train + Evaluate> Trainer<'_, T> {
    /// Begins, or resumes the run from a checkpoint, which rank 0 has.
    ///
    /// # Errors
    /// When the checkpoint does not fit the configuration or the data.
    pub fn begin(&mut self, checkpoint: Option<&Checkpoint>) -> Result<(), Failure> {
        let generators = checkpoint.map(|checkpoint| self.resume(checkpoint)).transpose()?.unwrap_or_default();
        self.share(&generators)?;
        self.optimizer.count_in(&self.network.units()?);
        Ok(())
    }

    fn resume(&mut self, checkpoint: &Checkpoint) -> Result<StateDict, Failure> {
        let state = checkpoint.state();
        self.same_data(&state.data)?;
        let generators = self.load(checkpoint)?;
        self.position = state.position.clone();
        if state.batch_size != self.config.train.batch_size {
            self.position.batch = self.position.batch * state.batch_size / self.config.train.batch_size;
        }
        self.tally = state.tally.clone();
        (self.before, self.skipped, self.not_finite) = (state.elapsed, state.skipped, state.not_finite);
        Ok(generators)
    }

    /// Restores weights, average, optimiser and random state from the newest checkpoint, not the position; the step it is of.
    pub(super) fn roll_back(&mut self) -> Result<u64, Failure> {
        let checkpoint = self.run.map(RunFolder::newest_checkpoint).transpose()?;
        let generators = checkpoint.as_ref().map(|checkpoint| self.load(checkpoint)).transpose()?.unwrap_or_default();
        self.share(&generators)?;
        self.processes.of_the_first(checkpoint.map_or(0, |checkpoint| checkpoint.state().position.step))
    }

    /// Loads weights, average and optimiser from a checkpoint, without the position; the states of its generators.
    fn load(&mut self, checkpoint: &Checkpoint) -> Result<StateDict, Failure> {
        let weights = checkpoint.weights()?;
        let classes = |metadata: &backbone::checkpoint::Metadata| metadata.classes.join(", ");
        if let Some(metadata) = &weights.metadata
            && metadata.classes != self.metadata.classes
        {
            return Err(self.refuse(format!(
                "began with the classes {}, and the data has {} now",
                classes(metadata),
                classes(&self.metadata)
            )));
        }
        self.network.load(&weights.tensors)?;
        if let Some(ema) = &mut self.ema {
            let saved = checkpoint
                .ema()?
                .ok_or_else(|| Failure::failed("the checkpoint has no averaged weights, but train.ema is set"))?;
            ema.network_mut().load(&saved.tensors)?;
        }
        let (buffers, generators) = checkpoint.optimizer()?;
        self.optimizer.load(&buffers, checkpoint.state().optimizer_steps)?;
        Ok(generators)
    }

    /// Writes a checkpoint: rank 0 does, while the others wait.
    pub(super) fn save(&self) -> Result<(), Failure> {
        let generators = self.all_generators()?;
        self.compare_weights()?;
        if let Some(run) = self.run {
            self.write_checkpoint(run, generators)?;
        }
        self.processes.wait_for_all()
    }

    fn write_checkpoint(&self, run: &RunFolder, generators: StateDict) -> Result<(), Failure> {
        let weights = self.network.state();
        let ema = self.ema.as_ref().map(|ema| ema.network().state());
        let state = State {
            position: self.position.clone(),
            tally: self.tally.clone(),
            batch_size: self.config.train.batch_size,
            optimizer_steps: self.optimizer.steps(),
            not_finite: self.not_finite,
            skipped: self.skipped,
            elapsed: self.elapsed(),
            data: self.data.clone(),
        };
        let contents = Contents {
            weights: &weights,
            ema: ema.as_ref(),
            optimizer: self.optimizer.state(),
            generators,
            metadata: &self.metadata,
            state: &state,
        };
        Checkpoint::write(&run.checkpoints(), &contents, self.config.train.checkpoint.keep)
    }

    /// Saves the run that a signal interrupted; the failure that ends it.
    pub(super) fn leave(&mut self, interrupted: Failure) -> Result<Failure, Failure> {
        self.notify(|hook| {
            hook.end();
            Ok(())
        })?;
        self.save()?;
        // The others say nothing.
        let Some(run) = self.run.map(|run| run.path().display()) else { return Ok(interrupted) };
        Ok(interrupted
            .and(format!("after step {}; the run is saved in {run}", self.position.step))
            .hint(format!("Resume it with: pipeline train --resume {run}")))
    }

    /// Refuses to resume on other data than the run was started on.
    fn same_data(&self, began: &DataIdentity) -> Result<(), Failure> {
        if *began == self.data {
            return Ok(());
        }
        Err(self.refuse(if began.samples == self.data.samples {
            "began with other training files, or with these in another order".to_owned()
        } else {
            format!("began with {} training images, and there are {} now", began.samples, self.data.samples)
        }))
    }

    fn refuse(&self, why: String) -> Failure {
        let run = self.run.map_or(Path::new("the run"), RunFolder::path);
        Failure::failed(format!("{} {why}", run.display()))
            .hint("Bring the data back as it was, or start a new run with the configuration.")
    }
}
