//! Commands that train, evaluate and run networks.

use clap::builder::TypedValueParser;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

use super::{DeviceArgs, KeyArgs, ProcessArgs, SetArgs};
use crate::words::{PredictionFormat, TaskKind};

/// `pipeline train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The configuration: a path, or a name in configs/
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    pub config: Option<String>,
    #[command(flatten)]
    pub set: SetArgs,
    /// Resume an interrupted run, in its own folder
    #[arg(long, value_name = "RUN", conflicts_with_all = ["output", "name"])]
    pub resume: Option<PathBuf>,
    /// The folder to create the run's folder in
    #[arg(short, long, default_value = "runs", value_name = "DIR")]
    pub output: PathBuf,
    /// The run's name [default: the configuration's]
    #[arg(long)]
    pub name: Option<String>,
    #[command(flatten)]
    pub device: DeviceArgs,
    #[command(flatten)]
    pub start: ProcessArgs,
    /// Do not measure latency at the end
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
    /// The run or configuration that says where the data of an exported file are, and how it is evaluated [default: what it was
    /// trained with, if its data were below the folder that it was exported from]
    #[arg(value_name = "RUN|CONFIG")]
    pub config: Option<String>,
    /// The weights to evaluate, a file or a published name [default: the run's best]
    #[arg(long, value_name = "FILE|NAME")]
    pub weights: Option<PathBuf>,
    #[command(flatten)]
    pub key: KeyArgs,
    /// Also score a classifier against ImageNet's ReaL labels (real.json)
    #[arg(long, value_name = "FILE")]
    pub real_labels: Option<PathBuf>,
    #[command(flatten)]
    pub set: SetArgs,
    /// The folder for predictions and the report [default: the run's folder; none for a configuration]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Add a line to results.csv in this folder
    #[arg(long, value_name = "DIR")]
    pub results: Option<PathBuf>,
    /// Do not measure latency
    #[arg(long)]
    pub no_latency: bool,
    #[command(flatten)]
    pub device: DeviceArgs,
    #[command(flatten)]
    pub start: ProcessArgs,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// `pipeline score`.
#[derive(Debug, Args)]
pub struct ScoreArgs {
    /// The task of the files
    #[arg(long, value_enum)]
    pub task: TaskKind,
    /// The ground truth: COCO annotations or a VOC devkit folder (detect), a CSV of `image,class` (classify), a folder of masks
    /// (segment)
    #[arg(long, value_name = "FILE|DIR")]
    pub annotations: PathBuf,
    /// The predictions: COCO results (detect), a CSV of class scores (classify), a folder of masks (segment)
    #[arg(long, value_name = "FILE|DIR")]
    pub predictions: PathBuf,
    /// Compare with these predictions (B) by a paired bootstrap over the images
    #[arg(long, value_name = "FILE|DIR")]
    pub compare: Option<PathBuf>,
    /// Bootstrap samples
    #[arg(long, default_value_t = 1000, value_name = "COUNT")]
    pub resamples: usize,
    /// Seed of the bootstrap
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Detect, VOC: the list of images in ImageSets/Main, without its extension
    #[arg(long, value_name = "NAME")]
    pub split: Option<String>,
    /// Detect: report score thresholds and kinds of error instead of the twelve statistics
    #[arg(long)]
    pub analyze: bool,
    /// Detect: match by the overlap of boxes or of masks [default: bbox]
    #[arg(long, value_enum, value_name = "TYPE")]
    pub iou_type: Option<IouTypeName>,
    /// Detect, COCO: evaluate this many detections of an image and class, the best first, as pycocotools' maxDets [1, 10, COUNT]
    /// [default: 100]
    #[arg(long, value_name = "COUNT")]
    pub max_dets: Option<usize>,
    /// Classify: also score against ImageNet's ReaL labels (real.json)
    #[arg(long, value_name = "FILE")]
    pub real_labels: Option<PathBuf>,
    /// Segment, VOC: names of the classes, one per line in the order of the ids
    #[arg(long, value_name = "FILE")]
    pub class_names: Option<PathBuf>,
    /// Segment: the id of ignored pixels [default: 255]
    #[arg(long, value_name = "ID")]
    pub ignore: Option<u8>,
    /// Segment: compute the boundary F-score with this tolerance, as a share of the diagonal (DAVIS: 0.008)
    #[arg(long, value_name = "SHARE")]
    pub boundary_tolerance: Option<f64>,
    /// Write the report into this folder, as JSON, Markdown, CSV and figures
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Print as CSV, one line per metric
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// With --csv: one line per class
    #[arg(long, requires = "csv")]
    pub per_class: bool,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// What detections are matched by.
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
    /// The weights to use, a file or a published name [default: the run's best]
    #[arg(long, value_name = "FILE|NAME")]
    pub weights: Option<PathBuf>,
    #[command(flatten)]
    pub key: KeyArgs,
    /// The folder for predictions, images with the predictions drawn, and masks [default: print the predictions only]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// The format of the predictions
    #[arg(long, value_enum, default_value = "json")]
    pub format: PredictionFormat,
    /// The annotations whose image ids COCO results have [default: the digits of file names, or their order]
    #[arg(long, value_name = "FILE")]
    pub annotations: Option<PathBuf>,
    /// Leave out predictions below this score
    #[arg(long, default_value_t = 0.3, value_name = "SCORE")]
    pub threshold: f64,
    /// Search folders recursively
    #[arg(long)]
    pub recursive: bool,
    /// Predict every Nth frame of a video, starting with the first
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..).map(|every| every as usize))]
    pub every: usize,
    /// Images per run of the network
    #[arg(long, default_value_t = 8, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1024).map(usize::from))]
    pub batch: usize,
    #[command(flatten)]
    pub device: DeviceArgs,
}
