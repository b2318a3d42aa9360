//! The program `pipeline`.

use clap::Parser;
use pipelines::{cli::Cli, commands, console};
use std::process::ExitCode;
use tch_ext::onnx_runtime;

fn main() -> ExitCode {
    // While there is one thread only.
    onnx_runtime::disable_telemetry();
    ExitCode::from(console::exit_status(|| commands::run(Cli::parse().command)))
}
