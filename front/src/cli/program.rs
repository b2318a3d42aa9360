//! Commands about configurations, the machine and the program itself.

use clap::Args;
use clap_complete::Shell;
use std::path::PathBuf;

use super::{ProcessArgs, SetArgs};
use crate::words::TaskKind;

/// `pipeline config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The configuration: a path, or a name in configs/
    #[arg(required_unless_present = "schema")]
    pub config: Option<String>,
    #[command(flatten)]
    pub set: SetArgs,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
    /// Print the JSON Schema of configuration files, of all tasks or of one
    #[arg(long, value_enum, value_name = "TASK", num_args = 0..=1, conflicts_with_all = ["config", "overrides", "json"])]
    pub schema: Option<Option<TaskKind>>,
}

/// `pipeline doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Connect the processes of a job, and show who is where and how fast they exchange tensors
    #[arg(long)]
    pub distributed: bool,
    #[command(flatten)]
    pub start: ProcessArgs,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// `pipeline completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `pipeline man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write one page per command into this folder instead
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}
