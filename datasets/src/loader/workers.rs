//! The threads of a [`Loader`](super::Loader), and what they share.

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

/// Reads any sample of an epoch, from any thread.
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

/// Threads that read the positions in their queue, and the samples that were read before their turn.
///
/// Taking a sample adds one position to the queue, so queue and early samples together stay bounded.
pub(super) struct Workers<D: Dataset> {
    reader: Arc<Reader<D>>,
    positions: Option<Sender<usize>>,
    /// The next position for the queue.
    next: usize,
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
        let (positions, queue) = unbounded();
        let (read, results) = bounded(ahead);
        let stop = Arc::new(AtomicBool::new(false));
        let mut workers = Workers {
            reader: Arc::clone(reader),
            positions: Some(positions),
            next: first,
            results,
            early: HashMap::new(),
            stop,
            timeout: options.timeout,
            threads: Vec::with_capacity(options.workers),
            working: never(),
        };
        // Declared after `workers`, so that it is dropped before them.
        let (alive, working) = bounded(0);
        workers.working = working;
        for number in 0..options.workers {
            let (reader, queue, read) = (Arc::clone(&workers.reader), queue.clone(), read.clone());
            let (stop, alive) = (Arc::clone(&workers.stop), alive.clone());
            let work = move || {
                work(&reader, &queue, &read, &stop);
                drop(alive);
            };
            let thread = Builder::new().name(format!("loader-{number}")).spawn(work).map_err(Error::Thread)?;
            workers.threads.push(thread);
        }
        for _ in 0..ahead {
            workers.queue_next();
        }
        Ok(workers)
    }
}

fn work<D: Dataset>(reader: &Reader<D>, queue: &Receiver<usize>, read: &Sender<Read<D::Sample>>, stop: &AtomicBool) {
    for position in queue {
        if stop.load(Ordering::Relaxed) || read.send((position, reader.read(position))).is_err() {
            return;
        }
    }
}

impl<D: Dataset> Workers<D> {
    fn queue_next(&mut self) {
        if self.next < self.reader.len()
            && self.positions.as_ref().is_some_and(|positions| positions.send(self.next).is_ok())
        {
            self.next += 1;
        }
    }

    /// The sample at a position; positions are requested in ascending order, each once. The outer error is the loader's.
    pub(super) fn take(&mut self, position: usize) -> Result<Result<D::Sample, Error>, Error> {
        self.queue_next();
        // Workers take positions in order and every earlier one is finished, so this one is being read by now.
        let start = Instant::now();
        loop {
            if let Some(sample) = self.early.remove(&position) {
                return Ok(sample);
            }
            let (other, sample) = match receive(&self.results, self.timeout.map(|timeout| (start, timeout))) {
                Ok(read) => read,
                Err(RecvTimeoutError::Disconnected) => return Err(Error::WorkersGone),
                Err(RecvTimeoutError::Timeout) => {
                    self.timeout = Some(Duration::ZERO);
                    let seconds = start.elapsed().as_secs_f64().round();
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
        // Disconnects the workers that wait for room in the channel.
        self.results = never();
        let limit = self.timeout.map(|timeout| (Instant::now(), timeout));
        if receive(&self.working, limit) == Err(RecvTimeoutError::Timeout) {
            return;
        }
        for thread in self.threads.drain(..) {
            // A worker catches the panics of its samples; any other is of no consequence any more.
            drop(thread.join());
        }
    }
}

/// The next message; waits until the time limit after the given start, or without a limit.
fn receive<T>(channel: &Receiver<T>, limit: Option<(Instant, Duration)>) -> Result<T, RecvTimeoutError> {
    match limit {
        Some((start, timeout)) => channel.recv_timeout(timeout.saturating_sub(start.elapsed())),
        None => channel.recv().map_err(RecvTimeoutError::from),
    }
}
