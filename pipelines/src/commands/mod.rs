//! The commands, one file each with its complete flow. No command calls another, and nothing else calls a command.

mod bench;
mod config;
mod convert;
mod data;
mod doctor;
mod eval;
mod export;
mod info;
mod init;
mod predict;
mod quantize;
mod reparameterize;
mod report;
mod score;
mod train;
mod watch;
mod weights;

use front::cli::Command;
use front::start;

use crate::failure::Failure;

/// Runs a command.
///
/// # Errors
/// A failure with its exit status.
pub fn run(command: Command) -> Result<(), Failure> {
    if let Some(done) = start::done_here(&command) {
        return Ok(done?);
    }
    match command {
        Command::Train(args) => train::run(&args),
        Command::Reparameterize(args) => reparameterize::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Score(args) => score::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Quantize(args) => quantize::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Data(command) => data::run(&command),
        Command::Weights(command) => weights::run(&command),
        Command::Config(args) => config::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Completions(_) | Command::Man(_) => Ok(()),
    }
}
