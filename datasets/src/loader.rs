//! Batches of samples in a fixed order, read ahead by a fixed number of threads.
//!
//! Order and randomness depend only on seed, epoch and index: any number of workers gives the same batches.
//!
//! Memory is bounded. Besides the current batch, at most `max(prefetch * batch_size, workers) + 1` samples are being read or
//! wait, however slow the consumer and however uneven the samples; and while it reads, each worker holds one image file with
//! its decoded pixels. With `S` bytes per sample and `D` bytes per decoded source (3 per pixel), that is at most
//! `(max(prefetch * batch_size, workers) + 1 + batch_size) * S + workers * (D + the file)`: for 300x300 samples in batches of
//! 32, two read ahead by 8 workers, from 12-megapixel photographs, 26 MB + 8 * 40 MB. An epoch's order adds 8 bytes per sample.
//!
//! Nothing hangs: a sample whose reading panics, or takes longer than [`LoaderOptions::timeout`], ends the epoch with an error
//! that names the file.

mod shard;
mod workers;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::random::SampleRng;
use crate::settings::check;
pub use shard::Shard;
pub(crate) use workers::panic_message;
use workers::{Reader, Workers};

/// Samples by index.
pub trait Dataset: Send + Sync {
    /// The type of a sample.
    type Sample: Send + 'static;

    /// The number of samples.
    fn len(&self) -> usize;

    /// The file that sample `index` is read from, for messages.
    fn path(&self, index: usize) -> &Path;

    /// Reads sample `index`, which is less than [`Dataset::len`], for `epoch` (from 0); everything random comes from `rng`.
    ///
    /// # Errors
    /// Why the sample cannot be read, with its file.
    fn load(&self, index: usize, epoch: u64, rng: &mut SampleRng) -> Result<Self::Sample, Error>;

    /// Whether there are no samples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The order of an epoch's samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The order of the dataset.
    Sequential,
    /// Shuffled in each epoch, by seed and epoch.
    Shuffled,
}

/// What happens with a last batch with fewer samples than the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastBatch {
    /// It is used.
    Keep,
    /// It is left out, unless it is the only one.
    Drop,
}

/// What happens where a sample cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// The epoch ends with the error, in place of the sample's batch.
    #[default]
    Stop,
    /// The batch continues without the sample and reports it.
    Skip,
}

/// How to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderOptions {
    /// Samples per batch of all processes together, at least 1.
    pub batch_size: usize,
    /// The process among those that share every batch.
    pub shard: Shard,
    /// Threads that read; with 0 the calling thread reads when it requests a batch.
    pub workers: usize,
    /// Batches to read ahead of the current one.
    pub prefetch: usize,
    /// The run's seed.
    pub seed: u64,
    /// The order of the samples.
    pub order: Order,
    /// What happens with a smaller last batch.
    pub last: LastBatch,
    /// What happens where a sample cannot be read.
    pub on_error: OnError,
    /// How long to wait for a sample, and for workers to end; `None` waits without a limit. It needs workers: a calling thread
    /// that reads cannot give up on a file that never answers.
    pub timeout: Option<Duration>,
}

impl Default for LoaderOptions {
    fn default() -> LoaderOptions {
        LoaderOptions {
            batch_size: 1,
            shard: Shard::default(),
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

/// The samples of one training step.
#[derive(Debug)]
pub struct Batch<S> {
    /// Index in the epoch, from 0, also where the epoch was resumed.
    pub index: usize,
    /// The samples, in the epoch's order; empty only where other processes share the batch.
    pub samples: Vec<S>,
    /// The index of each sample in the dataset.
    pub indices: Vec<usize>,
    /// The samples that could not be read since the batch before.
    pub skipped: Vec<Skipped>,
}

/// A sample that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its index in the dataset.
    pub index: usize,
    /// Its file.
    pub path: PathBuf,
    /// The error's message.
    pub reason: String,
}

/// Reads the epochs of a dataset.
#[derive(Debug)]
pub struct Loader<D: Dataset> {
    dataset: Arc<D>,
    options: LoaderOptions,
}

impl<D: Dataset + 'static> Loader<D> {
    /// A loader of this dataset.
    ///
    /// # Errors
    /// [`Error::Setting`] where the batch size is 0, or too small for the number of processes.
    pub fn new(dataset: Arc<D>, options: LoaderOptions) -> Result<Loader<D>, Error> {
        check(options.batch_size > 0, "batch_size", options.batch_size, "1 or more")?;
        options.shard.validate(options.batch_size)?;
        Ok(Loader { dataset, options })
    }

    /// The dataset.
    pub fn dataset(&self) -> &D {
        &self.dataset
    }

    /// The number of batches per epoch, the same for all processes.
    pub fn batches(&self) -> usize {
        let (samples, size) = (self.dataset.len(), self.options.batch_size);
        match self.options.last {
            LastBatch::Drop if samples >= size => samples / size,
            _ => samples.div_ceil(size),
        }
    }

    /// The batches of an epoch, starting at `start_batch`: a resumed epoch has the batches of an uninterrupted one. Reading ahead
    /// starts at once.
    ///
    /// # Errors
    /// [`Error::StartBatch`] where `start_batch` is beyond the epoch's end, [`Error::Thread`] where no thread can be started.
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
        let order = self.options.shard.of(order, self.options.batch_size);
        let options = LoaderOptions { batch_size: self.options.shard.part(self.options.batch_size), ..self.options };
        let reader = Arc::new(Reader::new(Arc::clone(&self.dataset), order, self.options.seed, epoch));
        let state = match options.workers {
            0 => State::Calling,
            _ => State::Workers(Workers::start(&reader, start_batch * options.batch_size, &options)?),
        };
        let index = start_batch;
        // The batches before a resumed epoch were read.
        let has_batch = start_batch > 0;
        Ok(Epoch { reader, batches, index, options, has_batch, skipped: Vec::new(), state })
    }
}

/// An iterator over the batches of one epoch. Dropping it ends its workers, each after its current sample; a worker that reads
/// beyond the time limit is abandoned.
///
/// After an error there are no more batches. Besides the errors of samples there are [`Error::Stuck`], which is never skipped,
/// [`Error::NothingRead`] and [`Error::WorkersGone`].
pub struct Epoch<D: Dataset> {
    reader: Arc<Reader<D>>,
    batches: usize,
    index: usize,
    /// With the batch size of this process.
    options: LoaderOptions,
    /// Whether any batch of the epoch was read.
    has_batch: bool,
    skipped: Vec<Skipped>,
    state: State<D>,
}

enum State<D: Dataset> {
    /// The calling thread reads.
    Calling,
    /// Workers read.
    Workers(Workers<D>),
    Ended,
}

impl<D: Dataset> Epoch<D> {
    /// Samples that were skipped after the last batch, and so are in no batch's report.
    pub fn skipped_at_end(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The next batch with samples, if there is one.
    fn batch(&mut self) -> Result<Option<Batch<D::Sample>>, Error> {
        while self.index < self.batches {
            let index = self.index;
            let first = (index * self.options.batch_size).min(self.reader.len());
            let end = (first + self.options.batch_size).min(self.reader.len());
            let (mut samples, mut indices) = (Vec::with_capacity(end - first), Vec::with_capacity(end - first));
            for position in first..end {
                match (self.take(position)?, self.options.on_error) {
                    (Ok(sample), _) => {
                        samples.push(sample);
                        indices.push(self.reader.index(position));
                    }
                    (Err(error @ Error::Panicked { .. }), _) | (Err(error), OnError::Stop) => return Err(error),
                    (Err(error), OnError::Skip) => {
                        let (index, path) = (self.reader.index(position), self.reader.path(position));
                        self.skipped.push(Skipped { index, path, reason: error.to_string() });
                    }
                }
            }
            self.index += 1;
            self.has_batch |= !samples.is_empty();
            // The other processes take this step too.
            if !samples.is_empty() || self.options.shard.count > 1 {
                return Ok(Some(Batch { index, samples, indices, skipped: std::mem::take(&mut self.skipped) }));
            }
        }
        match self.skipped.first() {
            Some(first) if !self.has_batch => {
                Err(Error::NothingRead { count: self.skipped.len(), first: first.reason.clone() })
            }
            _ => Ok(None),
        }
    }

    /// The sample at a position; positions are requested in ascending order, each once. The outer error is the loader's.
    fn take(&mut self, position: usize) -> Result<Result<D::Sample, Error>, Error> {
        match &mut self.state {
            State::Workers(workers) => workers.take(position),
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
