//! One batch.

use backbone::Mode;
use datasets::{Batch, SampleRng};
use tch::{Device, Kind, Tensor};
use tch_ext::foreach;

use super::Trainer;
use super::progress::Step;
use super::schedule::Schedule;
use crate::failure::Failure;
use crate::model::precision;
use crate::task::{Evaluate, Loss, Train};

impl<T: Train + Evaluate> Trainer<'_, T> {
    /// Trains on a batch, of which the processes together have `images`, and which is number `scheduled` (from 0) of the run. None
    /// where its loss or gradient is not finite.
    pub(super) fn step(
        &mut self,
        batch: &Batch<T::Sample>,
        images: usize,
        schedule: &Schedule,
        scheduled: u64,
    ) -> Result<Option<Step>, Failure> {
        if let Some(statistics) = &self.statistics {
            statistics.keep()?;
        }
        let losses = self.backward(batch, images)?;
        let gradient_norm = foreach::clip_grad_norm(&self.parameters, f64::INFINITY)?;
        if !gradient_norm.is_finite() || losses.iter().any(|(_, value)| !value.is_finite()) {
            self.leave_out(batch, &losses)?;
            self.forget_gradients()?;
            self.position.step += 1;
            return Ok(None);
        }
        if let Some(limit) = self.config.train.clip_grad_norm.filter(|limit| gradient_norm > *limit) {
            foreach::clip_grad_norm(&self.parameters, limit)?;
        }
        let factor = schedule.factor(scheduled);
        self.optimizer.step(factor, schedule.annealed(scheduled))?;
        self.forget_gradients()?;
        if let Some(ema) = &mut self.ema {
            ema.update(self.position.step)?;
        }
        self.position.step += 1;
        Ok(Some(Step {
            number: self.position.step,
            learning_rate: self.config.train.optimizer.learning_rate() * factor,
            losses,
            gradient_norm,
            images,
        }))
    }

    /// The loss of a batch and its parts; sets the gradients of the parameters.
    fn backward(&mut self, batch: &Batch<T::Sample>, images: usize) -> Result<Vec<(&'static str, f64)>, Failure> {
        let (task, device) = (self.task, self.network.device());
        let mut rng = SampleRng::for_batch(self.config.seed, self.position.epoch, batch.index as u64);
        let mode = self.exchange.as_ref().map_or(Mode::Train, |exchange| exchange.mode(images));
        let inputs = self.normalizer.batch(batch.samples.iter().map(T::image));
        let (inputs, targets) = task.targets(inputs, &batch.samples, &mut rng)?;
        let forward = || task.forward(&self.network.model, &inputs, mode);
        let output = precision::forward(self.config.train.precision, device, forward)??;
        let parts = task.losses(&self.network.model, &output, &targets)?;
        let values: Vec<&Tensor> = parts.iter().map(|part| &part.value).collect();
        let values = Tensor::stack(&values, 0);
        let losses = match &mut self.exchange {
            Some(exchange) => exchange.backward(&parts, &values)?,
            None => {
                values.sum(Kind::Float).f_backward()?;
                values.detach()
            }
        };
        Ok(read_losses(&parts, &losses))
    }
}

/// The parts and their sum, copied from the device once.
fn read_losses(parts: &[Loss], losses: &Tensor) -> Vec<(&'static str, f64)> {
    let losses = losses.to_kind(Kind::Double).to(Device::Cpu);
    let values: Vec<f64> = (0..parts.len() as i64).map(|index| losses.double_value(&[index])).collect();
    std::iter::once(("loss", values.iter().sum()))
        .chain(parts.iter().map(|part| part.name).zip(values.iter().copied()))
        .collect()
}
