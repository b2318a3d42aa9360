//! The `train` section: optimiser, schedule, averaging, precision, checkpoints.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// How to train.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Passes over the training set.
    pub epochs: u64,
    /// Images a step.
    pub batch_size: usize,
    /// What turns gradients into steps.
    pub optimizer: OptimizerConfig,
    /// The learning rate over the run.
    pub schedule: ScheduleConfig,
    /// Decay a step of the exponential moving average of weights and statistics; `null` for none. The first steps use
    /// `(1 + step) / (10 + step)` where that is smaller, so that the average does not remember the random start.
    pub ema: Option<f64>,
    /// Gradients are scaled to this global L2 norm where they exceed it; `null` for never.
    pub clip_grad_norm: Option<f64>,
    /// What the forward pass computes in.
    pub precision: Precision,
    /// Whether images and weights lie channels-last in memory.
    pub channels_last: bool,
    /// Epochs between evaluations; the last epoch is always evaluated.
    pub eval_every: u64,
    /// When the run is saved.
    pub checkpoint: CheckpointConfig,
    /// What a loss or gradient that is not finite does.
    pub not_finite: NotFiniteConfig,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 100,
            batch_size: 32,
            optimizer: OptimizerConfig::default(),
            schedule: ScheduleConfig::default(),
            ema: Some(0.9995),
            clip_grad_norm: None,
            precision: Precision::Fp32,
            channels_last: true,
            eval_every: 1,
            checkpoint: CheckpointConfig::default(),
            not_finite: NotFiniteConfig::default(),
        }
    }
}

/// What turns gradients into steps. Norm parameters and biases never decay.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// Stochastic gradient descent, as `torch.optim.SGD`.
    Sgd {
        /// The learning rate at the schedule's peak.
        lr: f64,
        /// Share of the last step that is kept.
        #[serde(default = "sgd_momentum")]
        momentum: f64,
        /// Nesterov's momentum.
        #[serde(default)]
        nesterov: bool,
        /// L2 penalty.
        #[serde(default = "sgd_decay")]
        weight_decay: f64,
        /// The penalty at the end of the run, reached by half a cosine; no change where it is not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weight_decay_end: Option<f64>,
        /// Learning rate of the backbone relative to `lr`.
        #[serde(default = "one")]
        backbone_lr: f64,
    },
    /// Adam with decoupled weight decay, as `torch.optim.AdamW`.
    Adamw {
        /// The learning rate at the schedule's peak.
        lr: f64,
        /// Decay rates of the two moments.
        #[serde(default = "adam_betas")]
        betas: [f64; 2],
        /// Added to the root of the second moment.
        #[serde(default = "adam_eps")]
        eps: f64,
        /// Decoupled decay.
        #[serde(default = "adam_decay")]
        weight_decay: f64,
        /// The decay at the end of the run, reached by half a cosine; no change where it is not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weight_decay_end: Option<f64>,
        /// Learning rate of the backbone relative to `lr`.
        #[serde(default = "one")]
        backbone_lr: f64,
    },
}

fn sgd_momentum() -> f64 {
    0.9
}
fn sgd_decay() -> f64 {
    1e-4
}
fn adam_betas() -> [f64; 2] {
    [0.9, 0.999]
}
fn adam_eps() -> f64 {
    1e-8
}
fn adam_decay() -> f64 {
    0.01
}
fn one() -> f64 {
    1.0
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::Sgd {
            lr: 0.1,
            momentum: sgd_momentum(),
            nesterov: false,
            weight_decay: sgd_decay(),
            weight_decay_end: None,
            backbone_lr: 1.0,
        }
    }
}

impl OptimizerConfig {
    /// The learning rate at the schedule's peak.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Self::Sgd { lr, .. } | Self::Adamw { lr, .. } => *lr,
        }
    }

    /// The weight decay where `annealed` of the way to its end is left (1 at the start of a run, 0 at its end).
    pub fn weight_decay(&self, annealed: f64) -> f64 {
        let (Self::Sgd { weight_decay, weight_decay_end, .. } | Self::Adamw { weight_decay, weight_decay_end, .. }) =
            self;
        let end = weight_decay_end.unwrap_or(*weight_decay);
        end + (weight_decay - end) * annealed
    }

    /// The backbone's learning rate relative to [`Self::learning_rate`].
    pub fn backbone_scale(&self) -> f64 {
        match self {
            Self::Sgd { backbone_lr, .. } | Self::Adamw { backbone_lr, .. } => *backbone_lr,
        }
    }
}

/// The learning rate over the run: a linear warm-up, then `kind`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleConfig {
    /// The curve after the warm-up.
    pub kind: ScheduleKind,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// The warm-up's start, relative to the peak.
    pub warmup_start: f64,
    /// The end, relative to the peak (`cosine` and `poly`).
    pub end: f64,
    /// The exponent of `poly`.
    pub power: f64,
}

/// The curve of the learning rate after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleKind {
    /// Half a cosine from the peak to `end`.
    Cosine,
    /// `(1 - progress) ^ power` from the peak to `end`, as DeepLab trains.
    Poly,
    /// No change.
    Constant,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self { kind: ScheduleKind::Cosine, warmup_steps: 0, warmup_start: 1e-3, end: 0.0, power: 0.9 }
    }
}

/// What the forward pass computes in; weights and optimiser stay in fp32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    Fp32,
    /// Convolutions and matrix products in bfloat16 by autocast.
    Bf16,
}

/// When a run is saved. Beside what is said here it is saved at its start, where its metric is the best so far, after its last
/// epoch and when it is interrupted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointConfig {
    /// Epochs between two checkpoints.
    pub every_epochs: u64,
    /// Steps between two checkpoints within an epoch; `null` for none there.
    pub every_steps: Option<u64>,
    /// Newest checkpoints to keep beside the best one. With two or more, a damaged one costs no more than the way back to the
    /// one before.
    pub keep: usize,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { every_epochs: 1, every_steps: None, keep: 2 }
    }
}

/// What a loss or gradient that is not finite does to a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotFiniteConfig {
    /// What is done.
    pub policy: NotFinitePolicy,
    /// Steps of a run that may be skipped or taken back; one more ends it.
    pub limit: u64,
}

impl Default for NotFiniteConfig {
    fn default() -> Self {
        Self { policy: NotFinitePolicy::Stop, limit: 10 }
    }
}

/// What is done about a loss or gradient that is not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotFinitePolicy {
    /// The run ends.
    Stop,
    /// The batch is left out: weights, statistics, average and optimiser stay as they were before it.
    Skip,
    /// The batch is left out, and weights, statistics, average and optimiser go back to the newest checkpoint.
    Rollback,
}

impl TrainConfig {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// Names the first key whose value is out of range.
    pub fn validate(&self) -> Result<(), Failure> {
        let positive = [
            ("epochs", self.epochs as f64),
            ("batch_size", self.batch_size as f64),
            ("eval_every", self.eval_every as f64),
            ("checkpoint.every_epochs", self.checkpoint.every_epochs as f64),
            ("checkpoint.every_steps", self.checkpoint.every_steps.unwrap_or(1) as f64),
            ("checkpoint.keep", self.checkpoint.keep as f64),
            ("optimizer.lr", self.optimizer.learning_rate()),
            ("clip_grad_norm", self.clip_grad_norm.unwrap_or(1.0)),
            ("schedule.power", self.schedule.power),
        ];
        for (key, value) in positive {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Failure::usage(format!("train.{key} is {value}; it must be above 0")));
            }
        }
        let not_negative = match &self.optimizer {
            OptimizerConfig::Sgd { momentum, .. } => vec![("momentum", *momentum)],
            OptimizerConfig::Adamw { betas: [beta1, beta2], eps, .. } => {
                vec![("betas[0]", *beta1), ("betas[1]", *beta2), ("eps", *eps)]
            }
        };
        let both = [
            ("weight_decay", self.optimizer.weight_decay(1.0)),
            ("weight_decay_end", self.optimizer.weight_decay(0.0)),
            ("backbone_lr", self.optimizer.backbone_scale()),
        ];
        for (key, value) in not_negative.into_iter().chain(both) {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Failure::usage(format!("train.optimizer.{key} is {value}; it must be 0 or more")));
            }
        }
        let shares = [
            ("ema", self.ema.unwrap_or(0.0)),
            ("schedule.warmup_start", self.schedule.warmup_start),
            ("schedule.end", self.schedule.end),
        ];
        for (key, value) in shares {
            if !(0.0..=1.0).contains(&value) {
                return Err(Failure::usage(format!("train.{key} is {value}; it must lie between 0 and 1")));
            }
        }
        Ok(())
    }
}
