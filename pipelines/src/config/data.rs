//! The `data` section.

use backbone::Normalization;
use datasets::LoaderOptions;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

use super::Keys;
use crate::failure::Failure;

/// Height and width of what the network sees; one number for a square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrTwo", into = "OneOrTwo")]
pub struct ImageSize {
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
}

impl ImageSize {
    /// Height and width, as tensors count them.
    pub fn sides(self) -> [i64; 2] {
        [self.height as i64, self.width as i64]
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "a size is one number or [height, width]")]
enum OneOrTwo {
    Square(usize),
    Sides([usize; 2]),
}

impl From<ImageSize> for datasets::Size {
    fn from(ImageSize { height, width }: ImageSize) -> Self {
        Self { height, width }
    }
}

impl From<OneOrTwo> for ImageSize {
    fn from(sides: OneOrTwo) -> Self {
        match sides {
            OneOrTwo::Square(side) => Self { height: side, width: side },
            OneOrTwo::Sides([height, width]) => Self { height, width },
        }
    }
}

impl From<ImageSize> for OneOrTwo {
    fn from(size: ImageSize) -> Self {
        if size.height == size.width { Self::Square(size.height) } else { Self::Sides([size.height, size.width]) }
    }
}

/// Where samples come from and how they are prepared.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(serialize = "K: Keys", deserialize = "K: Keys"))]
pub struct DataConfig<K: Keys> {
    /// The folder that the paths of `train` and `val` start from.
    pub root: PathBuf,
    /// What the network sees.
    pub size: ImageSize,
    /// How pixel values are brought to the network's range; ImageNet's mean and deviation by default.
    #[serde(default)]
    pub normalize: Normalization,
    /// What is trained on.
    pub train: K::Source,
    /// What is evaluated on.
    pub val: K::Source,
    /// Which annotations training sees.
    #[serde(default)]
    pub targets: K::Targets,
    /// How training samples are varied.
    #[serde(default)]
    pub augment: K::Augment,
    /// Threads that read and prepare samples; 0 prepares them between the steps.
    #[serde(default = "default_workers")]
    pub workers: usize,
    /// What a sample that cannot be read does to a run.
    #[serde(default)]
    pub on_error: datasets::OnError,
    /// Seconds to wait for one file before the run ends and names it; `null` for ever. It needs `workers`.
    #[serde(default = "default_timeout")]
    pub timeout: Option<f64>,
}

impl<K: Keys> DataConfig<K> {
    /// How samples are read, as far as the configuration says.
    pub fn loader(&self) -> LoaderOptions {
        LoaderOptions {
            workers: self.workers,
            on_error: self.on_error,
            timeout: self.timeout.map(Duration::from_secs_f64),
            ..LoaderOptions::default()
        }
    }

    /// Checks what the types do not.
    ///
    /// # Errors
    /// Names the first key whose value is out of range.
    pub fn validate(&self) -> Result<(), Failure> {
        let ImageSize { height, width } = self.size;
        if height < 32 || width < 32 {
            return Err(Failure::usage(format!(
                "data.size is {height}x{width}; both sides must be at least 32 pixels, the backbone's stride"
            )));
        }
        match self.timeout {
            // A day and more is as good as for ever, and far from what a clock can count.
            Some(seconds) if !(0.1..=86400.0).contains(&seconds) => {
                Err(Failure::usage(format!("data.timeout is {seconds}; it must lie between 0.1 and 86400 seconds")))
            }
            _ => Ok(()),
        }
    }
}

/// Threads that read samples where the configuration does not say.
pub const DEFAULT_WORKERS: usize = 2;

fn default_timeout() -> Option<f64> {
    LoaderOptions::default().timeout.map(|timeout| timeout.as_secs_f64())
}

fn default_workers() -> usize {
    DEFAULT_WORKERS
}
