//! The configuration of a job: typed, and checked completely before any work begins.
//!
//! Every task has the same top keys. What differs (the head, the data's augmentation and the evaluation) is named by the
//! task through [`Keys`], so a key that a task does not use is an unknown key.

mod check;
mod data;
mod extends;
mod find;
mod load;
mod model;
mod overrides;
mod position;
#[cfg(test)]
mod ranges;
mod resume;
pub mod schema;
mod train;
mod variables;

use backbone::Normalization;
use datasets::PixelOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt::Debug;

pub use data::{DEFAULT_WORKERS, DataConfig, ImageSize};
pub use find::configuration_path;
pub use front::words::TaskKind;
pub use load::ConfigFile;
pub use model::{BackboneConfig, Initialization, NetworkInFile, WeightsFile};
pub use resume::Changes;
pub use train::{
    Auto, CheckpointConfig, NotFiniteConfig, NotFinitePolicy, OptimizerConfig, Precision, QuantizeConfig, ReduceConfig,
    ScheduleConfig, ScheduleKind, SyncBatchNorm, TrainConfig,
};

/// What a task adds to the common configuration.
pub trait Keys: Clone + Debug + Sized + 'static {
    /// The keys under `head`.
    type Head: Clone + Debug + Default + Serialize + DeserializeOwned + JsonSchema;
    /// The keys under `data.train` and `data.val`.
    type Source: Clone + Debug + Serialize + DeserializeOwned + JsonSchema;
    /// The keys under `data.targets`: which annotations training uses.
    type Targets: Clone + Debug + Default + Serialize + DeserializeOwned + JsonSchema;
    /// The keys under `data.augment`.
    type Augment: Clone + Debug + Default + Serialize + DeserializeOwned + JsonSchema;
    /// The keys under `eval`.
    type Eval: Clone + Debug + Default + Serialize + DeserializeOwned + JsonSchema;
}

/// One job, whatever its task.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound(serialize = "K: Keys", deserialize = "K: Keys"))]
#[schemars(rename = "Config", bound = "K: Keys")]
pub struct Config<K: Keys> {
    /// The task.
    pub task: TaskKind,
    /// The run's name; by default the name of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The seed of a run: initial weights, order of samples, augmentation.
    #[serde(default)]
    pub seed: u64,
    /// The MobileOne backbone.
    pub backbone: BackboneConfig,
    /// The head of the task.
    #[serde(default)]
    pub head: K::Head,
    /// The data sets, and how samples are prepared.
    pub data: DataConfig<K>,
    /// The training.
    #[serde(default)]
    pub train: TrainConfig,
    /// The evaluation.
    #[serde(default)]
    pub eval: K::Eval,
}

impl<K: Keys> Config<K> {
    /// The configuration of a job of `count` processes: the batch size follows from that of a process, where it is given.
    #[must_use]
    pub fn for_processes(mut self, count: usize) -> Self {
        if let Some(own) = self.train.batch_per_process {
            self.train.batch_size = own.saturating_mul(count);
        }
        self
    }

    /// How the pixels of image files are read.
    pub fn pixels(&self) -> PixelOptions {
        let DataConfig { orientation, depth, .. } = self.data;
        PixelOptions { orientation, depth, channels: self.backbone.channels() as usize }
    }

    /// How pixels become the network's input.
    pub fn normalization(&self) -> Normalization {
        self.data.normalize.clone().unwrap_or_else(|| Normalization::imagenet(self.backbone.channels()))
    }
}
