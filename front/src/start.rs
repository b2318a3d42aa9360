//! The program that people start. Help, wrong options, completions and the man page are its own; for everything else it becomes the
//! program beside it, which loads libtorch and OpenCV.

use std::env;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser;

use crate::cli::{Cli, Command as Chosen};
use crate::pages;

/// The name of the program that does the work.
const WORKER: &str = "pipeline-run";

/// Reads the command line and does what it says, or becomes the program that does.
pub fn main() -> ExitCode {
    match page(&Cli::parse().command).unwrap_or_else(|| Err(become_worker())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // Nothing is left to be done where nobody can read it.
            let _ = writeln!(io::stderr(), "error: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Prints what a command asks for of the command line itself; nothing for the others.
pub fn page(command: &Chosen) -> Option<Result<(), String>> {
    match command {
        Chosen::Completions(args) => Some(print(&pages::completions(args.shell))),
        Chosen::Man(args) => Some(match &args.output {
            Some(folder) => pages::write_man_pages(folder)
                .map_err(|error| format!("cannot write into {}: {error}", folder.display())),
            None => pages::man().map_err(|error| error.to_string()).and_then(|page| print(&page)),
        }),
        _ => None,
    }
}

/// Why this process could not become the worker; otherwise it does not return.
fn become_worker() -> String {
    let worker = env::current_exe().map(|own| own.with_file_name(WORKER)).unwrap_or_else(|_| PathBuf::from(WORKER));
    let failed = Command::new(&worker).args(env::args_os().skip(1)).exec();
    format!("cannot start {}: {failed}\nhint: `pipeline` and `{WORKER}` belong into one folder.", worker.display())
}

/// Writes to standard output; a reader that has gone needs no more.
fn print(bytes: &[u8]) -> Result<(), String> {
    let mut output = io::stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}"))
        }
        _ => Ok(()),
    }
}
