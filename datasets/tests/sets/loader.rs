//! The loader: the same batches from any number of workers, bounded memory, and no hang on any failure.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use datasets::{Dataset, Error, LastBatch, Loader, LoaderOptions, OnError, Order, SampleRng, Shard};
use proptest::prelude::*;

/// Numbers, some of which cannot be read.
#[derive(Default)]
struct Numbers {
    paths: Vec<PathBuf>,
    bad: Vec<usize>,
    panics: Option<usize>,
    delay: Duration,
    alive: Arc<AtomicUsize>,
    most_alive: AtomicUsize,
    reads: AtomicUsize,
}

/// A number and what was drawn for it; counted while it lives.
#[derive(Debug)]
struct Number {
    index: usize,
    epoch: u64,
    drawn: u64,
    alive: Arc<AtomicUsize>,
}

impl Drop for Number {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Numbers {
    fn new(count: usize) -> Numbers {
        Numbers { paths: (0..count).map(|index| PathBuf::from(format!("{index}.jpg"))).collect(), ..Numbers::default() }
    }
}

impl Dataset for Numbers {
    type Sample = Number;

    fn len(&self) -> usize {
        self.paths.len()
    }

    fn path(&self, index: usize) -> &Path {
        &self.paths[index]
    }

    fn load(&self, index: usize, epoch: u64, rng: &mut SampleRng) -> Result<Number, Error> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        // Uneven, so that samples finish out of turn.
        thread::sleep(self.delay * (index % 3) as u32);
        assert_ne!(Some(index), self.panics, "number {index} panics");
        if self.bad.contains(&index) {
            return Err(Error::Decode { path: self.paths[index].clone(), reason: "it is damaged".to_owned() });
        }
        let alive = self.alive.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_alive.fetch_max(alive, Ordering::SeqCst);
        Ok(Number { index, epoch, drawn: rng.unit().to_bits(), alive: Arc::clone(&self.alive) })
    }
}

fn options(workers: usize) -> LoaderOptions {
    LoaderOptions { batch_size: 4, workers, seed: 11, order: Order::Shuffled, ..LoaderOptions::default() }
}

type Batches = Vec<(usize, Vec<(usize, u64)>)>;

fn epoch(numbers: Numbers, options: LoaderOptions, epoch: u64, start: usize) -> Batches {
    let loader = Loader::new(Arc::new(numbers), options).expect("valid options");
    let batches = loader.epoch(epoch, start).expect("an epoch");
    batches
        .map(|batch| {
            let batch = batch.expect("a batch");
            assert!(batch.samples.iter().all(|number| number.epoch == epoch), "a sample of another epoch");
            (batch.index, batch.samples.iter().map(|number| (number.index, number.drawn)).collect())
        })
        .collect()
}

fn uneven(count: usize) -> Numbers {
    Numbers { delay: Duration::from_micros(300), ..Numbers::new(count) }
}

#[test]
fn any_number_of_workers_gives_the_same_batches() {
    let expected = epoch(uneven(42), options(0), 3, 0);
    assert_eq!(expected.len(), 11);
    assert_eq!(expected[10].1.len(), 2);
    for workers in [1, 2, 7, 50] {
        assert_eq!(epoch(uneven(42), options(workers), 3, 0), expected, "{workers} workers");
    }
}

#[test]
fn an_epoch_holds_every_sample_once_and_differs_from_the_next() {
    let (first, second) = (epoch(Numbers::new(40), options(2), 0, 0), epoch(Numbers::new(40), options(2), 1, 0));
    assert_ne!(first, second);
    let mut samples: Vec<_> = first.into_iter().flat_map(|(_, samples)| samples).collect();
    let mut others: Vec<_> = second.into_iter().flat_map(|(_, samples)| samples).collect();
    samples.sort_unstable();
    others.sort_unstable();
    assert_eq!(samples.iter().map(|(index, _)| *index).collect::<Vec<_>>(), (0..40).collect::<Vec<_>>());
    assert!(samples.iter().zip(&others).all(|(one, other)| one.1 != other.1), "a sample's randomness repeats");
}

#[test]
fn sequential_order_is_the_dataset_s() {
    let seen = epoch(Numbers::new(9), LoaderOptions { order: Order::Sequential, ..options(3) }, 5, 0);
    let indices: Vec<_> = seen.iter().flat_map(|(_, samples)| samples.iter().map(|(index, _)| *index)).collect();
    assert_eq!(indices, (0..9).collect::<Vec<_>>());
}

#[test]
fn a_resumed_epoch_gives_the_rest_of_an_uninterrupted_one() {
    let complete = epoch(uneven(42), options(2), 7, 0);
    for workers in [0, 3] {
        for start in [1, 6, 10, 11] {
            assert_eq!(epoch(uneven(42), options(workers), 7, start), complete[start..]);
        }
        let loader = Loader::new(Arc::new(Numbers::new(42)), options(workers)).expect("valid options");
        assert!(matches!(loader.epoch(7, 12), Err(Error::StartBatch { start: 12, batches: 11 })));
    }
}

#[test]
fn a_smaller_last_batch_is_dropped_on_request_unless_it_is_the_only_one() {
    let drop = |workers| LoaderOptions { last: LastBatch::Drop, ..options(workers) };
    for workers in [0, 2] {
        let sizes =
            |count| epoch(Numbers::new(count), drop(workers), 0, 0).iter().map(|b| b.1.len()).collect::<Vec<_>>();
        assert_eq!(sizes(11), [4, 4]);
        assert_eq!(sizes(12), [4, 4, 4]);
        assert_eq!(sizes(3), [3]);
        assert_eq!(sizes(0), Vec::<usize>::new());
    }
}

#[test]
fn a_batch_size_of_zero_is_refused() {
    let error = Loader::new(Arc::new(Numbers::new(1)), LoaderOptions { batch_size: 0, ..options(0) }).err();
    assert_eq!(error.expect("refused").to_string(), "batch_size is 0 instead of 1 or more");
}

#[test]
fn stopping_gives_the_error_in_place_of_its_batch_and_then_nothing() {
    for workers in [0, 1, 4] {
        let numbers = Numbers { bad: vec![9], ..uneven(40) };
        let sequential = LoaderOptions { order: Order::Sequential, ..options(workers) };
        let loader = Loader::new(Arc::new(numbers), sequential).expect("valid options");
        let mut batches = loader.epoch(0, 0).expect("an epoch");
        for index in 0..2 {
            assert_eq!(batches.next().expect("a batch").expect("valid samples").index, index);
        }
        let error = batches.next().expect("an item").expect_err("number 9");
        assert_eq!(error.to_string(), "cannot read 9.jpg: it is damaged");
        assert!(batches.next().is_none());
    }
}

#[test]
fn skipping_makes_batches_smaller_and_reports_every_sample() {
    for workers in [0, 3] {
        let numbers = Numbers { bad: vec![1, 4, 5, 6, 7, 10, 14, 15], ..uneven(16) };
        let skip = LoaderOptions { order: Order::Sequential, on_error: OnError::Skip, ..options(workers) };
        let loader = Loader::new(Arc::new(numbers), skip).expect("valid options");
        let mut batches = loader.epoch(0, 0).expect("an epoch");
        let seen: Vec<_> = (&mut batches)
            .map(|batch| batch.expect("a batch"))
            .map(|batch| (batch.index, batch.samples.len(), batch.skipped.iter().map(|s| s.index).collect::<Vec<_>>()))
            .collect();
        assert_eq!(seen, [(0, 3, vec![1]), (2, 3, vec![4, 5, 6, 7, 10]), (3, 2, vec![14, 15])]);
        assert!(batches.skipped_at_end().is_empty());
    }
}

#[test]
fn samples_skipped_after_the_last_batch_are_not_forgotten() {
    let numbers = Numbers { bad: vec![4, 5], ..Numbers::new(6) };
    let skip = LoaderOptions { order: Order::Sequential, on_error: OnError::Skip, ..options(2) };
    let loader = Loader::new(Arc::new(numbers), skip).expect("valid options");
    let mut batches = loader.epoch(0, 0).expect("an epoch");
    assert_eq!((&mut batches).count(), 1);
    let skipped = batches.skipped_at_end();
    assert_eq!(skipped.iter().map(|skipped| skipped.index).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(skipped[0].path, Path::new("4.jpg"));
    assert_eq!(skipped[0].reason, "cannot read 4.jpg: it is damaged");
}

#[test]
fn an_epoch_in_which_nothing_can_be_read_is_an_error_even_when_skipping() {
    let numbers = Numbers { bad: (0..6).collect(), ..Numbers::new(6) };
    let skip = LoaderOptions { on_error: OnError::Skip, ..options(2) };
    let loader = Loader::new(Arc::new(numbers), skip).expect("valid options");
    let mut batches = loader.epoch(0, 0).expect("an epoch");
    assert!(matches!(batches.next(), Some(Err(Error::NothingRead { count: 6, .. }))));
    assert!(batches.next().is_none());
}

#[test]
fn a_resumed_epoch_whose_rest_cannot_be_read_ends_as_an_uninterrupted_one_does() {
    let numbers = Numbers { bad: vec![4, 5], ..Numbers::new(6) };
    let skip = LoaderOptions { order: Order::Sequential, on_error: OnError::Skip, ..options(2) };
    let loader = Loader::new(Arc::new(numbers), skip).expect("valid options");
    let mut batches = loader.epoch(0, 1).expect("an epoch");
    assert!(batches.next().is_none());
    assert_eq!(batches.skipped_at_end().len(), 2);
}

#[test]
fn a_panic_becomes_an_error_and_is_never_skipped() {
    for workers in [0, 1, 4] {
        let numbers = Numbers { panics: Some(5), ..Numbers::new(40) };
        let skip = LoaderOptions { order: Order::Sequential, on_error: OnError::Skip, ..options(workers) };
        let loader = Loader::new(Arc::new(numbers), skip).expect("valid options");
        let mut batches = loader.epoch(0, 0).expect("an epoch");
        assert!(batches.next().expect("a batch").is_ok());
        let error = batches.next().expect("an item").expect_err("number 5").to_string();
        assert!(
            error.starts_with("internal error (please report it): reading 5.jpg panicked: ")
                && error.contains("number 5 panics"),
            "{error}"
        );
        assert!(batches.next().is_none());
    }
}

#[test]
fn dropping_an_epoch_midway_ends_its_workers_promptly() {
    let numbers = Arc::new(Numbers { delay: Duration::from_millis(5), ..Numbers::new(100_000) });
    let loader =
        Loader::new(Arc::clone(&numbers), LoaderOptions { prefetch: 100, ..options(3) }).expect("valid options");
    let mut batches = loader.epoch(0, 0).expect("an epoch");
    assert!(batches.next().expect("a batch").is_ok());
    let begun = Instant::now();
    drop(batches);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let reads = numbers.reads.load(Ordering::SeqCst);
    assert!(reads < 200, "{reads} samples were read for one batch");
    thread::sleep(Duration::from_millis(50));
    assert_eq!(numbers.reads.load(Ordering::SeqCst), reads, "a worker lives on");
    assert_eq!(numbers.alive.load(Ordering::SeqCst), 0, "samples live on");
}

#[test]
fn samples_alive_at_once_stay_bounded_however_slow_the_consumer() {
    for (workers, prefetch) in [(2, 2), (8, 1), (3, 0)] {
        let numbers = Arc::new(uneven(400));
        let loader = Loader::new(Arc::clone(&numbers), LoaderOptions { prefetch, ..options(workers) }).expect("valid");
        for batch in loader.epoch(0, 0).expect("an epoch") {
            thread::sleep(Duration::from_micros(500));
            drop(batch.expect("a batch"));
        }
        let bound = (prefetch * 4).max(workers) + 1 + 4;
        let most = numbers.most_alive.load(Ordering::SeqCst);
        assert!(most <= bound, "{most} samples alive, bound {bound}");
    }
}

/// Numbers of which one is read until it is let go.
struct Stuck {
    paths: Vec<PathBuf>,
    stuck: usize,
    released: Arc<AtomicUsize>,
}

impl Stuck {
    fn new(stuck: usize) -> Stuck {
        Stuck { paths: Numbers::new(40).paths, stuck, released: Arc::default() }
    }
}

impl Dataset for Stuck {
    type Sample = usize;

    fn len(&self) -> usize {
        self.paths.len()
    }

    fn path(&self, index: usize) -> &Path {
        &self.paths[index]
    }

    fn load(&self, index: usize, _epoch: u64, _rng: &mut SampleRng) -> Result<usize, Error> {
        while index == self.stuck && self.released.load(Ordering::SeqCst) == 0 {
            thread::sleep(Duration::from_millis(5));
        }
        Ok(index)
    }
}

#[test]
fn a_file_that_takes_too_long_ends_the_epoch_with_its_name_and_nothing_hangs() {
    for workers in [1, 4] {
        let dataset = Stuck::new(9);
        let released = Arc::clone(&dataset.released);
        let timeout = Some(Duration::from_millis(300));
        let impatient =
            LoaderOptions { order: Order::Sequential, on_error: OnError::Skip, timeout, ..options(workers) };
        let loader = Loader::new(Arc::new(dataset), impatient).expect("valid options");
        let begun = Instant::now();
        let mut batches = loader.epoch(0, 0).expect("an epoch");
        assert!((&mut batches).take(2).all(|batch| batch.is_ok()));
        let error = batches.next().expect("an item").expect_err("number 9");
        assert!(matches!(&error, Error::Stuck { path, .. } if path == Path::new("9.jpg")), "{error}");
        assert!(batches.next().is_none());
        drop(batches);
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        released.store(1, Ordering::SeqCst);
    }
}

#[test]
fn dropping_an_epoch_waits_for_a_stuck_worker_only_until_the_time_limit() {
    let dataset = Stuck::new(5);
    let released = Arc::clone(&dataset.released);
    let timeout = Some(Duration::from_millis(200));
    let options = LoaderOptions { order: Order::Sequential, timeout, ..options(2) };
    let loader = Loader::new(Arc::new(dataset), options).expect("valid options");
    let mut batches = loader.epoch(0, 0).expect("an epoch");
    assert!(batches.next().expect("a batch").is_ok());
    let begun = Instant::now();
    drop(batches);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    released.store(1, Ordering::SeqCst);
}

#[test]
fn a_slow_file_within_the_time_limit_is_waited_for() {
    let numbers = Numbers { delay: Duration::from_millis(30), ..Numbers::new(12) };
    let patient = LoaderOptions { timeout: Some(Duration::from_secs(60)), ..options(2) };
    assert_eq!(epoch(numbers, patient, 0, 0).len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_parts_of_several_processes_are_together_the_batches_of_one(
        samples in 1usize..60,
        count in 1usize..6,
        more in 0usize..6,
        workers in 0usize..3,
        drop_last in any::<bool>(),
        start in 0usize..3,
    ) {
        let last = if drop_last { LastBatch::Drop } else { LastBatch::Keep };
        let whole = LoaderOptions { batch_size: count + more, last, ..options(workers) };
        let batches = Loader::new(Arc::new(Numbers::new(samples)), whole).expect("valid options").batches();
        let start = start.min(batches);
        let expected = epoch(Numbers::new(samples), whole, 2, start);
        let parts: Vec<Batches> = (0..count)
            .map(|rank| epoch(Numbers::new(samples), LoaderOptions { shard: Shard { rank, count }, ..whole }, 2, start))
            .collect();
        for part in &parts {
            prop_assert_eq!(part.len(), expected.len(), "every process takes every step");
        }
        for (step, (index, batch)) in expected.iter().enumerate() {
            let sizes: Vec<usize> = parts.iter().map(|part| part[step].1.len()).collect();
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{:?}", sizes);
            let places = |part: &Batches| -> Vec<usize> {
                part[step].1.iter().map(|sample| batch.iter().position(|other| other == sample).unwrap()).collect()
            };
            let mut all = vec![];
            for part in &parts {
                prop_assert_eq!(part[step].0, *index);
                let places = places(part);
                prop_assert!(places.is_sorted());
                // Mixing pairs the first sample with the last, and so on: in a part as in the whole batch.
                if batch.len().is_multiple_of(2 * count) {
                    let partners: Vec<usize> = places.iter().rev().map(|place| batch.len() - 1 - place).collect();
                    prop_assert_eq!(&partners, &places);
                }
                all.extend(places);
            }
            all.sort_unstable();
            prop_assert_eq!(all, (0..batch.len()).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_process_without_samples_in_a_step_takes_the_step_all_the_same() {
    let shard = Shard { rank: 1, count: 2 };
    let skip = LoaderOptions { shard, on_error: OnError::Skip, order: Order::Sequential, ..options(0) };
    let numbers = Numbers { bad: vec![1, 2], ..Numbers::new(9) };
    let parts: Vec<_> = epoch(numbers, skip, 0, 0).into_iter().map(|(index, part)| (index, part.len())).collect();
    assert_eq!(parts, [(0, 0), (1, 2), (2, 0)]);
}

#[test]
fn a_batch_that_is_too_small_for_the_processes_is_refused() {
    let with = |rank, count, batch_size| {
        let options = LoaderOptions { batch_size, shard: Shard { rank, count }, ..options(0) };
        Loader::new(Arc::new(Numbers::new(9)), options).err().map(|error| error.to_string())
    };
    assert_eq!(with(1, 2, 2), None);
    assert!(with(1, 2, 1).is_some_and(|error| error.contains("batch_size")));
    assert!(with(2, 2, 4).is_some_and(|error| error.contains("shard.rank")));
}
