//! The command line.

use clap::builder::TypedValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

use crate::commands::{LayoutName, SightingsFormat};
use crate::config::{ImageSize, TaskKind};
use crate::engine::Engine;
use crate::export::{Format, Input};
use crate::latency;

/// Trains, evaluates and runs MobileOne vision models.
#[derive(Debug, Parser)]
#[command(name = "pipeline", version, about, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model as a configuration says, or go on with a run
    Train(TrainArgs),
    /// Turn a network from train form to deploy form
    Reparameterize(ReparameterizeArgs),
    /// Evaluate a run, or weights under a configuration
    Eval(EvalArgs),
    /// Score files of predictions against files of truth, or compare two sets of predictions
    Score(ScoreArgs),
    /// Run a network on images and draw what it sees
    Predict(PredictArgs),
    /// Show a network layer by layer: outputs, parameters, multiply-adds
    Info(InfoArgs),
    /// Lay runs side by side: accuracy, parameters, multiply-adds, latency
    Report(ReportArgs),
    /// Write a network as a file for other programs, and check it
    Export(ExportArgs),
    /// Measure how long networks take on this machine
    Bench(BenchArgs),
    /// Rewrite weights under this program's names, or under another library's
    Convert(ConvertArgs),
    /// Make data sets
    #[command(subcommand)]
    Data(DataCommand),
    /// Show versions, devices and libraries, and what is missing
    Doctor(DoctorArgs),
}

/// Options of every command that runs a network.
#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// Where to compute: auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub device: String,
}

/// Options of every command that reads a configuration.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// Override a key of the configuration, for example train.epochs=5
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

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

/// `pipeline reparameterize`.
#[derive(Debug, Args)]
pub struct ReparameterizeArgs {
    /// A run's folder, or a file of weights: this program's, Apple's or timm's
    #[arg(value_name = "RUN|WEIGHTS")]
    pub subject: String,
    /// The file to write
    #[arg(short, long, value_name = "OUT.safetensors")]
    pub output: PathBuf,
    /// Whose names to write the weights under
    #[arg(long, value_enum, default_value = "own")]
    pub layout: LayoutName,
    /// Compare the forms on these images too, beside random inputs
    #[arg(long, value_name = "IMAGE", num_args = 1..)]
    pub images: Vec<PathBuf>,
    /// Side of the inputs of a bare backbone or classifier
    #[arg(long, value_name = "PIXELS", default_value_t = 224, value_parser = clap::value_parser!(u16).range(32..).map(usize::from))]
    pub size: usize,
    /// Write nothing where the forms differ by more than this, relative to the largest output
    #[arg(long, value_name = "SHARE", default_value_t = 1e-5)]
    pub tolerance: f64,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// `pipeline info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// A variant (s0 to s4), a configuration, a run's folder, or a file of weights
    #[arg(value_name = "VARIANT|CONFIG|RUN|WEIGHTS")]
    pub subject: String,
    /// Side of the input of a variant, or of bare weights
    #[arg(long, value_name = "PIXELS", default_value_t = 224, value_parser = clap::value_parser!(u16).range(32..).map(usize::from))]
    pub size: usize,
    /// Number of classes [default: 1000 for a variant, else as the weights or the data have it]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub classes: Option<u32>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub set: SetArgs,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// `pipeline report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Folders of runs
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,
    /// Write report.md, report.csv and a plot of accuracy against latency there
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Print as CSV
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// `pipeline export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// A run's folder, weights of this program, or a configuration with --weights
    #[arg(value_name = "RUN|WEIGHTS|CONFIG")]
    pub subject: String,
    /// The weights to export [default: the run's best]
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// What to write
    #[arg(long, value_enum, default_value = "torchscript")]
    pub format: Format,
    /// The file to write; FILE.json beside it says what it takes and gives
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// What the file takes
    #[arg(long, value_enum, default_value = "normalized")]
    pub input: Input,
    /// Leave the last steps out: logits; every anchor's box and scores, without suppression
    #[arg(long)]
    pub raw: bool,
    /// Write FILE.example.safetensors as well: images, and what the network says about them, for checks elsewhere
    #[arg(long)]
    pub example: bool,
    /// Do not measure latency
    #[arg(long)]
    pub no_latency: bool,
    /// Write nothing where file and network differ by more than this, relative to the largest number
    #[arg(long, value_name = "SHARE", default_value_t = 1e-4)]
    pub tolerance: f64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub set: SetArgs,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// `pipeline bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Variants (s0 to s4), configurations, folders of runs, files of weights, exported files
    #[arg(value_name = "MODEL", required_unless_present = "analyze", conflicts_with = "analyze")]
    pub models: Vec<String>,
    /// What runs them, separated by commas [default: all that the device has]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ENGINE,...", conflicts_with = "analyze")]
    pub engines: Vec<Engine>,
    /// Images a run
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(i64).range(1..=4096))]
    pub batch: i64,
    /// Height and width of the input, 224 or 512x384 [default: the configured size, 224 for variants]
    #[arg(long, value_name = "SIDE|HxW", value_parser = image_size)]
    pub size: Option<ImageSize>,
    /// Number of classes [default: 1000 for a variant, else as the weights or the data have it]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub classes: Option<u32>,
    /// Threads of libtorch
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1024).map(usize::from))]
    pub threads: usize,
    /// Run on these processors only, counted from 0 and separated by commas
    #[arg(long, value_delimiter = ',', value_name = "CPU,...")]
    pub pin: Vec<usize>,
    /// Time each engine for so many seconds
    #[arg(long, default_value_t = latency::TIMED.as_secs_f64(), value_name = "SECONDS", value_parser = seconds)]
    pub seconds: f64,
    /// Show where the time goes, layer by layer
    #[arg(long)]
    pub profile: bool,
    /// Show the paper's own measurements as well
    #[arg(long)]
    pub reference: bool,
    /// Study this machine as the paper does: what latency depends on, and what each building block costs
    #[arg(long)]
    pub analyze: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub set: SetArgs,
    /// Write bench.json and bench.csv there, and the figures of --analyze
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub device: DeviceArgs,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

fn image_size(text: &str) -> Result<ImageSize, String> {
    let side = |text: &str| match text.parse() {
        Ok(side @ 32..=16384) => Ok(side),
        _ => Err(format!("`{text}` is not a side from 32 to 16384 pixels")),
    };
    match text.split_once('x') {
        Some((height, width)) => Ok(ImageSize { height: side(height)?, width: side(width)? }),
        None => side(text).map(|side| ImageSize { height: side, width: side }),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.01..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err(format!("`{text}` is not a time from 0.01 to 3600 seconds")),
    }
}

/// `pipeline convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// A file of weights: this program's, Apple's or timm's, safetensors or .pth
    #[arg(value_name = "WEIGHTS")]
    pub weights: PathBuf,
    /// The file to write
    #[arg(short, long, value_name = "OUT.safetensors")]
    pub output: PathBuf,
    /// Whose names to write the weights under
    #[arg(long, value_enum, default_value = "own")]
    pub layout: LayoutName,
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
    pub format: SightingsFormat,
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

/// `pipeline data`.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Write a synthetic set of coloured shapes, in COCO, VOC, mask and folder layout
    Shapes(ShapesArgs),
}

/// `pipeline data shapes`.
#[derive(Debug, Args)]
pub struct ShapesArgs {
    /// The folder to make
    pub folder: PathBuf,
    /// Training images
    #[arg(long, default_value_t = 400)]
    pub train: usize,
    /// Validation images
    #[arg(long, default_value_t = 100)]
    pub val: usize,
    /// Training images a class in classify/; 0 leaves that folder out
    #[arg(long, default_value_t = 60)]
    pub classify_train: usize,
    /// Validation images a class in classify/
    #[arg(long, default_value_t = 20)]
    pub classify_val: usize,
    /// The same seed writes the same files
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// `pipeline doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}
