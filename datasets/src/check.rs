//! A whole set read once, every image decoded, and what is wrong with it told as a report.
//!
//! An error is what training would stop at, or silently learn or measure wrong; a warning is what it survives by leaving
//! something out or changing it; a note is only worth knowing. Damage inside the entropy-coded data of a JPEG that still ends
//! properly cannot be seen, as in [`crate::image`].
//!
//! Each thread holds one file and its decoded pixels at a time; beside that, the report's lists are capped by kind, and each
//! image costs about 40 bytes (its content hash) and each box 4.

mod content;
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
use content::Hash;
pub use histogram::{BoxSizes, ImageSizes, SideBin};
pub use report::{CheckFinding, CheckReport, ClassCount, Facts, Kind, KindCount, Severity, SplitReport};
use split::Examined;
pub use split::{Checked, Split};
use summary::Summary;
use tally::{MOST_LISTED, Tally};

/// Images that are examined before their results are put together: what bounds the results that wait.
const CHUNK: usize = 256;

/// How to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckOptions {
    /// Threads that read and decode; 0 for one a core.
    pub threads: usize,
    /// How many findings of a kind the report lists, 1 to 1000; the others are counted.
    pub findings_per_kind: usize,
}

impl Default for CheckOptions {
    fn default() -> CheckOptions {
        CheckOptions { threads: 0, findings_per_kind: 20 }
    }
}

impl CheckOptions {
    /// # Errors
    /// [`Error::Setting`] where the number of findings is out of range.
    pub fn validate(&self) -> Result<(), Error> {
        if (1..=MOST_LISTED).contains(&self.findings_per_kind) {
            return Ok(());
        }
        let (key, value) = ("findings_per_kind", self.findings_per_kind.to_string());
        Err(Error::Setting { key, value, expected: "1 to 1000" })
    }
}

/// Reads every image and mask of the splits, the first of which is the training split, and gives what was found: in the order
/// of splits and records, whatever the number of threads.
///
/// `progress` is told, from any thread, how many images are done of how many.
///
/// # Errors
/// [`Error::Setting`] for the options, [`Error::Thread`] where no thread is to be had. What is wrong with the set is no error
/// of the check's but a finding.
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
    tally: Tally,
    /// Where a content was met first: split and record.
    seen: HashMap<Hash, (usize, usize)>,
    done: AtomicUsize,
    total: usize,
    progress: &'a (dyn Fn(usize, usize) + Sync),
}

impl Check<'_> {
    fn split(&mut self, place: usize, pool: &ThreadPool) -> SplitReport {
        let split = &self.splits[place];
        self.tally.merge(split.faults.clone());
        let Some(set) = &split.set else { return Summary::default().report(split) };
        split.note_of_reading(set, &mut self.tally);
        self.compare_classes(place);
        let mut summary = Summary::default();
        let images: Vec<usize> = (0..split.images()).collect();
        for chunk in images.chunks(CHUNK) {
            let examine = |&index: &usize| {
                let examined = split.examine(set, index);
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

    /// Notes where an image's content was met before.
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
        let (kind, sentence) = if first_place != place {
            let of = format!("the image is the same as {} of {}", original.display(), first.name);
            (Kind::SharedImage, of)
        } else if first_class != class {
            (
                Kind::ContradictoryCopy,
                format!("the image is the same as {}, but its class is another", original.display()),
            )
        } else {
            (Kind::Copy, format!("the image is the same as {}", original.display()))
        };
        self.tally.note(kind, &split.name, copy, None, || sentence);
    }

    /// Every split must mean the same by a class index.
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
