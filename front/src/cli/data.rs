//! Commands about data.

use clap::builder::TypedValueParser;
use clap::{Args, Subcommand};
use std::path::PathBuf;

use super::SetArgs;
use crate::words::TaskKind;

/// `pipeline data`.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Read every image and annotation of a configuration's sets once, and report what is wrong with them
    Check(CheckArgs),
    /// Write or serve a page that shows every image of a configuration's sets with its boxes or masks
    Browse(BrowseArgs),
    /// Create a synthetic set of coloured shapes, in COCO, VOC, mask and folder layout
    Shapes(ShapesArgs),
}

/// `pipeline data check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The configuration: a path, or a name in configs/
    pub config: String,
    #[command(flatten)]
    pub set: SetArgs,
    /// Threads that read and decode [default: one per core]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1024).map(usize::from))]
    pub threads: Option<usize>,
    /// Findings to list of each kind; the rest are counted
    #[arg(long, default_value_t = 10, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1000).map(usize::from))]
    pub findings: usize,
    /// Write the report to this file as JSON
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// `pipeline data browse`.
#[derive(Debug, Args)]
pub struct BrowseArgs {
    /// The configuration: a path, or a name in configs/
    pub config: String,
    #[command(flatten)]
    pub set: SetArgs,
    /// Also check the sets first, as `data check` does: images can be filtered by what is found
    #[arg(long)]
    pub check: bool,
    /// The folder for the page and its thumbnails [default: the configuration's name, _browse]
    #[arg(short, long, value_name = "FOLDER", conflicts_with = "serve")]
    pub output: Option<PathBuf>,
    /// Write nothing: serve the page at 127.0.0.1, and make pictures when they are looked at
    #[arg(long)]
    pub serve: bool,
    /// The port [default: any that is free]
    #[arg(long, value_name = "PORT", requires = "serve")]
    pub port: Option<u16>,
}

/// `pipeline init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder: class folders, COCO, VOC, YOLO, images and masks, or images and a CSV of labels
    pub folder: PathBuf,
    /// The configuration to write [default: the folder's name, .yaml]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The task, where the data serves several: COCO's polygons for segment [default: what the layout is for]
    #[arg(long, value_enum)]
    pub task: Option<TaskKind>,
    /// Seed of the validation split, where the folder has none
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Overwrite the configuration
    #[arg(long)]
    pub force: bool,
}

/// `pipeline data shapes`.
#[derive(Debug, Args)]
pub struct ShapesArgs {
    /// The folder to create
    pub folder: PathBuf,
    /// Training images
    #[arg(long, default_value_t = 400)]
    pub train: usize,
    /// Validation images
    #[arg(long, default_value_t = 100)]
    pub val: usize,
    /// Training images per class in classify/; 0 leaves that folder out
    #[arg(long, default_value_t = 60)]
    pub classify_train: usize,
    /// Validation images per class in classify/
    #[arg(long, default_value_t = 20)]
    pub classify_val: usize,
    /// Seed of the random numbers; the same seed writes the same files
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}
