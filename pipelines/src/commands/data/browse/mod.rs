//! `pipeline data browse`: a page of the images of both sets with their boxes or masks, and of what training sees of them. It is
//! written into a folder with its pictures, or served at 127.0.0.1, where they are made when they are looked at.
//!
//! | module | what it holds |
//! |---|---|
//! | here | the command |
//! | [`listing`] | what the page knows of every image |
//! | [`pictures`] | images, masks and augmented samples |
//! | [`page`] | the page as text |
//! | [`folder`] | the page written |
//! | [`server`] | the page served |

mod folder;
mod listing;
mod page;
mod pictures;
mod server;

use datasets::Split;
use datasets::check::{CheckOptions, CheckReport, check};
use front::cli::BrowseArgs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{Config, ConfigFile};
use crate::console::{self, SharedProgress};
use crate::failure::Failure;
use crate::task::{Evaluate, Task, Train, for_task, read_splits};
use listing::Listing;
use pictures::Pictures;
use server::Server;

pub(super) fn run(args: &BrowseArgs) -> Result<(), Failure> {
    let file = ConfigFile::open(&args.config, &args.set.overrides)?;
    for_task!(file.task()?, T => {
        let config: Config<<T as Task>::Keys> = file.config()?;
        browse::<T>(args, &config)
    })
}

fn browse<T: Train + Evaluate + Send + Sync + 'static>(
    args: &BrowseArgs,
    config: &Config<T::Keys>,
) -> Result<(), Failure>
where
    Config<T::Keys>: Send + Sync,
{
    let splits: Arc<[Split]> = read_splits(config)?.into();
    let report = args.check.then(|| checked(&splits, config)).transpose()?;
    let listing = Listing::new(&args.config, (&config.data.root, &config.pixels()), &splits, report.as_ref());
    let pictures = Pictures::new::<T>(config, splits)?;
    if args.serve {
        let server = Server::open(args.port.unwrap_or(0), listing, pictures)?;
        console::data(&format!("{}\n", server.address()))?;
        console::status("open this address in a browser; Ctrl-C ends it");
        return server.run();
    }
    let folder = args.output.clone().unwrap_or_else(|| default_folder(&args.config));
    let page = folder::write(&folder, &listing, &pictures)?;
    console::status(format!("{} images; open this file in a browser:", listing.len()));
    Ok(console::data(&format!("{}\n", page.display()))?)
}

/// In the current folder, named after the configuration.
fn default_folder(config: &str) -> PathBuf {
    let name = Path::new(config).file_stem().unwrap_or_default().to_string_lossy();
    PathBuf::from(format!("{name}_browse"))
}

fn checked<K: crate::config::Keys>(splits: &[Split], config: &Config<K>) -> Result<CheckReport, Failure> {
    let options = CheckOptions { pixels: config.pixels(), findings_per_kind: MOST_FINDINGS, ..CheckOptions::default() };
    let progress = SharedProgress::new("checking", splits.iter().map(Split::images).sum::<usize>() as u64);
    Ok(check(splits, &options, &|_, _| progress.advance())?)
}

/// Findings of each kind that images can be filtered by.
const MOST_FINDINGS: usize = 1000;
