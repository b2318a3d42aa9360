//! Batches of samples in a fixed order, read ahead by a fixed number of threads.
//!
//! Order and randomness depend on seed, epoch and index alone: any number of workers gives the same batches.
//!
//! Memory is bounded. Beside the batch being handed out, at most `max(prefetch * batch_size, workers) + 1` samples are being
//! read or wait, however slow the consumer and however uneven the samples; and while it reads, each worker holds one image
//! file with its decoded pixels. With `S` bytes a sample and `D` bytes a decoded source (3 a pixel), that is at most
//! `(max(prefetch * batch_size, workers) + 1 + batch_size) * S + workers * (D + the file)`: for 300x300 samples in batches of
//! 32, two read ahead by 8 workers, of 12-megapixel photographs, 26 MB + 8 * 40 MB. An epoch's order adds 8 bytes a sample.
//!
//! Nothing hangs: a sample whose reading panics ends the epoch with an error that names the file, and so does one that is
//! read for longer than [`LoaderOptions::timeout`].

mod workers;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::random::SampleRng;
pub(crate) use workers::panic_message;
use workers::{Reader, Workers};

/// Samples by index.
pub trait Dataset: Send + Sync {
    /// What a sample is.
    type Sample: Send + 'static;

    /// How many samples there are.
    fn len(&self) -> usize;

    /// The file that sample `index` is read from, for messages.
    fn path(&self, index: usize) -> &Path;

    /// Reads sample `index`, which is less than [`Dataset::len`], as `epoch` (from 0) wants it; everything random comes from
    /// `rng`.
    ///
    /// # Errors
    /// Whatever keeps the sample from being read, naming the file.
    fn load(&self, index: usize, epoch: u64, rng: &mut SampleRng) -> Result<Self::Sample, Error>;

    /// Whether there are no samples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The order of an epoch's samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As the dataset has them.
    Sequential,
    /// Shuffled anew in each epoch, by seed and epoch.
    Shuffled,
}

/// What becomes of a last batch with fewer samples than the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastBatch {
    /// It is given as it is.
    Keep,
    /// It is left out, unless it is the only one.
    Drop,
}

/// What happens where a sample cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// The epoch ends with the error, in the place of the sample's batch.
    #[default]
    Stop,
    /// The batch goes on without the sample and tells of it.
    Skip,
}

/// How to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderOptions {
    /// Samples a batch, at least 1.
    pub batch_size: usize,
    /// Threads that read; 0 reads in the calling thread, when a batch is asked for.
    pub workers: usize,
    /// Batches to read ahead of the one being handed out.
    pub prefetch: usize,
    /// The run's seed.
    pub seed: u64,
    /// The order of the samples.
    pub order: Order,
    /// What becomes of a smaller last batch.
    pub last: LastBatch,
    /// What happens where a sample cannot be read.
    pub on_error: OnError,
    /// How long to wait for a sample that is being read, and for workers to end; without it, for ever. It needs workers: a
    /// caller that reads by itself cannot leave a file that never answers.
    pub timeout: Option<Duration>,
}

impl Default for LoaderOptions {
    fn default() -> LoaderOptions {
        LoaderOptions {
            batch_size: 1,
            workers: 0,
            prefetch: 2,
            seed: 0,
            order: Order::Sequential,
            last: LastBatch::Keep,
            on_error: OnError::Stop,
            timeout: Some(Duration::from_secs(120)),
        }
    }
}

/// Samples that belong together.
#[derive(Debug)]
pub struct Batch<S> {
    /// Place in the epoch, from 0, whether or not the epoch began there.
    pub index: usize,
    /// The samples, in the epoch's order; never empty.
    pub samples: Vec<S>,
    /// The samples that could not be read since the last batch was given.
    pub skipped: Vec<Skipped>,
}

/// A sample that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its index in the dataset.
    pub index: usize,
    /// Its file.
    pub path: PathBuf,
    /// The error's words.
    pub reason: String,
}

/// Gives the epochs of a dataset.
#[derive(Debug)]
pub struct Loader<D: Dataset> {
    dataset: Arc<D>,
    options: LoaderOptions,
}

impl<D: Dataset + 'static> Loader<D> {
    /// A loader of this dataset.
    ///
    /// # Errors
    /// [`Error::Setting`] where the batch size is 0.
    pub fn new(dataset: Arc<D>, options: LoaderOptions) -> Result<Loader<D>, Error> {
        if options.batch_size == 0 {
            return Err(Error::Setting { key: "batch_size", value: "0".to_owned(), expected: "1 or more" });
        }
        Ok(Loader { dataset, options })
    }

    /// The dataset.
    pub fn dataset(&self) -> &D {
        &self.dataset
    }

    /// Batches an epoch.
    pub fn batches(&self) -> usize {
        let (samples, size) = (self.dataset.len(), self.options.batch_size);
        match self.options.last {
            LastBatch::Drop if samples >= size => samples / size,
            _ => samples.div_ceil(size),
        }
    }

    /// The batches of an epoch, from `start_batch` on: a resumed epoch gives what an uninterrupted one would have given.
    /// Reading ahead begins at once.
    ///
    /// # Errors
    /// [`Error::StartBatch`] where `start_batch` lies beyond the epoch's end, [`Error::Thread`] where no thread is to be had.
    pub fn epoch(&self, epoch: u64, start_batch: usize) -> Result<Epoch<D>, Error> {
        let batches = self.batches();
        if start_batch > batches {
            return Err(Error::StartBatch { start: start_batch, batches });
        }
        let mut order: Vec<usize> = (0..self.dataset.len()).collect();
        if self.options.order == Order::Shuffled {
            SampleRng::for_order(self.options.seed, epoch).shuffle(&mut order);
        }
        order.truncate(batches.saturating_mul(self.options.batch_size));
        let reader = Arc::new(Reader::new(Arc::clone(&self.dataset), order, self.options.seed, epoch));
        let state = match self.options.workers {
            0 => State::Alone,
            _ => State::Shared(Workers::start(&reader, start_batch * self.options.batch_size, &self.options)?),
        };
        let (index, options) = (start_batch, self.options);
        // What came before a resumed epoch counts as given.
        let given = start_batch;
        Ok(Epoch { reader, batches, index, options, given, skipped: Vec::new(), state })
    }
}

/// An iterator over the batches of one epoch. Dropping it ends its workers, each after the sample that it is reading; one that
/// reads beyond the time-out is left behind.
///
/// After an error there are no more batches. Beside the errors of samples there are [`Error::Stuck`], which is never skipped,
/// [`Error::NothingRead`] and [`Error::WorkersGone`].
pub struct Epoch<D: Dataset> {
    reader: Arc<Reader<D>>,
    batches: usize,
    index: usize,
    options: LoaderOptions,
    given: usize,
    skipped: Vec<Skipped>,
    state: State<D>,
}

enum State<D: Dataset> {
    /// The caller reads.
    Alone,
    /// Workers read.
    Shared(Workers<D>),
    Ended,
}

impl<D: Dataset> Epoch<D> {
    /// Samples that were skipped after the last batch that was given: what no batch could tell of.
    pub fn skipped_at_end(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The next batch that has samples, if there is one.
    fn batch(&mut self) -> Result<Option<Batch<D::Sample>>, Error> {
        while self.index < self.batches {
            let index = self.index;
            let first = index * self.options.batch_size;
            let end = (first + self.options.batch_size).min(self.reader.len());
            let mut samples = Vec::with_capacity(end - first);
            for position in first..end {
                match (self.take(position)?, self.options.on_error) {
                    (Ok(sample), _) => samples.push(sample),
                    (Err(error @ Error::Panicked { .. }), _) | (Err(error), OnError::Stop) => return Err(error),
                    (Err(error), OnError::Skip) => {
                        let (index, path) = (self.reader.index(position), self.reader.path(position));
                        self.skipped.push(Skipped { index, path, reason: error.to_string() });
                    }
                }
            }
            self.index += 1;
            if !samples.is_empty() {
                self.given += 1;
                return Ok(Some(Batch { index, samples, skipped: std::mem::take(&mut self.skipped) }));
            }
        }
        match self.skipped.first() {
            Some(first) if self.given == 0 => {
                Err(Error::NothingRead { count: self.skipped.len(), first: first.reason.clone() })
            }
            _ => Ok(None),
        }
    }

    /// The sample at a position; positions are asked for in ascending order, each once. The outer error is the loader's.
    fn take(&mut self, position: usize) -> Result<Result<D::Sample, Error>, Error> {
        match &mut self.state {
            State::Shared(workers) => workers.take(position),
            _ => Ok(self.reader.read(position)),
        }
    }
}

impl<D: Dataset> Iterator for Epoch<D> {
    type Item = Result<Batch<D::Sample>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if matches!(self.state, State::Ended) {
            return None;
        }
        let next = self.batch().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.state = State::Ended;
        }
        next
    }
}
