//! The program that people start. Help, wrong options, completions, the man page and scores are its own; for everything else it
//! becomes the program beside it, which loads libtorch and OpenCV.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser;

use crate::cli::{Cli, Command as Chosen};
use crate::failure::Failure;
use crate::{console, pages, score};

/// The name of the program that does the work.
const WORKER: &str = "pipeline-run";

/// Reads the command line and does what it says, or becomes the program that does.
pub fn main() -> ExitCode {
    console::exit_status(|| done_here(&Cli::parse().command).unwrap_or_else(|| Err(become_worker()))).into()
}

/// Does what needs neither libtorch nor OpenCV; nothing for the other commands.
pub fn done_here(command: &Chosen) -> Option<Result<(), Failure>> {
    match command {
        Chosen::Completions(args) => Some(print(&pages::completions(args.shell))),
        Chosen::Man(args) => Some(match &args.output {
            Some(folder) => {
                pages::write_man_pages(folder).map_err(|error| Failure::cannot("write into", folder, &error))
            }
            None => pages::man().map_err(Failure::failed).and_then(|page| print(&page)),
        }),
        Chosen::Score(args) => score::run(args),
        _ => None,
    }
}

/// Why this process could not become the worker; otherwise it does not return.
fn become_worker() -> Failure {
    let worker = env::current_exe().map(|own| own.with_file_name(WORKER)).unwrap_or_else(|_| PathBuf::from(WORKER));
    let failed = Command::new(&worker).args(env::args_os().skip(1)).exec();
    Failure::cannot("start", &worker, &failed).hint(format!("`pipeline` and `{WORKER}` belong into one folder."))
}

/// Prints what clap made, which is UTF-8.
fn print(page: &[u8]) -> Result<(), Failure> {
    console::data(&String::from_utf8_lossy(page))
}
