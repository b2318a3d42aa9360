//! The `data` section.

use backbone::Normalization;
use datasets::{Depth, LoaderOptions, Orientation};
use front::cli::Sides;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

use super::Keys;

/// The least side of an image: the stride of the backbone's last features.
const MIN_SIDE: usize = 32;
/// The greatest side of an image.
const MAX_SIDE: usize = 65535;

/// Height and width of the network's input; one number for a square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

impl From<Sides> for ImageSize {
    fn from(Sides { height, width }: Sides) -> Self {
        Self { height, width }
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a size is one number or [height, width]")]
enum OneOrTwo {
    Square(#[schemars(range(min = MIN_SIDE, max = MAX_SIDE))] usize),
    Sides(#[schemars(inner(range(min = MIN_SIDE, max = MAX_SIDE)))] [usize; 2]),
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

/// The data sets, and how samples are prepared.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound(serialize = "K: Keys", deserialize = "K: Keys"))]
#[schemars(rename = "DataConfig", inline, bound = "K: Keys")]
pub struct DataConfig<K: Keys> {
    /// The folder that the paths in `train` and `val` start from.
    pub root: PathBuf,
    /// Height and width of the network's input in pixels; one number for a square.
    pub size: ImageSize,
    /// Normalisation of the pixels: `(pixel / 255 - mean) / std`, a number for each channel; by default ImageNet's mean and standard
    /// deviation, for one channel the average of its three, for other channels these repeated in order.
    #[serde(default)]
    pub normalize: Option<Normalization>,
    /// The training set.
    pub train: K::Source,
    /// The validation set.
    pub val: K::Source,
    /// Which annotations training uses.
    #[serde(default)]
    pub targets: K::Targets,
    /// Augmentation of the training samples.
    #[serde(default)]
    pub augment: K::Augment,
    /// Threads that read and prepare samples; with 0 they are prepared between the steps.
    #[serde(default = "default_workers")]
    pub workers: usize,
    /// Whether images are turned as their EXIF orientation says: `upright`, as viewers show them, or `stored`.
    #[serde(default)]
    pub orientation: Orientation,
    /// Which bits of images with more than 8 bits per channel are used: `auto`, as the file says, or their number.
    #[serde(default)]
    pub depth: Depth,
    /// What happens when a sample cannot be read.
    #[serde(default)]
    pub on_error: datasets::OnError,
    /// Seconds to wait for a file before the run fails and names it; `null` waits without limit. It needs `workers`.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 0.1, max = 86400.0))]
    pub timeout: Option<f64>,
}

impl<K: Keys> DataConfig<K> {
    /// The reader's settings, as far as the configuration has them.
    pub fn loader(&self) -> LoaderOptions {
        LoaderOptions {
            workers: self.workers,
            on_error: self.on_error,
            timeout: self.timeout.map(Duration::from_secs_f64),
            ..LoaderOptions::default()
        }
    }
}

/// Threads that read samples by default.
pub const DEFAULT_WORKERS: usize = 2;

fn default_timeout() -> Option<f64> {
    LoaderOptions::default().timeout.map(|timeout| timeout.as_secs_f64())
}

fn default_workers() -> usize {
    DEFAULT_WORKERS
}
