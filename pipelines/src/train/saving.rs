//! A run's state to disk and back.

use datasets::Dataset;
use sha2::{Digest, Sha256};
use std::path::Path;

use super::Trainer;
use super::checkpoint::{Checkpoint, Contents, DataIdentity, State};
use super::manifest::hex;
use crate::console;
use crate::failure::Failure;
use crate::task::Task;

impl<T: Task> Trainer<'_, T> {
    /// Takes up the run where a checkpoint stands.
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

    /// Weights, average and optimiser as a checkpoint has them; where the run stands in its data stays as it is.
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

    /// Saves the run that a signal asked to end; the end to tell of.
    pub(super) fn leave(&mut self, interrupted: Failure) -> Result<Failure, Failure> {
        self.tell(|hook| {
            hook.end();
            Ok(())
        })?;
        self.save()?;
        let run = self.run.path().display();
        Ok(interrupted
            .but(format!("after step {}; the run is saved in {run}", self.position.step))
            .hint(format!("Go on with: pipeline train --resume {run}")))
    }

    /// Refuses to go on with other data than the run began with.
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

impl DataIdentity {
    /// What tells these samples, which lie below `root`.
    pub fn of(samples: &impl Dataset, root: &Path) -> Self {
        let mut hash = Sha256::new();
        for index in 0..samples.len() {
            let path = samples.path(index);
            hash.update(path.strip_prefix(root).unwrap_or(path).as_os_str().as_encoded_bytes());
            // No path holds this byte.
            hash.update([0]);
        }
        Self { samples: samples.len(), files: hex(&hash.finalize()) }
    }
}

/// The newest whole checkpoint of a run; what is damaged is told.
///
/// # Errors
/// When there is none.
pub fn newest_checkpoint(folder: &Path) -> Result<Checkpoint, Failure> {
    let found = Checkpoint::newest(folder)?;
    let Some(checkpoint) = found.checkpoint else {
        return Err(match found.damaged.first() {
            Some(damage) => Failure::failed(format!("no checkpoint is whole: {damage}")),
            None => Failure::failed(format!("{} has no checkpoint to go on from", folder.display()))
                .hint("The run ended before it began to train; start it again with its configuration."),
        });
    };
    for damage in found.damaged {
        console::warning(format!("{damage}; going back to step {}", checkpoint.state().position.step));
    }
    Ok(checkpoint)
}
