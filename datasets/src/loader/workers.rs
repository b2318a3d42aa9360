//! The threads behind a [`Loader`](super::Loader), and what they share.

use std::any::Any;
use std::collections::HashMap;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, never, unbounded};

use super::{Dataset, LoaderOptions};
use crate::Error;
use crate::random::SampleRng;

/// What every thread needs to read any sample of the epoch.
pub(super) struct Reader<D> {
    dataset: Arc<D>,
    order: Vec<usize>,
    seed: u64,
    epoch: u64,
}

impl<D: Dataset> Reader<D> {
    pub(super) fn new(dataset: Arc<D>, order: Vec<usize>, seed: u64, epoch: u64) -> Reader<D> {
        Reader { dataset, order, seed, epoch }
    }

    /// Samples in the epoch.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// The index in the dataset of the sample at a position of the epoch.
    pub(super) fn index(&self, position: usize) -> usize {
        self.order[position]
    }

    pub(super) fn path(&self, position: usize) -> PathBuf {
        self.dataset.path(self.index(position)).to_path_buf()
    }

    pub(super) fn read(&self, position: usize) -> Result<D::Sample, Error> {
        let index = self.index(position);
        let mut rng = SampleRng::for_sample(self.seed, self.epoch, index as u64);
        catch_unwind(AssertUnwindSafe(|| self.dataset.load(index, self.epoch, &mut rng))).unwrap_or_else(|panic| {
            Err(Error::Panicked { path: self.path(position), message: panic_message(panic.as_ref()) })
        })
    }
}

pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}

type Read<S> = (usize, Result<S, Error>);

/// Threads that read the positions they are told, and what they have read out of turn.
///
/// A position is told only when one before it was taken, so queue and early samples together stay bounded.
pub(super) struct Workers<D: Dataset> {
    reader: Arc<Reader<D>>,
    positions: Option<Sender<usize>>,
    told: usize,
    results: Receiver<Read<D::Sample>>,
    early: HashMap<usize, Result<D::Sample, Error>>,
    stop: Arc<AtomicBool>,
    timeout: Option<Duration>,
    threads: Vec<JoinHandle<()>>,
    /// Disconnected once every worker has ended.
    working: Receiver<Infallible>,
}

impl<D: Dataset + 'static> Workers<D> {
    pub(super) fn start(reader: &Arc<Reader<D>>, first: usize, options: &LoaderOptions) -> Result<Workers<D>, Error> {
        let wanted = options.prefetch.saturating_mul(options.batch_size).max(options.workers);
        let ahead = wanted.min(reader.len());
        let (positions, told) = unbounded();
        let (read, results) = bounded(ahead);
        let stop = Arc::new(AtomicBool::new(false));
        let mut workers = Workers {
            reader: Arc::clone(reader),
            positions: Some(positions),
            told: first,
            results,
            early: HashMap::new(),
            stop,
            timeout: options.timeout,
            threads: Vec::with_capacity(options.workers),
            working: never(),
        };
        // Declared after the workers, so that it is gone when they are dropped.
        let (alive, working) = bounded(0);
        workers.working = working;
        for number in 0..options.workers {
            let (reader, told, read) = (Arc::clone(&workers.reader), told.clone(), read.clone());
            let (stop, alive) = (Arc::clone(&workers.stop), alive.clone());
            let work = move || {
                work(&reader, &told, &read, &stop);
                drop(alive);
            };
            let thread = Builder::new().name(format!("loader-{number}")).spawn(work).map_err(Error::Thread)?;
            workers.threads.push(thread);
        }
        for _ in 0..ahead {
            workers.tell_next();
        }
        Ok(workers)
    }
}

fn work<D: Dataset>(reader: &Reader<D>, told: &Receiver<usize>, read: &Sender<Read<D::Sample>>, stop: &AtomicBool) {
    for position in told {
        if stop.load(Ordering::Relaxed) || read.send((position, reader.read(position))).is_err() {
            return;
        }
    }
}

impl<D: Dataset> Workers<D> {
    fn tell_next(&mut self) {
        if self.told < self.reader.len()
            && self.positions.as_ref().is_some_and(|positions| positions.send(self.told).is_ok())
        {
            self.told += 1;
        }
    }

    /// The sample at a position; positions are asked for in ascending order, each once. The outer error is the loader's.
    pub(super) fn take(&mut self, position: usize) -> Result<Result<D::Sample, Error>, Error> {
        self.tell_next();
        // Workers take positions in order and every earlier one is done, so this one is being read from now on at the latest.
        let begun = Instant::now();
        loop {
            if let Some(sample) = self.early.remove(&position) {
                return Ok(sample);
            }
            let (other, sample) = match receive(&self.results, self.timeout.map(|timeout| (begun, timeout))) {
                Ok(read) => read,
                Err(RecvTimeoutError::Disconnected) => return Err(Error::WorkersGone),
                Err(RecvTimeoutError::Timeout) => {
                    self.timeout = Some(Duration::ZERO);
                    let seconds = begun.elapsed().as_secs_f64().round();
                    return Err(Error::Stuck { path: self.reader.path(position), seconds });
                }
            };
            self.early.insert(other, sample);
        }
    }
}

impl<D: Dataset> Drop for Workers<D> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.positions = None;
        // A worker that waits for room in the queue is told that nobody listens.
        self.results = never();
        let patience = self.timeout.map(|timeout| (Instant::now(), timeout));
        if receive(&self.working, patience) == Err(RecvTimeoutError::Timeout) {
            return;
        }
        for thread in self.threads.drain(..) {
            // A worker catches its samples' panics; what else could end it early has nothing left to spoil here.
            drop(thread.join());
        }
    }
}

/// The next message, waited for until so long after that moment; without a moment, for ever.
fn receive<T>(channel: &Receiver<T>, until: Option<(Instant, Duration)>) -> Result<T, RecvTimeoutError> {
    match until {
        Some((begun, timeout)) => channel.recv_timeout(timeout.saturating_sub(begun.elapsed())),
        None => channel.recv().map_err(RecvTimeoutError::from),
    }
}
