//! Reads a complete set once, decodes every image, and reports what is wrong with it.
//!
//! Training would stop at an error, or silently learn or measure something wrong; with a warning, training continues by leaving
//! something out or changing it; a note is only worth knowing. As in [`crate::image`], damage inside the entropy-coded data of a
//! JPEG that still ends properly is not detected.
//!
//! Each thread has one file and its decoded pixels in memory at a time. Besides, the report's lists have a limit per kind, each
//! image takes about 40 bytes (its content hash) and each box 4.

mod content;
mod finding;
mod histogram;
mod report;
mod split;
mod summary;
mod tally;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::image::PixelOptions;
use crate::settings;
use content::Hash;
pub use finding::{CheckFinding, Kind, Severity};
pub use histogram::{BoxSizes, ImageSizes, SideBin};
pub use report::{CheckReport, ClassCount, Facts, KindCount, SplitReport};
use split::Examined;
pub use split::{Checked, Split};
use summary::Summary;
use tally::{MAX_LISTED, Tally};

/// Images to examine before their results are merged, which bounds the results in memory.
const CHUNK_SIZE: usize = 256;

/// How to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckOptions {
    /// Threads that read and decode; 0 for one per core.
    pub threads: usize,
    /// How many findings of a kind the report lists, 1 to 1000; the others are only counted.
    pub findings_per_kind: usize,
    /// What training and evaluation do with the pixels.
    pub pixels: PixelOptions,
}

impl Default for CheckOptions {
    fn default() -> CheckOptions {
        CheckOptions { threads: 0, findings_per_kind: 20, pixels: PixelOptions::default() }
    }
}

impl CheckOptions {
    /// # Errors
    /// [`Error::Setting`] where a setting is out of range.
    pub fn validate(&self) -> Result<(), Error> {
        self.pixels.validate()?;
        let listed = self.findings_per_kind;
        settings::check((1..=MAX_LISTED).contains(&listed), "findings_per_kind", listed, "1 to 1000")
    }
}

/// Reads every image and mask of the splits, the training split first. The findings are in the order of splits and records,
/// whatever the number of threads.
///
/// `progress` is called from any thread with the number of finished images and their total.
///
/// # Errors
/// [`Error::Setting`] for the options, [`Error::Thread`] where no thread can be started. What is wrong with the set is a finding,
/// not an error.
pub fn check(
    splits: &[Split],
    options: &CheckOptions,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<CheckReport, Error> {
    options.validate()?;
    let failed = |error: rayon::ThreadPoolBuildError| Error::Thread(std::io::Error::other(error));
    let pool = ThreadPoolBuilder::new().num_threads(options.threads).build().map_err(failed)?;
    let total = splits.iter().map(Split::images).sum();
    let mut check = Check {
        splits,
        pixels: options.pixels,
        tally: Tally::new(options.findings_per_kind),
        seen: HashMap::new(),
        done: AtomicUsize::new(0),
        total,
        progress,
    };
    let summaries = (0..splits.len()).map(|split| check.split(split, &pool)).collect();
    Ok(CheckReport::new(summaries, check.tally))
}

struct Check<'a> {
    splits: &'a [Split],
    pixels: PixelOptions,
    tally: Tally,
    /// Where each content was found first: split and record.
    seen: HashMap<Hash, (usize, usize)>,
    done: AtomicUsize,
    total: usize,
    progress: &'a (dyn Fn(usize, usize) + Sync),
}

impl Check<'_> {
    fn split(&mut self, place: usize, pool: &ThreadPool) -> SplitReport {
        let split = &self.splits[place];
        self.tally.merge(split.unusable.clone());
        let Some(set) = &split.set else { return Summary::default().report(split) };
        split.add_findings_of_reader(set, &mut self.tally);
        self.compare_classes(place);
        let mut summary = Summary::default();
        let pixels = self.pixels;
        let images: Vec<usize> = (0..split.images()).collect();
        for chunk in images.chunks(CHUNK_SIZE) {
            let examine = |&index: &usize| {
                let examined = split.examine(set, index, pixels);
                (self.progress)(self.done.fetch_add(1, Ordering::Relaxed) + 1, self.total);
                examined
            };
            let examined: Vec<Examined> = pool.install(|| chunk.par_iter().map(examine).collect());
            for (&index, examined) in chunk.iter().zip(examined) {
                if let Some(hash) = examined.hash {
                    self.compare(hash, (place, index));
                }
                summary.add(&examined, split.record(index));
                self.tally.merge(examined.findings);
            }
        }
        summary.note(split, &mut self.tally);
        summary.report(split)
    }

    /// Adds a finding where an image's content is that of an earlier one.
    fn compare(&mut self, hash: Hash, (place, index): (usize, usize)) {
        let (first_place, first_index) = match self.seen.entry(hash) {
            Entry::Vacant(entry) => {
                entry.insert((place, index));
                return;
            }
            Entry::Occupied(entry) => *entry.get(),
        };
        let (first, split) = (&self.splits[first_place], &self.splits[place]);
        let (Some((original, first_class)), Some((copy, class))) = (first.file(first_index), split.file(index)) else {
            return;
        };
        let same = format!("the image is the same as {}", original.display());
        let (kind, sentence) = if first_place != place {
            (Kind::SharedImage, format!("{same} of {}", first.name))
        } else if first_class != class {
            (Kind::ContradictoryCopy, format!("{same}, but its class is different"))
        } else {
            (Kind::Copy, same)
        };
        self.tally.note(kind, &split.name, copy, None, || sentence);
    }

    /// Adds a finding where a class index means something else than in the first split.
    fn compare_classes(&mut self, place: usize) {
        let of = |split: &Split| split.set.as_ref().map(|set| set.classes().to_vec());
        let Some(first) = self.splits[..place].iter().find(|split| split.set.is_some()) else { return };
        let split = &self.splits[place];
        let (Some(classes), Some(others)) = (of(split), of(first)) else { return };
        if classes == others {
            return;
        }
        let differing = classes.iter().zip(&others).position(|(one, other)| one != other);
        let sentence = match differing {
            Some(index) => {
                let (one, other) = (&classes[index], &others[index]);
                let (name, other_name) = (&one.name, &other.name);
                let ids = format!("{name:?} (id {}) here and {other_name:?} (id {})", one.id, other.id);
                format!("class {index} is {ids} in {}", first.name)
            }
            None => format!("there are {} classes here and {} in {}", classes.len(), others.len(), first.name),
        };
        self.tally.note(Kind::ClassesDiffer, &split.name, Path::new(""), None, || sentence);
    }
}
