//! Batch normalisation over `[N, C, H, W]`, with the parameter names and defaults of PyTorch's `BatchNorm2d`.
//!
//! There is no count of batches (`num_batches_tracked`), because the momentum is fixed.

use tch::{Kind, Tensor, nn};
use tch_ext::distributed::{BatchNormOptions, RunningStatistics, sync_batch_norm};

use crate::{error::Error, form::Mode};

/// Constants of a batch normalisation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchNormConfig {
    /// Added to the variance.
    pub eps: f64,
    /// Weight of the new batch in the running statistics.
    pub momentum: f64,
}

impl Default for BatchNormConfig {
    /// PyTorch's: eps 1e-5, momentum 0.1.
    fn default() -> Self {
        Self { eps: 1e-5, momentum: 0.1 }
    }
}

/// A batch normalisation with trainable scale and shift.
#[derive(Debug)]
pub struct BatchNorm {
    /// Scale, `[C]`, initially 1.
    pub weight: Tensor,
    /// Shift, `[C]`, initially 0.
    pub bias: Tensor,
    /// `[C]`, initially 0, not trainable.
    pub running_mean: Tensor,
    /// `[C]`, initially 1, not trainable, with Bessel's correction.
    pub running_var: Tensor,
    config: BatchNormConfig,
}

impl BatchNorm {
    /// Registers `weight`, `bias`, `running_mean` and `running_var` under `path`.
    pub fn new(path: &nn::Path, channels: i64, config: BatchNormConfig) -> Self {
        let options = (path.kind(), path.device());
        Self {
            weight: path.add("weight", Tensor::ones(channels, options), true),
            bias: path.add("bias", Tensor::zeros(channels, options), true),
            running_mean: path.add("running_mean", Tensor::zeros(channels, options), false),
            running_var: path.add("running_var", Tensor::ones(channels, options), false),
            config,
        }
    }

    /// Normalises `xs` (`[N, C, H, W]`).
    ///
    /// # Errors
    /// [`Error::Exchange`] where another process of [`Mode::TrainTogether`] is lost.
    pub fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        self.normalise(xs, &self.bias, mode)
    }

    /// Normalises `xs` and also adds `shift` (`[C]`), at no cost.
    pub(crate) fn forward_shifted(&self, xs: &Tensor, shift: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        self.normalise(xs, &(&self.bias + shift.to_kind(self.bias.kind())), mode)
    }

    fn normalise(&self, xs: &Tensor, bias: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        let BatchNormConfig { eps, momentum } = self.config;
        if let Mode::TrainTogether(together) = mode {
            let running = RunningStatistics { mean: &self.running_mean, var: &self.running_var };
            let options = BatchNormOptions { eps, momentum };
            return Ok(sync_batch_norm(xs, &self.weight, bias, Some(running), options, together.group)?);
        }
        Ok(xs.batch_norm(
            Some(&self.weight),
            Some(bias),
            Some(&self.running_mean),
            Some(&self.running_var),
            mode.is_train(),
            momentum,
            eps,
            true,
        ))
    }

    /// The constants.
    pub fn config(&self) -> BatchNormConfig {
        self.config
    }

    /// The equivalent affine map with running statistics: scale and shift, both `[C]` in fp64.
    pub fn affine(&self) -> (Tensor, Tensor) {
        tch::no_grad(|| {
            let double = |tensor: &Tensor| tensor.to_kind(Kind::Double);
            let scale = double(&self.weight) / (double(&self.running_var) + self.config.eps).sqrt();
            let shift = double(&self.bias) - double(&self.running_mean) * &scale;
            (scale, shift)
        })
    }

    /// The scale for an input with this variance, `[C]` in its kind.
    pub(crate) fn gain(&self, variance: &Tensor) -> Tensor {
        self.weight.to_kind(variance.kind()) / (variance + self.config.eps).sqrt()
    }

    /// Updates the running statistics as PyTorch does: by the momentum, the variance (of `count` values) with Bessel's correction.
    pub(crate) fn track(&self, mean: &Tensor, variance: &Tensor, count: f64) {
        let unbiased = variance.detach() * (count / (count - 1.0));
        tch::no_grad(|| {
            for (running, batch) in [(&self.running_mean, mean.detach()), (&self.running_var, unbiased)] {
                let _ = running.shallow_clone().lerp_(&batch.to_kind(running.kind()), self.config.momentum);
            }
        });
    }

    /// Replaces the running statistics (`[C]`, any kind) and adjusts scale and shift so that [`BatchNorm::affine`] does not change.
    pub fn rebase(&self, mean: &Tensor, variance: &Tensor) {
        let (scale, shift) = self.affine();
        let store = |variable: &Tensor, value: &Tensor| variable.detach().copy_(value);
        tch::no_grad(|| {
            store(&self.running_mean, mean);
            store(&self.running_var, variance);
            let mean = self.running_mean.to_kind(Kind::Double);
            let deviation = (self.running_var.to_kind(Kind::Double) + self.config.eps).sqrt();
            store(&self.weight, &(&scale * deviation));
            store(&self.bias, &(shift + mean * scale));
        });
    }
}
