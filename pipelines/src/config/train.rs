//! The `train` section: optimiser, schedule, averaging, precision, checkpoints.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The training.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Number of passes over the training set.
    #[schemars(range(min = 1))]
    pub epochs: u64,
    /// Images per step, of all processes together.
    #[schemars(range(min = 1))]
    pub batch_size: usize,
    /// Images per step of one process, which with the number of processes makes `batch_size`; `null` where `batch_size` says it.
    #[schemars(range(min = 1))]
    pub batch_per_process: Option<usize>,
    /// Pieces in which a process computes its images of a step, to need less memory. The loss and its gradient are those of all
    /// images; batch norm takes the statistics of a piece, and mixing pairs within it.
    #[schemars(range(min = 1))]
    pub accumulate: usize,
    /// The optimiser.
    pub optimizer: OptimizerConfig,
    /// The learning rate over the run.
    pub schedule: ScheduleConfig,
    /// Decay per step of the exponential moving average of weights and statistics; `null` for no average. The first steps use
    /// `(1 + step) / (10 + step)` where that is smaller, so that the average forgets the random start.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub ema: Option<f64>,
    /// Gradients with a larger global L2 norm are scaled down to this norm; `null` for no limit.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub clip_grad_norm: Option<f64>,
    /// The number format of the forward pass; weights and optimiser stay in fp32.
    pub precision: Precision,
    /// Whether images and weights have the channels-last memory layout.
    pub channels_last: bool,
    /// Epochs between evaluations; the last epoch is always evaluated.
    #[schemars(range(min = 1))]
    pub eval_every: u64,
    /// When checkpoints are saved.
    pub checkpoint: CheckpointConfig,
    /// What happens when a loss or gradient is not finite.
    pub not_finite: NotFiniteConfig,
    /// Training in int8: the network computes as files of `export --int8` do, and learns to live with that. `null` for floating point.
    pub quantize: Option<QuantizeConfig>,
    /// With several processes: whether batch norm takes the statistics of the whole batch (`true`), as one process would, or of the
    /// part of each process (`false`); `auto` synchronises where a process has less than 16 images per step.
    pub sync_batch_norm: SyncBatchNorm,
    /// With several processes: how gradients are sent.
    pub reduce: ReduceConfig,
    /// With several processes: the seconds within which the job ends after one of them stopped answering.
    #[schemars(range(min = 1.0, max = 86400.0))]
    pub timeout: f64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 100,
            batch_size: 32,
            batch_per_process: None,
            accumulate: 1,
            optimizer: OptimizerConfig::default(),
            schedule: ScheduleConfig::default(),
            ema: Some(0.9995),
            clip_grad_norm: None,
            precision: Precision::Fp32,
            channels_last: true,
            eval_every: 1,
            checkpoint: CheckpointConfig::default(),
            not_finite: NotFiniteConfig::default(),
            quantize: None,
            sync_batch_norm: SyncBatchNorm::Chosen(Auto::Auto),
            reduce: ReduceConfig::default(),
            timeout: 30.0,
        }
    }
}

/// Training in int8, of a network that was trained before. It begins calibrated; then weights, biases and the scales of all grids are
/// trained, through their rounding. The optimiser counts weights in 64ths of a step of their grids, scales in 128ths of themselves and
/// biases in steps, so that one learning rate fits every network: `{ kind: adamw, lr: 0.02, weight_decay: 0 }`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuantizeConfig {
    /// The trained network: a run's folder, or a file of its weights. `backbone.weights` is not read.
    pub weights: PathBuf,
    /// Images that it is calibrated with.
    #[serde(default = "calibration_images")]
    #[schemars(range(min = 1))]
    pub calibration: usize,
    /// Where they are from: folders of images or configurations; the training set where none is named.
    #[serde(default)]
    pub calibration_data: Vec<PathBuf>,
    /// Names of layers that stay in floating point.
    #[serde(default)]
    pub float_layers: BTreeSet<String>,
    /// What the usual loss, by labels, is multiplied with; 0 to train without labels.
    #[serde(default = "one")]
    #[schemars(range(min = 0.0))]
    pub labels: f64,
    /// What the loss against the outputs of the network in floating point is multiplied with: the squared difference by the square of
    /// the outputs, for each image. 0 for none.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub teacher: f64,
}

fn calibration_images() -> usize {
    256
}

/// Whether batch norm takes the statistics of all processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected true, false or auto")]
pub enum SyncBatchNorm {
    /// As it says.
    Set(bool),
    /// By the number of images.
    Chosen(Auto),
}

/// The word for a choice that the program makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Auto {
    /// The program chooses.
    Auto,
}

/// How several processes add their gradients.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReduceConfig {
    /// Gradients are sent in groups of this many MiB, while the backward pass computes the next ones.
    #[schemars(range(min = 1, max = 1024))]
    pub buckets_mb: u32,
    /// In which numbers gradients are sent: `bf16` halves what is sent, and rounds every addition to 8 bits.
    pub dtype: Precision,
}

impl Default for ReduceConfig {
    /// As PyTorch's DistributedDataParallel.
    fn default() -> Self {
        Self { buckets_mb: 25, dtype: Precision::Fp32 }
    }
}

/// The optimiser. Normalisation parameters and biases have no weight decay.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// Stochastic gradient descent, as `torch.optim.SGD`.
    Sgd {
        /// The learning rate at the schedule's peak.
        #[schemars(extend("exclusiveMinimum" = 0))]
        lr: f64,
        /// Momentum: the share of the last step that is kept.
        #[serde(default = "sgd_momentum")]
        #[schemars(range(min = 0.0))]
        momentum: f64,
        /// Whether to use Nesterov's momentum.
        #[serde(default)]
        nesterov: bool,
        /// The L2 penalty.
        #[serde(default = "sgd_decay")]
        #[schemars(range(min = 0.0))]
        weight_decay: f64,
        /// The penalty at the end of the run, reached along half a cosine; constant by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 0.0))]
        weight_decay_end: Option<f64>,
        /// The learning rate of the backbone relative to `lr`.
        #[serde(default = "one")]
        #[schemars(range(min = 0.0))]
        backbone_lr: f64,
    },
    /// Adam with decoupled weight decay, as `torch.optim.AdamW`.
    Adamw {
        /// The learning rate at the schedule's peak.
        #[schemars(extend("exclusiveMinimum" = 0))]
        lr: f64,
        /// The decay rates of the two moments.
        #[serde(default = "adam_betas")]
        #[schemars(inner(range(min = 0.0)))]
        betas: [f64; 2],
        /// The number added to the root of the second moment.
        #[serde(default = "adam_eps")]
        #[schemars(range(min = 0.0))]
        eps: f64,
        /// The decoupled weight decay.
        #[serde(default = "adam_decay")]
        #[schemars(range(min = 0.0))]
        weight_decay: f64,
        /// The decay at the end of the run, reached along half a cosine; constant by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 0.0))]
        weight_decay_end: Option<f64>,
        /// The learning rate of the backbone relative to `lr`.
        #[serde(default = "one")]
        #[schemars(range(min = 0.0))]
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

    /// The weight decay when `annealed` of the way to its end is left (1 at the start of a run, 0 at its end).
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
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleConfig {
    /// The curve after the warm-up.
    pub kind: ScheduleKind,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// The learning rate at the start of the warm-up, relative to the peak.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub warmup_start: f64,
    /// The learning rate at the end, relative to the peak (`cosine` and `poly`).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub end: f64,
    /// The exponent of `poly`.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub power: f64,
}

/// The curve of the learning rate after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleKind {
    /// Half a cosine from the peak to `end`.
    Cosine,
    /// `(1 - progress) ^ power` from the peak to `end`, as DeepLab trains.
    Poly,
    /// Constant after the warm-up.
    Constant,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self { kind: ScheduleKind::Cosine, warmup_steps: 0, warmup_start: 1e-3, end: 0.0, power: 0.9 }
    }
}

/// A number format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    Fp32,
    /// bfloat16; of a forward pass the convolutions and matrix products, by autocast.
    Bf16,
}

/// When checkpoints are saved. A run is also saved at its start, when its metric is the best so far, after its last epoch and
/// when it is interrupted.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointConfig {
    /// Epochs between two checkpoints.
    #[schemars(range(min = 1))]
    pub every_epochs: u64,
    /// Steps between two checkpoints within an epoch; `null` for none within an epoch.
    #[schemars(range(min = 1))]
    pub every_steps: Option<u64>,
    /// Number of newest checkpoints to keep in addition to the best one. With two or more, a run can resume from the previous one
    /// if the newest is damaged.
    #[schemars(range(min = 1))]
    pub keep: usize,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { every_epochs: 1, every_steps: None, keep: 2 }
    }
}

/// What happens when a loss or gradient is not finite.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NotFiniteConfig {
    /// The reaction.
    pub policy: NotFinitePolicy,
    /// Steps of a run that may be skipped or rolled back; the next one ends the run.
    pub limit: u64,
}

impl Default for NotFiniteConfig {
    fn default() -> Self {
        Self { policy: NotFinitePolicy::Stop, limit: 10 }
    }
}

/// What happens when a loss or gradient is not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NotFinitePolicy {
    /// End the run.
    Stop,
    /// Skip the batch: weights, statistics, average and optimiser stay as they were before it.
    Skip,
    /// Skip the batch and restore weights, statistics, average and optimiser from the newest checkpoint.
    Rollback,
}
