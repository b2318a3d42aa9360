//! One batch.

use backbone::Mode;
use datasets::{Batch, SampleRng};
use tch::{Device, Kind, Tensor};
use tch_ext::foreach;

use super::Trainer;
use super::progress::Step;
use super::schedule::Schedule;
use crate::failure::Failure;
use crate::model::{Network, precision};
use crate::task::{Evaluate, Loss, Train};

impl<T: Train + Evaluate> Trainer<'_, T> {
    /// Trains on a batch, of which each process has `images`, and which is number `scheduled` (from 0) of the run. None
    /// where its loss or gradient is not finite.
    pub(super) fn step(
        &mut self,
        batch: &Batch<T::Sample>,
        images: &[usize],
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
            images: images.iter().sum(),
        }))
    }

    /// The loss of a batch and its parts; sets the gradients of the parameters.
    fn backward(&mut self, batch: &Batch<T::Sample>, images: &[usize]) -> Result<Vec<(&'static str, f64)>, Failure> {
        let mut rng = SampleRng::for_batch(self.config.seed, self.position.epoch, batch.index as u64);
        let pieces = self.config.train.accumulate;
        if pieces > 1 {
            return self.accumulate(batch, images, &mut rng, pieces);
        }
        let losses = self.losses(&batch.samples, images.iter().sum(), &mut rng)?;
        let values = match &mut self.exchange {
            Some(exchange) => exchange.backward(&losses)?,
            None => {
                losses.values.sum(Kind::Float).f_backward()?;
                losses.values.detach()
            }
        };
        Ok(read_losses(&losses.names, &values))
    }

    /// The parts of the loss of samples, of which the processes together have `images`.
    pub(super) fn losses(&self, samples: &[T::Sample], images: usize, rng: &mut SampleRng) -> Result<Losses, Failure> {
        let (task, device) = (self.task, self.network.device());
        let mode = self.exchange.as_ref().map_or(Mode::Train, |exchange| exchange.mode(images));
        let inputs = self.normalizer.batch(samples.iter().map(T::image));
        let (inputs, targets) = task.targets(inputs, samples, rng)?;
        let forward = || self.network.forward(task, &inputs, mode);
        let output = precision::forward(self.config.train.precision, device, forward)??;
        let [labels, taught] =
            self.config.train.quantize.as_ref().map_or([1.0, 0.0], |int8| [int8.labels, int8.teacher]);
        let mut parts = Vec::new();
        if labels > 0.0 {
            let weighted = |part: Loss| if labels == 1.0 { part } else { Loss { value: part.value * labels, ..part } };
            parts.extend(task.losses(&self.network.model, &output, &targets)?.into_iter().map(weighted));
        }
        if let Some(teacher) = &self.teacher {
            parts.push(teaching(task, teacher, &inputs, &output, taught)?);
        }
        let values: Vec<&Tensor> = parts.iter().map(|part| &part.value).collect();
        let scalar = |weight: &Tensor| weight.detach().to_device(device).to_kind(Kind::Double).view([]);
        let weights: Vec<Tensor> = parts.iter().map(|part| scalar(&part.weight)).collect();
        Ok(Losses {
            names: parts.iter().map(|part| part.name).collect(),
            values: Tensor::stack(&values, 0),
            weights: Tensor::stack(&weights, 0),
        })
    }
}

/// The squared difference of each image's outputs from the teacher's, by the square of the teacher's, times `weight`.
fn teaching<T: Train>(
    task: &T,
    teacher: &Network<T>,
    inputs: &Tensor,
    output: &T::Output,
    weight: f64,
) -> Result<Loss, Failure> {
    let expected = tch::no_grad(|| teacher.forward(task, inputs, Mode::Eval))?;
    let power = |tensor: Tensor| tensor.flatten(1, -1).square().sum_dim_intlist(1, false, Kind::Float);
    let relative = |((_, expected), (_, found)): ((&str, &Tensor), (&str, &Tensor))| {
        power(found - expected) / power(expected.shallow_clone()).clamp_min(f64::from(f32::MIN_POSITIVE))
    };
    let pairs = task.numbers(&expected).into_iter().zip(task.numbers(output));
    let noise: Vec<Tensor> = pairs.map(relative).collect();
    let value = Tensor::stack(&noise, 0).sum_dim_intlist(0, false, Kind::Float).mean(Kind::Float) * weight;
    Ok(Loss { name: "teacher", value, weight: Tensor::from(inputs.size()[0]) })
}

/// The parts of a loss.
pub(super) struct Losses {
    pub(super) names: Vec<&'static str>,
    /// Means over the samples, `[parts]`.
    pub(super) values: Tensor,
    /// What divides each mean, `[parts]`, in fp64.
    pub(super) weights: Tensor,
}

/// The parts and their sum, copied from the device once.
pub(super) fn read_losses(names: &[&'static str], values: &Tensor) -> Vec<(&'static str, f64)> {
    let values = values.to_kind(Kind::Double).to(Device::Cpu);
    let values: Vec<f64> = (0..names.len() as i64).map(|index| values.double_value(&[index])).collect();
    std::iter::once(("loss", values.iter().sum())).chain(names.iter().copied().zip(values.iter().copied())).collect()
}
