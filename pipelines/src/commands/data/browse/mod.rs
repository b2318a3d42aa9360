//! `pipeline data browse`: the images of both sets with their boxes or masks, and what training sees of them, in a browser on this
//! machine.
//!
//! | module | what it holds |
//! |---|---|
//! | here | the command |
//! | [`listing`] | what the page knows of every image |
//! | [`pictures`] | images, masks and augmented samples, made when they are asked for |
//! | [`server`] | requests and answers |

mod listing;
mod pictures;
mod server;

use datasets::Split;
use datasets::check::{CheckOptions, CheckReport, check};
use front::cli::BrowseArgs;

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
) -> Result<(), Failure> {
    let splits = read_splits(config)?;
    let report = args.check.then(|| checked(&splits, config)).transpose()?;
    let listing = Listing::new(&args.config, &config.data.root, &splits, report.as_ref());
    let pictures = Pictures::new::<T>(config, splits.into())?;
    let server = Server::open(args.port.unwrap_or(0), listing, pictures)?;
    console::data(&format!("{}\n", server.address()))?;
    console::status("open this address in a browser; Ctrl-C ends it");
    server.run()
}

fn checked<K: crate::config::Keys>(splits: &[Split], config: &Config<K>) -> Result<CheckReport, Failure> {
    let options = CheckOptions { pixels: config.pixels(), findings_per_kind: MOST_FINDINGS, ..CheckOptions::default() };
    let progress = SharedProgress::new("checking", splits.iter().map(Split::images).sum::<usize>() as u64);
    Ok(check(splits, &options, &|_, _| progress.advance())?)
}

/// Findings of each kind that images can be filtered by.
const MOST_FINDINGS: usize = 1000;
