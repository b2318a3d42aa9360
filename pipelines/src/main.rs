//! The program `pipeline`.

use clap::Parser;
use pipelines::{cli::Cli, commands, console};
use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(console::exit_status(|| commands::run(Cli::parse().command)))
}
