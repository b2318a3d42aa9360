//! A network's accuracy and cost.

use datasets::LoaderOptions;
use std::path::Path;
use tch::Device;

use super::{Accuracy, EvaluateOptions, evaluate};
use crate::config::Config;
use crate::failure::Failure;
use crate::interruption::Interruption;
use crate::measure::Footprint;
use crate::model::{Eager, Network, Normalizer, Predictor};
use crate::processes::Processes;
use crate::report::page::{Contents, RunPage};
use crate::report::{self, Tables, WithCost};
use crate::task::{Data, Evaluate, Scorer};

/// A network's accuracy and cost.
pub struct Evaluated<T: Evaluate> {
    /// The accuracy.
    pub accuracy: Accuracy<T>,
    /// The cost.
    pub footprint: Footprint,
}

impl<T: Evaluate> Evaluated<T> {
    /// Writes the report into `folder` where one is given, and prints it.
    ///
    /// # Errors
    /// When a file or standard output cannot be written.
    pub fn publish(&self, folder: Option<&Path>, as_json: bool) -> Result<(), Failure> {
        let Accuracy { report, unreadable, insight, examples } = &self.accuracy;
        let result = WithCost { report, unreadable: *unreadable, network: Some(&self.footprint) };
        if let Some(folder) = folder {
            result.write(folder)?;
            report::write_figures(&insight.figures, folder)?;
            let accuracy = WithCost::accuracy(report, *unreadable);
            let (tables, cost) = ((report, accuracy.tables()), self.footprint.tables());
            let examples = (examples.clone(), T::Scorer::QUALITY);
            Contents::new(T::KIND.name(), tables, insight, cost, examples)?.write(folder)?;
            RunPage::read(folder)?.write()?;
        }
        Ok(report::print(&result, as_json)?)
    }
}

/// How a network is evaluated for a final report.
pub struct Judging<'a, T: Evaluate> {
    /// The task.
    pub task: &'a T,
    /// Its configuration.
    pub config: &'a Config<T::Keys>,
    /// The folder for predictions and truth.
    pub folder: Option<&'a Path>,
    /// What can interrupt the evaluation.
    pub interruption: &'a Interruption,
    /// The processes that share the evaluation.
    pub processes: &'a Processes,
}

impl<T: Evaluate> Judging<'_, T> {
    /// The accuracy of any predictor on `data`.
    ///
    /// # Errors
    /// As [`evaluate`].
    pub fn accuracy(&self, predictor: &dyn Predictor<T>, data: &Data<T::Dataset>) -> Result<Accuracy<T>, Failure> {
        let loader = LoaderOptions { batch_size: self.config.train.batch_size, ..self.config.data.loader() };
        let Self { folder: predictions, interruption, processes, .. } = *self;
        let root = &self.config.data.root;
        let options = EvaluateOptions { loader, root, predictions, interruption, processes };
        evaluate(self.task, predictor, data, &options)
    }

    /// Evaluates a network in deploy form, whose weights `file` holds; latency is measured where `latency` is set. Of several
    /// processes the first has a result, and the others wait while it measures.
    ///
    /// # Errors
    /// When a sample cannot be read, libtorch fails, or a signal interrupts it.
    pub fn network(
        &self,
        network: &Network<T>,
        data: &Data<T::Dataset>,
        file: &Path,
        latency: bool,
    ) -> Result<Option<Evaluated<T>>, Failure> {
        let Config { train, data: input, .. } = self.config;
        let device: Device = network.device();
        let normalizer = Normalizer::new(&self.config.normalization(), device, train.channels_last);
        let predictor = Eager { network, normalizer: &normalizer, precision: train.precision };
        let accuracy = self.accuracy(&predictor, data)?;
        if !self.processes.is_first() {
            return Ok(None);
        }
        let footprint = Footprint::of(self.task, input.size.sides(), file, latency.then_some(device))?;
        Ok(Some(Evaluated { accuracy, footprint }))
    }
}
