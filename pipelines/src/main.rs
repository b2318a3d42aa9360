//! The program `pipeline`.

use clap::Parser;
use pipelines::{cli::Cli, commands, console};
use std::process::ExitCode;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(console::defect));
    match commands::run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console::failure(&failure);
            ExitCode::from(failure.kind().status())
        }
    }
}
