//! How long one run of a network takes.
//!
//! Each network runs until its time has settled; then all are timed in rounds, one after the other, so that a machine that
//! slows down for a while does so for all of them. The median is the figure; the percentiles show how busy the machine was.

use front::cli::BENCH_SECONDS;
use serde::Serialize;
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// Times of single runs, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// Half of the runs took less.
    pub median: f64,
    /// One run in twenty took less.
    pub p5: f64,
    /// One run in twenty took more.
    pub p95: f64,
    /// The fastest run.
    pub minimum: f64,
    /// Runs that were timed, after those that warmed up.
    pub runs: usize,
}

/// One run of something; its work is done when it returns.
pub type Run<'a> = Box<dyn FnMut() -> Result<(), Failure> + 'a>;

/// Runs of one window of the warm-up.
const WARM_UP_WINDOW: usize = 5;
/// Two windows whose medians differ by less than this have settled.
const SETTLED_DIFFERENCE: f64 = 0.05;
const MAX_WARM_UP: Duration = Duration::from_secs(3);
/// Rounds of the timing.
const ROUNDS: usize = 5;
const MIN_RUNS_PER_ROUND: usize = 3;
/// A 95th percentile further above the median means that the machine was busy with other work.
const MAX_P95_RATIO: f64 = 1.3;
/// Time for each network, where none is given.
pub const DEFAULT_TIME: Duration = Duration::from_secs(BENCH_SECONDS as u64);

/// The method in a sentence.
pub fn method(timed: Duration) -> String {
    format!(
        "warm-up until the medians of {WARM_UP_WINDOW} runs differ by less than {:.0} %, then {ROUNDS} rounds by turns,\n\
         at least {:.1} s and {} runs each",
        SETTLED_DIFFERENCE * 100.0,
        timed.as_secs_f64(),
        ROUNDS * MIN_RUNS_PER_ROUND
    )
}

/// Times each of `runs` for `timed` in all; `advance` is called after every piece of the work, [`pieces`] times for each run.
///
/// # Errors
/// The first error of a run.
pub fn measure_by_turns(
    runs: &mut [Run<'_>],
    timed: Duration,
    advance: impl FnMut(usize),
) -> Result<Vec<Latency>, Failure> {
    let begun = Instant::now();
    measure_by_clock(&|| begun.elapsed(), runs, timed, advance)
}

fn measure_by_clock(
    clock: &dyn Fn() -> Duration,
    runs: &mut [Run<'_>],
    timed: Duration,
    mut advance: impl FnMut(usize),
) -> Result<Vec<Latency>, Failure> {
    for (index, run) in runs.iter_mut().enumerate() {
        warm_up(clock, run)?;
        advance(index);
    }
    let mut times = vec![Vec::new(); runs.len()];
    for _ in 0..ROUNDS {
        for (index, (run, times)) in runs.iter_mut().zip(&mut times).enumerate() {
            let begun = clock();
            let before = times.len();
            while times.len() < before + MIN_RUNS_PER_ROUND || clock() - begun < timed / ROUNDS as u32 {
                times.push(time(clock, run)?);
            }
            advance(index);
        }
    }
    Ok(times.into_iter().map(Latency::of).collect())
}

/// Pieces of the work of [`measure_by_turns`] for each run: the warm-up and the rounds.
pub const fn pieces() -> usize {
    1 + ROUNDS
}

fn time(clock: &dyn Fn() -> Duration, run: &mut Run<'_>) -> Result<f64, Failure> {
    let begun = clock();
    run()?;
    Ok((clock() - begun).as_secs_f64() * 1e3)
}

fn warm_up(clock: &dyn Fn() -> Duration, run: &mut Run<'_>) -> Result<(), Failure> {
    let begun = clock();
    let mut before = f64::INFINITY;
    loop {
        let window = (0..WARM_UP_WINDOW).map(|_| time(clock, run)).collect::<Result<Vec<_>, _>>()?;
        let median = Latency::of(window).median;
        if (median - before).abs() < SETTLED_DIFFERENCE * median || clock() - begun > MAX_WARM_UP {
            return Ok(());
        }
        before = median;
    }
}

impl Latency {
    /// The latency of at least one run.
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let runs = times.len();
        let at = |share: f64| times[((runs - 1) as f64 * share).round() as usize];
        Self { median: at(0.5), p5: at(0.05), p95: at(0.95), minimum: times[0], runs }
    }

    /// Whether the slow runs are so much slower than the others that the machine must have been busy.
    pub fn disturbed(&self) -> bool {
        self.p95 > MAX_P95_RATIO * self.median
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let latency = Latency::of((0..=100).rev().map(f64::from).collect());
        let Latency { median, p5, p95, minimum, runs } = latency;
        assert_eq!((median, p5, p95, minimum, runs), (50.0, 5.0, 95.0, 0.0, 101));
        assert_eq!(Latency::of(vec![3.0]).p95, 3.0);
        assert!(latency.disturbed() && !Latency { p95: 60.0, ..latency }.disturbed());
    }

    #[test]
    fn slow_runs_are_measured_as_such_by_turns_and_errors_end_it() {
        let now = Cell::new(Duration::ZERO);
        let lasting = |millis: u64| -> Run<'_> {
            let now = &now;
            Box::new(move || {
                now.set(now.get() + Duration::from_millis(millis));
                Ok(())
            })
        };
        let mut pieces_done = [0; 2];
        let mut runs = [lasting(30), lasting(5)];
        let timed = Duration::from_millis(100);
        let latencies = measure_by_clock(&|| now.get(), &mut runs, timed, |index| pieces_done[index] += 1).unwrap();
        let of = |millis, runs| Latency { median: millis, p5: millis, p95: millis, minimum: millis, runs };
        assert_eq!(latencies, [of(30.0, ROUNDS * MIN_RUNS_PER_ROUND), of(5.0, ROUNDS * 4)]);
        assert_eq!(pieces_done, [pieces(); 2]);
        let mut failing: [Run<'_>; 1] = [Box::new(|| Err(Failure::failed("no")))];
        assert!(measure_by_turns(&mut failing, timed, |_| ()).is_err());
    }
}
