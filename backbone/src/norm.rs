//! Batch normalisation over `[N, C, H, W]`, with the parameter names and defaults of PyTorch's `BatchNorm2d`.
//!
//! There is no count of batches (`num_batches_tracked`), because the momentum is fixed.

use tch::{Kind, Tensor, nn};
use tch_ext::distributed::{BatchNormInput, BatchNormOptions, RunningStatistics, sync_batch_norms};

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
        sum_of_normalised(std::iter::once(self.input(xs.shallow_clone())), mode)
    }

    /// What normalises `xs`.
    pub(crate) fn input(&self, xs: Tensor) -> Input<'_> {
        Input { norm: self, xs }
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

/// A tensor (`[N, C, H, W]`) and its normalisation.
pub(crate) struct Input<'a> {
    norm: &'a BatchNorm,
    xs: Tensor,
}

impl Input<'_> {
    fn normalise(&self, mode: Mode) -> Tensor {
        let Self { norm, xs } = self;
        xs.batch_norm(
            Some(&norm.weight),
            Some(&norm.bias),
            Some(&norm.running_mean),
            Some(&norm.running_var),
            mode.is_train(),
            norm.config.momentum,
            norm.config.eps,
            true,
        )
    }
}

/// The sum of normalised tensors. In training it is formed in place, one after the other; where processes share the batch, all
/// statistics are exchanged at once, and the constants are those of the first.
///
/// # Panics
/// Without inputs.
pub(crate) fn sum_of_normalised<'a>(inputs: impl Iterator<Item = Input<'a>>, mode: Mode) -> Result<Tensor, Error> {
    let sum = |mut sum: Tensor, ys: Tensor| if mode.is_train() { sum.g_add_(&ys) } else { sum + ys };
    let found = match mode {
        Mode::TrainTogether(together) => {
            let inputs: Vec<Input> = inputs.collect();
            let BatchNormConfig { eps, momentum } = inputs[0].norm.config;
            let all = inputs.iter().map(|Input { norm, xs }| BatchNormInput {
                x: xs,
                weight: &norm.weight,
                bias: &norm.bias,
                running: Some(RunningStatistics { mean: &norm.running_mean, var: &norm.running_var }),
            });
            let all: Vec<BatchNormInput> = all.collect();
            sync_batch_norms(&all, BatchNormOptions { eps, momentum }, together.group)?.into_iter().reduce(sum)
        }
        _ => inputs.map(|input| input.normalise(mode)).reduce(sum),
    };
    Ok(found.expect("at least one input"))
}
