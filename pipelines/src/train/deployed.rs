//! The network that a run is judged by, in deploy form: the average, or the best in the end.

use std::path::PathBuf;

use super::Trainer;
use super::ema::Ema;
use super::together::same_network;
use crate::evaluate::{Judging, ReportOf, Sample, samples};
use crate::failure::Failure;
use crate::model::{Eager, Network, deployed};
use crate::run::{RunFolder, generator_states, restore_generators};
use crate::task::{Data, Evaluate, Train};

/// What the final evaluation of a run needs.
pub struct Finished<T: Evaluate> {
    /// The best network, in deploy form.
    pub network: Network<T>,
    /// The file of its weights, in the process that owns the run's folder.
    pub file: PathBuf,
    /// The validation set.
    pub validation: Data<T::Dataset>,
}

impl<T: Train + Evaluate> Trainer<'_, T> {
    /// Evaluates the average, and predicts for a few images where they are shown. The random state is restored: building the deploy
    /// form draws random weights, and a run that is interrupted here repeats the evaluation.
    pub(super) fn evaluate(&self, shown: bool) -> Result<(ReportOf<T>, Vec<Sample>), Failure> {
        let (device, rank) = (self.network.device(), self.processes.rank());
        let states = generator_states(device, rank)?;
        let evaluated = self.evaluate_deployed(shown);
        restore_generators(device, rank, &states)?;
        evaluated
    }

    fn evaluate_deployed(&self, shown: bool) -> Result<(ReportOf<T>, Vec<Sample>), Failure> {
        let Self { task, config, interruption, processes, .. } = *self;
        let network = self.deploy()?;
        // Statistics that are not synchronised differ.
        same_network(processes, &network)?;
        let predictor = Eager { network: &network, normalizer: &self.normalizer, precision: config.train.precision };
        let judging = Judging { task, config, folder: None, interruption, processes };
        let report = judging.accuracy(&predictor, &self.validation)?.report;
        let place = (config.seed, config.data.root.as_path());
        // Rank 0's, which logs them; the others go on and wait for it at the next step.
        let shown = shown && self.run.is_some();
        let samples = if shown { samples(task, &predictor, &self.validation, place) } else { Vec::new() };
        Ok((report, samples))
    }

    /// The average, or the weights where none is kept, in deploy form.
    fn deploy(&self) -> Result<Network<T>, Failure> {
        let network = self.ema.as_ref().map_or(&self.network, Ema::network).deployed(self.task)?;
        if self.config.train.channels_last {
            network.channels_last()?;
        }
        Ok(network)
    }

    /// What a finished run leaves for its final evaluation; the rest of the run is freed.
    ///
    /// # Errors
    /// When the best checkpoint cannot be read.
    pub fn into_best(self) -> Result<Finished<T>, Failure> {
        let file = self.run.map(RunFolder::best_weights).transpose()?.unwrap_or_default();
        let last_is_best = self.position.best.is_none_or(|best| best.step == self.position.step);
        let network = match self.run {
            Some(_) if !last_is_best => {
                let weights = backbone::checkpoint::read(&file)?;
                deployed(self.task, weights, self.network.device(), self.config.train.channels_last)?
            }
            _ => self.deploy()?,
        };
        same_network(self.processes, &network)?;
        Ok(Finished { network, file, validation: self.validation })
    }
}
