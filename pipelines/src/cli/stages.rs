//! Commands that train, evaluate and run networks.

use clap::builder::TypedValueParser;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

use super::{DeviceArgs, SetArgs};
use crate::config::TaskKind;
use crate::report::PredictionFormat;

/// `pipeline train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The configuration: a path, or a name in configs/
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    pub config: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub set: SetArgs,
    /// Go on with a run that was interrupted
    #[arg(long, value_name = "RUN")]
    pub resume: Option<PathBuf>,
    /// The folder that the run's folder is made in
    #[arg(short, long, default_value = "runs", value_name = "DIR")]
    pub output: PathBuf,
    /// The run's name [default: the configuration's]
    #[arg(long)]
    pub name: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub device: DeviceArgs,
    /// Do not measure latency in the end
    #[arg(long)]
    pub no_latency: bool,
    /// Print the final report as JSON
    #[arg(long)]
    pub json: bool,
}

/// `pipeline eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// A run's folder, an exported file, or a configuration with --weights
    #[arg(value_name = "RUN|FILE|CONFIG")]
    pub subject: String,
    /// The configuration to evaluate an exported file with [default: the one that it was trained with]
    #[arg(value_name = "CONFIG")]
    pub config: Option<String>,
    /// The weights to evaluate [default: the run's best]
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Score a classifier against ReaL labels of ImageNet as well (real.json)
    #[arg(long, value_name = "FILE")]
    pub real_labels: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub set: SetArgs,
    /// Where predictions and the report go [default: the run's folder, or none for a configuration]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Add a line to results.csv in that folder
    #[arg(long, value_name = "DIR")]
    pub results: Option<PathBuf>,
    /// Do not measure latency
    #[arg(long)]
    pub no_latency: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub device: DeviceArgs,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// `pipeline score`.
#[derive(Debug, Args)]
pub struct ScoreArgs {
    /// What the files hold
    #[arg(long, value_enum)]
    pub task: TaskKind,
    /// The truth: COCO annotations or a VOC devkit folder (detect), a CSV of `image,class` (classify), a folder of masks
    /// (segment)
    #[arg(long, value_name = "FILE|DIR")]
    pub annotations: PathBuf,
    /// The predictions: COCO results (detect), a CSV of class scores (classify), a folder of masks (segment)
    #[arg(long, value_name = "FILE|DIR")]
    pub predictions: PathBuf,
    /// Compare with these predictions by a paired bootstrap over the images; they are B
    #[arg(long, value_name = "FILE|DIR")]
    pub compare: Option<PathBuf>,
    /// Resamples of the bootstrap
    #[arg(long, default_value_t = 1000, value_name = "COUNT")]
    pub resamples: usize,
    /// The same seed draws the same resamples
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Detect, VOC: the list of images in ImageSets/Main, without its ending
    #[arg(long, value_name = "NAME")]
    pub split: Option<String>,
    /// Detect: where to cut scores off, and what kinds of error there are, in place of the twelve statistics
    #[arg(long)]
    pub analyze: bool,
    /// Detect: overlap of boxes or of masks [default: bbox]
    #[arg(long, value_enum, value_name = "TYPE")]
    pub iou_type: Option<IouTypeName>,
    /// Classify: score against ReaL labels of ImageNet as well (real.json)
    #[arg(long, value_name = "FILE")]
    pub real_labels: Option<PathBuf>,
    /// Segment, VOC: names of the classes, one a line in the order of the ids
    #[arg(long, value_name = "FILE")]
    pub class_names: Option<PathBuf>,
    /// Segment: the id that counts for nothing [default: 255]
    #[arg(long, value_name = "ID")]
    pub ignore: Option<u8>,
    /// Segment: compute the boundary F-score with this tolerance, a share of the diagonal (DAVIS: 0.008)
    #[arg(long, value_name = "SHARE")]
    pub boundary_tolerance: Option<f64>,
    /// Write the report there, as JSON, Markdown, CSV and figures
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Print as CSV: a line a metric
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// With --csv: a line a class
    #[arg(long, requires = "csv")]
    pub per_class: bool,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// What overlaps where detections are matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IouTypeName {
    /// Boxes
    Bbox,
    /// Masks
    Segm,
}

/// `pipeline predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// A run's folder, or an exported file
    #[arg(value_name = "RUN|FILE")]
    pub subject: PathBuf,
    /// Images, folders, patterns such as 'in/*.jpg', videos, or - for a list of paths on standard input
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// The weights to use [default: the run's best]
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Where pictures with drawn predictions, masks and the predictions go [default: predictions alone, on standard output]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// How predictions are written
    #[arg(long, value_enum, default_value = "json")]
    pub format: PredictionFormat,
    /// Leave out predictions below this score
    #[arg(long, default_value_t = 0.3, value_name = "SCORE")]
    pub threshold: f64,
    /// Look into the folders below a folder too
    #[arg(long)]
    pub recursive: bool,
    /// Of a video's frames take the first and then each so many-th
    #[arg(long, default_value_t = 1, value_name = "FRAMES", value_parser = clap::value_parser!(u32).range(1..).map(|every| every as usize))]
    pub every: usize,
    /// Images a run of the network
    #[arg(long, default_value_t = 8, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1024).map(usize::from))]
    pub batch: usize,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub device: DeviceArgs,
}
