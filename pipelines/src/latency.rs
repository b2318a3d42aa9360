//! How long one run of a network takes.
//!
//! Runs are made until their time has settled, then for a while; the median of those is the figure. Percentiles say how far the
//! machine was at rest.

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

/// Runs of one window of the warm-up.
const WINDOW: usize = 5;
/// Two windows whose medians differ by less than this have settled.
const SETTLED: f64 = 0.05;
/// The warm-up ends at the latest after this time.
const LONGEST_WARM_UP: Duration = Duration::from_secs(3);
/// Runs are timed for this long, and at least [`FEWEST`] of them.
const TIMED: Duration = Duration::from_secs(2);
const FEWEST: usize = 10;

/// Times `run`, which must have finished its work when it returns.
///
/// # Errors
/// Those of `run`.
pub fn measure(mut run: impl FnMut() -> Result<(), Failure>) -> Result<Latency, Failure> {
    let mut timed = || -> Result<f64, Failure> {
        let begun = Instant::now();
        run()?;
        Ok(begun.elapsed().as_secs_f64() * 1e3)
    };
    let begun = Instant::now();
    let mut before = f64::INFINITY;
    loop {
        let window = (0..WINDOW).map(|_| timed()).collect::<Result<Vec<_>, _>>()?;
        let median = Latency::of(window).median;
        if (median - before).abs() < SETTLED * median || begun.elapsed() > LONGEST_WARM_UP {
            break;
        }
        before = median;
    }
    let begun = Instant::now();
    let mut times = Vec::new();
    while times.len() < FEWEST || begun.elapsed() < TIMED {
        times.push(timed()?);
    }
    Ok(Latency::of(times))
}

impl Latency {
    /// Of at least one time.
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let runs = times.len();
        let at = |share: f64| times[((runs - 1) as f64 * share).round() as usize];
        Self { median: at(0.5), p5: at(0.05), p95: at(0.95), minimum: times[0], runs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let latency = Latency::of((0..=100).rev().map(f64::from).collect());
        let Latency { median, p5, p95, minimum, runs } = latency;
        assert_eq!((median, p5, p95, minimum, runs), (50.0, 5.0, 95.0, 0.0, 101));
        assert_eq!(Latency::of(vec![3.0]).p95, 3.0);
    }

    #[test]
    fn slow_runs_are_measured_as_such_and_errors_end_it() {
        let latency = measure(|| {
            std::thread::sleep(Duration::from_millis(30));
            Ok(())
        });
        let latency = latency.unwrap();
        assert!(latency.minimum >= 30.0 && latency.runs >= FEWEST, "{latency:?}");
        assert!(measure(|| Err(Failure::failed("no"))).is_err());
    }
}
