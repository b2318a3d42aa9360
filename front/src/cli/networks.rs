//! Commands about networks: their forms, files and costs.

use clap::Args;
use clap::builder::TypedValueParser;
use std::path::PathBuf;

use super::{DeviceArgs, KeyArgs, ProcessArgs, SetArgs, TrainedArgs};
use crate::words::{Engine, FloatKind, FloatLayers, Format, Input, LayoutName};

/// `pipeline reparameterize`.
#[derive(Debug, Args)]
pub struct ReparameterizeArgs {
    /// A run's folder, or weights: a file of this program's, Apple's, timm's or OpenMMLab's, or a published name (`pipeline weights list`)
    #[arg(value_name = "RUN|WEIGHTS")]
    pub subject: String,
    #[command(flatten)]
    pub key: KeyArgs,
    /// The file to write
    #[arg(short, long, value_name = "OUT.safetensors")]
    pub output: PathBuf,
    /// The naming scheme to write the weights in
    #[arg(long, value_enum, default_value = "own")]
    pub layout: LayoutName,
    /// Also compare the forms on these images, not only on random inputs
    #[arg(long, value_name = "IMAGE", num_args = 1..)]
    pub images: Vec<PathBuf>,
    /// Input size of a plain backbone or classifier
    #[arg(long, value_name = "PIXELS", default_value_t = 224, value_parser = clap::value_parser!(u16).range(32..).map(usize::from))]
    pub size: usize,
    /// Write nothing if the forms differ by more than this, relative to the largest output
    #[arg(long, value_name = "SHARE", default_value_t = 1e-5)]
    pub tolerance: f64,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// `pipeline info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// A variant (s0 to s4), a configuration, a run's folder, a file of weights, or a published name of weights
    #[arg(value_name = "VARIANT|CONFIG|RUN|WEIGHTS")]
    pub subject: String,
    #[command(flatten)]
    pub key: KeyArgs,
    /// Input size of a variant, or of weights without a configuration
    #[arg(long, value_name = "PIXELS", default_value_t = 224, value_parser = clap::value_parser!(u16).range(32..).map(usize::from))]
    pub size: usize,
    /// Number of classes [default: 1000 for a variant, else that of the weights or the data]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub classes: Option<u32>,
    #[command(flatten)]
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
    /// Write report.md, report.csv and a plot of accuracy against latency into this folder; with --html the file of the page
    #[arg(short, long, value_name = "DIR|FILE")]
    pub output: Option<PathBuf>,
    /// Write a page of HTML: that of one run, or several runs side by side
    #[arg(long, requires = "output", conflicts_with_all = ["csv", "json"])]
    pub html: bool,
    /// Print as CSV
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// `pipeline watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// The run's folder
    pub run: PathBuf,
    /// Look for changes every so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    pub every: f64,
    /// Print what is known as text, and end
    #[arg(long)]
    pub once: bool,
}

/// `pipeline export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    pub trained: TrainedArgs,
    /// The format of the file [default: what its ending says]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Write a file of every format into the folder
    #[arg(long, conflicts_with_all = ["format", "freeze"])]
    pub all: bool,
    /// The file to write, or the folder; FILE.json beside it describes inputs and outputs
    #[arg(short, long, value_name = "FILE|DIR")]
    pub output: PathBuf,
    /// The input of the file [default: image for Core ML, else normalized]
    #[arg(long, value_enum)]
    pub input: Option<Input>,
    /// Floating point in the file [default: fp16 for Core ML, else fp32]
    #[arg(long, value_enum)]
    pub precision: Option<FloatKind>,
    /// Other sizes of images that a segmenter's file for Core ML takes
    #[arg(long, value_name = "PIXELS|HEIGHTxWIDTH", value_delimiter = ',', value_parser = image_size)]
    pub sizes: Vec<Sides>,
    /// Leave out the last steps: output logits, or every anchor's box and scores without suppression
    #[arg(long)]
    pub raw: bool,
    /// Make the weights constants of the TorchScript graph, for serving on a CPU: .to(), .half() and .double() change nothing
    /// then. Files of the other formats are always like that
    #[arg(long)]
    pub freeze: bool,
    /// Write the network in int8, calibrated on images without labels
    #[arg(long)]
    pub int8: bool,
    #[command(flatten)]
    pub quantization: QuantizeOptions,
    /// Also write FILE.example.safetensors: images and the network's outputs for them, for checks elsewhere
    #[arg(long)]
    pub example: bool,
    /// Do not measure latency
    #[arg(long)]
    pub no_latency: bool,
    /// Write nothing if the outputs of file and network differ by more than this, relative to the largest
    #[arg(long, value_name = "SHARE", default_value_t = 1e-4)]
    pub tolerance: f64,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// `pipeline quantize`.
#[derive(Debug, Args)]
pub struct QuantizeArgs {
    #[command(flatten)]
    pub trained: TrainedArgs,
    #[command(flatten)]
    pub quantization: QuantizeOptions,
    /// The folder for the report, quantization.json
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// How a network is quantised.
#[derive(Debug, Args)]
pub struct QuantizeOptions {
    /// Calibrate int8 with this many images [default: 256]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub calibration: Option<u32>,
    /// Take the calibration images from this folder, or from the training set of this configuration; may be repeated [default: the
    /// configuration's training set]
    #[arg(long, value_name = "DIR|CONFIG")]
    pub calibration_data: Vec<PathBuf>,
    /// Layers that stay in floating point: as few as keep the drop within --max-drop, or as many of the worst, or names separated by
    /// commas [default: auto]
    #[arg(long, value_name = "auto|COUNT|NAME,...")]
    pub float_layers: Option<FloatLayers>,
    /// Write nothing if the metric drops by more than this in int8 [default: 0.01]
    #[arg(long, value_name = "DROP", value_parser = drop)]
    pub max_drop: Option<f64>,
    /// Train the network in int8 to give the outputs that it has in floating point, in this many passes over the calibration images
    #[arg(long, value_name = "PASSES", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub reconstruct: Option<u32>,
}

impl QuantizeOptions {
    /// The first option that is given, in a command that has a use for it with --int8 only.
    pub fn given(&self) -> Option<&'static str> {
        let options = [
            ("--calibration", self.calibration.is_some()),
            ("--calibration-data", !self.calibration_data.is_empty()),
            ("--float-layers", self.float_layers.is_some()),
            ("--max-drop", self.max_drop.is_some()),
            ("--reconstruct", self.reconstruct.is_some()),
        ];
        options.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }
}

fn drop(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(drop) if (0.0..=1.0).contains(&drop) => Ok(drop),
        _ => Err(format!("`{text}` is not a drop from 0 to 1")),
    }
}

/// How long each engine is measured where nothing is said, in seconds.
pub const BENCH_SECONDS: f64 = 2.0;

/// `pipeline bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Networks (s0 to s4, efficientnet_b0, ...), configurations, folders of runs, files of weights, exported and other TorchScript and
    /// ONNX files [default with --analyze: all published networks]
    #[arg(value_name = "MODEL", required_unless_present_any = ["analyze", "train", "loader"], conflicts_with_all = ["train", "loader"])]
    pub models: Vec<String>,
    /// The engines to run, separated by commas [default: all that the device has]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ENGINE,...", conflicts_with = "analyze")]
    pub engines: Vec<Engine>,
    /// Images per run
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(i64).range(1..=4096))]
    pub batch: i64,
    /// Height and width of the input, 224 or 512x384 [default: the configured size, 224 for variants]
    #[arg(long, value_name = "SIDE|HxW", value_parser = image_size)]
    pub size: Option<Sides>,
    /// Number of classes [default: 1000 for a variant, else that of the weights or the data]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub classes: Option<u32>,
    /// Threads of libtorch; several numbers, separated by commas, are measured one after the other
    #[arg(long, default_value = "1", value_delimiter = ',', value_name = "COUNT,...", value_parser = clap::value_parser!(u16).range(1..=1024).map(usize::from))]
    pub threads: Vec<usize>,
    /// Run on these processors only, counted from 0 and separated by commas
    #[arg(long, value_delimiter = ',', value_name = "CPU,...")]
    pub pin: Vec<usize>,
    /// Measure each engine for this many seconds
    #[arg(long, default_value_t = BENCH_SECONDS, value_name = "SECONDS", value_parser = seconds)]
    pub seconds: f64,
    /// Show the time of each layer
    #[arg(long)]
    pub profile: bool,
    /// Also show the paper's measurements
    #[arg(long)]
    pub reference: bool,
    /// Analyze this machine as the paper does: what latency depends on, and the cost of each building block
    #[arg(long)]
    pub analyze: bool,
    /// Also write every network of --analyze as TorchScript, for the lite interpreter, as ONNX and LiteRT into this folder, for the
    /// benchmark tools of other devices
    #[arg(long, requires = "analyze", value_name = "DIR")]
    pub export: Option<PathBuf>,
    /// Add what these tools printed on another device to the analysis: benchmark_model, speed_benchmark_torch, onnxruntime_perf_test,
    /// each run behind a line with the name of its file
    #[arg(long, requires = "analyze", value_name = "FILE")]
    pub device_results: Option<PathBuf>,
    /// Measure how fast a job reads its data and how fast it trains, and which one holds it back; with --processes N in 1, 2, ... N
    /// processes of the same number of images
    #[arg(long, value_name = "CONFIG", conflicts_with_all = ["engines", "batch", "threads", "size", "classes", "pin", "profile", "reference", "analyze", "export", "device_results", "output"])]
    pub train: Option<String>,
    /// Measure how fast a job reads and transforms its training images, without a network
    #[arg(long, value_name = "CONFIG", conflicts_with_all = ["train", "engines", "batch", "threads", "size", "classes", "pin", "profile", "reference", "analyze", "export", "device_results", "output"])]
    pub loader: Option<String>,
    #[command(flatten)]
    pub start: ProcessArgs,
    #[command(flatten)]
    pub set: SetArgs,
    /// Write bench.json, bench.csv and the figures of --analyze into this folder
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// Height and width of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sides {
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
}

fn image_size(text: &str) -> Result<Sides, String> {
    let side = |text: &str| match text.parse() {
        Ok(side @ 32..=16384) => Ok(side),
        _ => Err(format!("`{text}` is not a side from 32 to 16384 pixels")),
    };
    match text.split_once('x') {
        Some((height, width)) => Ok(Sides { height: side(height)?, width: side(width)? }),
        None => side(text).map(|side| Sides { height: side, width: side }),
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
    /// Weights: this program's, Apple's, timm's or OpenMMLab's; safetensors, .pth or the index of several; or a published name
    #[arg(value_name = "WEIGHTS")]
    pub weights: PathBuf,
    #[command(flatten)]
    pub key: KeyArgs,
    /// Pass on weights that are not finite instead of refusing them
    #[arg(long)]
    pub allow_not_finite: bool,
    /// The file to write
    #[arg(short, long, value_name = "OUT.safetensors")]
    pub output: PathBuf,
    /// The naming scheme to write the weights in
    #[arg(long, value_enum, default_value = "own")]
    pub layout: LayoutName,
}
