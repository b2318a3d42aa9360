//! The program `pipeline`.

use clap::Parser;
use pipelines::{cli::Cli, commands, console};
use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console::failure(&failure);
            ExitCode::from(failure.kind().status())
        }
    }
}
