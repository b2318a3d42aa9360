//! A run's state to disk and back.

use super::Trainer;
use crate::failure::Failure;
use crate::run::{Checkpoint, Contents, DataIdentity, State};
use crate::task::{Evaluate, Train};

impl<T: Train + Evaluate> Trainer<'_, T> {
    /// Resumes the run from a checkpoint.
    ///
    /// # Errors
    /// When the checkpoint does not fit the configuration or the data.
    pub fn resume(&mut self, checkpoint: &Checkpoint) -> Result<(), Failure> {
        let state = checkpoint.state();
        self.same_data(&state.data)?;
        self.load(checkpoint)?;
        self.position = state.position.clone();
        if state.batch_size != self.config.train.batch_size {
            self.position.batch = self.position.batch * state.batch_size / self.config.train.batch_size;
        }
        self.tally = state.tally.clone();
        (self.before, self.skipped, self.not_finite) = (state.elapsed, state.skipped, state.not_finite);
        Ok(())
    }

    /// Loads weights, average and optimiser from a checkpoint, without the position.
    pub(super) fn load(&mut self, checkpoint: &Checkpoint) -> Result<(), Failure> {
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
        let buffers = checkpoint.restore_optimizer(self.network.device())?;
        self.optimizer.load(&buffers, checkpoint.state().optimizer_steps)
    }

    /// Writes a checkpoint.
    pub(super) fn save(&self) -> Result<(), Failure> {
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
            metadata: &self.metadata,
            state: &state,
            device: self.network.device(),
        };
        Checkpoint::write(&self.run.checkpoints(), &contents, self.config.train.checkpoint.keep)
    }

    /// Saves the run that a signal interrupted; the failure that ends it.
    pub(super) fn leave(&mut self, interrupted: Failure) -> Result<Failure, Failure> {
        self.notify(|hook| {
            hook.end();
            Ok(())
        })?;
        self.save()?;
        let run = self.run.path().display();
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
        Failure::failed(format!("{} {why}", self.run.path().display()))
            .hint("Bring the data back as it was, or start a new run with the configuration.")
    }
}
