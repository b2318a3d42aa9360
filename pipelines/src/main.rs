//! The program that does the work of `pipeline`, which starts it.

use clap::Parser;
use front::cli::Cli;
use front::console;
use pipelines::commands;
use tch_ext::{onnx_runtime, system};

fn main() {
    // While there is one thread only.
    onnx_runtime::disable_telemetry();
    system::exit(console::exit_status(|| commands::run(Cli::parse().command)));
}
