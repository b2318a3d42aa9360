//! The configuration of a job: typed, and checked whole before any work begins.
//!
//! Every task has the same top keys. What differs (the head, the data's augmentation and the evaluation) is named by the
//! task through [`Keys`], so a key that a task does not use is an unknown key.

mod data;
mod load;
mod model;
mod overrides;
mod resume;
mod train;

use clap::ValueEnum;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt::Debug;

pub use data::{DEFAULT_WORKERS, DataConfig, ImageSize};
pub use load::{ConfigFile, configuration_path};
pub use model::{BackboneConfig, Initialization};
pub use resume::Changes;
pub use train::{
    CheckpointConfig, NotFiniteConfig, NotFinitePolicy, OptimizerConfig, Precision, ScheduleConfig, ScheduleKind,
    TrainConfig,
};

/// Which of the tasks a configuration describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum TaskKind {
    /// Image classification.
    Classify,
    /// Object detection with SSDLite.
    Detect,
    /// Semantic segmentation with DeepLabV3.
    Segment,
}

impl TaskKind {
    /// The word in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classify => "classify",
            Self::Detect => "detect",
            Self::Segment => "segment",
        }
    }
}

/// What a task adds to the common configuration.
pub trait Keys: Clone + Debug + Sized + 'static {
    /// The keys under `head`.
    type Head: Clone + Debug + Default + Serialize + DeserializeOwned;
    /// The keys under `data.train` and `data.val`.
    type Source: Clone + Debug + Serialize + DeserializeOwned;
    /// The keys under `data.targets`: which annotations training sees.
    type Targets: Clone + Debug + Default + Serialize + DeserializeOwned;
    /// The keys under `data.augment`.
    type Augment: Clone + Debug + Default + Serialize + DeserializeOwned;
    /// The keys under `eval`.
    type Eval: Clone + Debug + Default + Serialize + DeserializeOwned;
}

/// One job, whatever its task.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(serialize = "K: Keys", deserialize = "K: Keys"))]
pub struct Config<K: Keys> {
    /// Which task this is.
    pub task: TaskKind,
    /// The run's name; the file's name where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// One seed decides a run: initial weights, order of samples, augmentation.
    #[serde(default)]
    pub seed: u64,
    /// The MobileOne that everything stands on.
    pub backbone: BackboneConfig,
    /// The task's own head.
    #[serde(default)]
    pub head: K::Head,
    /// Where samples come from and how they are prepared.
    pub data: DataConfig<K>,
    /// How to train.
    #[serde(default)]
    pub train: TrainConfig,
    /// How to evaluate.
    #[serde(default)]
    pub eval: K::Eval,
}
