//! The command line.

mod data;
mod networks;
mod stages;

use clap::{Args, Parser, Subcommand};

pub use data::{CheckArgs, DataCommand, DoctorArgs, ShapesArgs};
pub use networks::{BenchArgs, ConvertArgs, ExportArgs, InfoArgs, ReparameterizeArgs, ReportArgs};
pub use stages::{EvalArgs, IouTypeName, PredictArgs, ScoreArgs, TrainArgs};

/// Trains, evaluates and runs MobileOne vision models.
#[derive(Debug, Parser)]
#[command(name = "pipeline", version, long_version = env!("PIPELINE_VERSION"), about, max_term_width = 100, disable_help_subcommand = true)]
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
    /// Check data sets, and make one
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
