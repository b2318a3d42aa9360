//! The command line.

mod data;
mod networks;
mod program;
mod stages;
mod weights;

use clap::{Args, Parser, Subcommand};
use std::path::{Path, PathBuf};

pub use data::{BrowseArgs, CheckArgs, DataCommand, InitArgs, ShapesArgs};
pub use networks::{
    BENCH_SECONDS, BenchArgs, ConvertArgs, ExportArgs, InfoArgs, QuantizeArgs, QuantizeOptions, ReparameterizeArgs,
    ReportArgs, Sides, WatchArgs,
};
pub use program::{CompletionsArgs, ConfigArgs, DoctorArgs, ManArgs};
pub use stages::{EvalArgs, IouTypeName, PredictArgs, ScoreArgs, TrainArgs};
pub use weights::{FetchArgs, ListArgs, WeightsCommand};

use crate::failure::Failure;

/// Trains, evaluates and runs MobileOne vision models.
#[derive(Debug, Parser)]
#[command(name = "pipeline", bin_name = "pipeline", version, long_version = crate::VERSION, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a configuration that trains on the data in a folder
    Init(InitArgs),
    /// Train a model from a configuration, or resume a run
    Train(TrainArgs),
    /// Convert a network from train form to deploy form
    Reparameterize(ReparameterizeArgs),
    /// Evaluate a run, or weights under a configuration
    Eval(EvalArgs),
    /// Score files of predictions against ground truth, or compare two sets of predictions
    Score(ScoreArgs),
    /// Run a network on images and draw its predictions
    Predict(PredictArgs),
    /// Show a network layer by layer: outputs, parameters, multiply-adds
    Info(InfoArgs),
    /// Compare runs: accuracy, parameters, multiply-adds, latency
    Report(ReportArgs),
    /// Show a run as it trains, or one that has ended
    Watch(WatchArgs),
    /// Export a network to a file for other programs, and check the file
    Export(ExportArgs),
    /// Show what a network loses in int8, and where
    Quantize(QuantizeArgs),
    /// Measure the latency of networks on this machine
    Bench(BenchArgs),
    /// Rewrite weights under this program's names, or under another library's
    Convert(ConvertArgs),
    /// List published weights, or fetch them by name
    #[command(subcommand)]
    Weights(WeightsCommand),
    /// Check data sets, or create a synthetic one
    #[command(subcommand)]
    Data(DataCommand),
    /// Show a configuration with its defaults, or the schema of configurations
    Config(ConfigArgs),
    /// Show versions, devices and libraries, and what is missing
    Doctor(DoctorArgs),
    /// Print completions for a shell
    Completions(CompletionsArgs),
    /// Print the man page
    Man(ManArgs),
}

/// Options of every command that runs a network.
#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// The device to compute on: auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub device: String,
}

/// Options of every command whose work several processes can share.
#[derive(Debug, Args)]
pub struct ProcessArgs {
    /// Start this many processes on this host: one for each GPU, or on the CPU [default: those that torchrun, srun or mpirun
    /// started, or one]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    pub processes: Option<u16>,
}

impl ProcessArgs {
    /// Refuses a number of processes in a command that has a use for it with `option` only.
    ///
    /// # Errors
    /// When a number is given.
    pub fn only_with(&self, option: &str) -> Result<(), Failure> {
        match self.processes {
            Some(_) => Err(Failure::usage(format!("--processes is only valid with {option}"))),
            None => Ok(()),
        }
    }
}

/// Which network of a file of weights is read.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// The network to read of a file that holds several, for example state_dict_ema [default: the average of the weights]
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
}

impl KeyArgs {
    /// The name, where one is given.
    pub fn name(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The name, where it is only for the file that --weights names.
    ///
    /// # Errors
    /// When a name is given without such a file.
    pub fn of_weights(&self, weights: Option<&Path>) -> Result<Option<&str>, Failure> {
        match (self.name(), weights) {
            (Some(_), None) => Err(Failure::usage("--key is only valid with --weights FILE")),
            (name, _) => Ok(name),
        }
    }
}

/// A network with its configuration, of the commands that work on its deploy form.
#[derive(Debug, Args)]
pub struct TrainedArgs {
    /// A run's folder, weights of this program, or a configuration with --weights
    #[arg(value_name = "RUN|WEIGHTS|CONFIG")]
    pub subject: String,
    /// The weights to use, a file or a published name [default: the run's best]
    #[arg(long, value_name = "FILE|NAME")]
    pub weights: Option<PathBuf>,
    #[command(flatten)]
    pub key: KeyArgs,
    #[command(flatten)]
    pub set: SetArgs,
}

/// Options of every command that reads a configuration.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// Override a key of the configuration, for example train.epochs=5
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}
