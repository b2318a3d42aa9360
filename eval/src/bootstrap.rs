//! The paired bootstrap: how much a difference between two sets of predictions depends on the choice of images.
//!
//! A resample draws as many images as the set has, with replacement (Efron and Tibshirani, An Introduction to the Bootstrap,
//! 1993, chapter 13). Both sets are measured on the same draw; an image drawn twice counts twice. The ends of the interval
//! are percentiles of the differences.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Error;

/// More resamples only measure the bootstrap's own noise.
const MAX_RESAMPLES: usize = 1_000_000;

/// How two sets of predictions are compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BootstrapOptions {
    /// The number of resamples.
    pub resamples: usize,
    /// Decides the draws, on every machine and with any number of threads.
    pub seed: u64,
    /// The share of the resamples with a difference inside the interval.
    pub confidence: f64,
}

impl Default for BootstrapOptions {
    fn default() -> BootstrapOptions {
        BootstrapOptions { resamples: 1000, seed: 0, confidence: 0.95 }
    }
}

impl BootstrapOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// There are no resamples or more than a million; the confidence is not between 0 and 1.
    pub fn validate(&self) -> Result<(), Error> {
        if !(1..=MAX_RESAMPLES).contains(&self.resamples) {
            return Err(Error::value("resamples", self.resamples, "a number from 1 to 1000000"));
        }
        if !(self.confidence > 0.0 && self.confidence < 1.0) {
            return Err(Error::value("confidence", self.confidence, "a number above 0 and below 1"));
        }
        Ok(())
    }
}

/// Two sets of predictions on the same images, A and B.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The rule that defines the numbers.
    pub rule: String,
    /// Images compared.
    pub images: usize,
    /// The options of the intervals.
    pub bootstrap: BootstrapOptions,
    /// Each metric.
    pub metrics: Vec<MetricComparison>,
    /// What files of annotations and predictions have that matters for these numbers; empty for those in memory.
    pub findings: Vec<String>,
}

/// One metric of A and of B; `None` if it is not defined.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricComparison {
    /// The metric.
    pub name: String,
    /// Its value for A, on all images.
    pub a: Option<f64>,
    /// Its value for B, on all images.
    pub b: Option<f64>,
    /// B minus A.
    pub difference: Option<f64>,
    /// Lower end of the interval of differences.
    pub low: Option<f64>,
    /// Upper end of the interval of differences.
    pub high: Option<f64>,
    /// Share of the resamples in which B is above A.
    pub b_above_a: Option<f64>,
    /// Share of the resamples in which A is above B; in the others the two are equal.
    pub a_above_b: Option<f64>,
    /// Resamples in which the metric is defined: fewer than all if the drawn images can be without objects.
    pub resamples: usize,
}

/// Compares `[A, B]` of each metric, which `measure` returns for images that count `weights[i]` times each.
pub(crate) fn compare(
    rule: String,
    images: usize,
    options: BootstrapOptions,
    names: &[&str],
    measure: impl Fn(&[u32]) -> Vec<[Option<f64>; 2]> + Sync,
) -> Result<Comparison, Error> {
    options.validate()?;
    let on_all_images = measure(&vec![1; images]);
    let resampled: Vec<Vec<Option<f64>>> = (0..options.resamples as u64)
        .into_par_iter()
        .map_init(
            || vec![0; images],
            |weights, resample| {
                draw(options.seed, resample, weights);
                measure(weights).into_iter().map(difference).collect()
            },
        )
        .collect();
    let metrics = names.iter().zip(on_all_images).enumerate().map(|(index, (name, values))| {
        let mut differences: Vec<f64> = resampled.iter().filter_map(|metrics| metrics[index]).collect();
        differences.sort_by(f64::total_cmp);
        let tail = (1.0 - options.confidence) / 2.0;
        let count = differences.len();
        let share = |above: fn(f64) -> bool| {
            (count > 0).then(|| differences.iter().filter(|&&value| above(value)).count() as f64 / count as f64)
        };
        MetricComparison {
            name: (*name).to_owned(),
            a: values[0],
            b: values[1],
            difference: difference(values),
            low: quantile(count, tail, |rank| differences[rank]),
            // From the top: exchanging A and B then exchanges the ends, to the bit.
            high: quantile(count, tail, |rank| differences[count - 1 - rank]),
            b_above_a: share(|value| value > 0.0),
            a_above_b: share(|value| value < 0.0),
            resamples: count,
        }
    });
    Ok(Comparison { rule, images, bootstrap: options, metrics: metrics.collect(), findings: Vec::new() })
}

/// A metric of one set of predictions, with how much it depends on the choice of images; values are `None` if they are not defined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricInterval {
    /// The metric.
    pub name: String,
    /// Its value on all images.
    pub value: Option<f64>,
    /// Lower end of the interval.
    pub low: Option<f64>,
    /// Upper end of the interval.
    pub high: Option<f64>,
    /// The share of the resamples inside the interval.
    pub confidence: f64,
}

/// The interval of a metric, which `measure` returns for images that count `weights[i]` times each.
pub(crate) fn interval(
    name: &str,
    images: usize,
    options: BootstrapOptions,
    measure: impl Fn(&[u32]) -> Option<f64> + Sync,
) -> Result<MetricInterval, Error> {
    let from_zero = |weights: &[u32]| vec![[Some(0.0), measure(weights)]];
    let mut compared = compare(String::new(), images, options, &[name], from_zero)?.metrics;
    let MetricComparison { name, b: value, low, high, .. } = compared.swap_remove(0);
    Ok(MetricInterval { name, value, low, high, confidence: options.confidence })
}

fn difference([a, b]: [Option<f64>; 2]) -> Option<f64> {
    Some(b? - a?)
}

/// Draws as many images as there are; the draw depends on seed and resample only.
fn draw(seed: u64, resample: u64, weights: &mut [u32]) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(resample);
    weights.fill(0);
    let images = weights.len() as u128;
    for _ in 0..weights.len() {
        // The upper half of the product is below `images`, and uniform up to `images` in 2⁶⁴.
        let image = (u128::from(random.next_u64()) * images) >> 64;
        weights[image as usize] += 1;
    }
}

/// The quantile of ordered values by linear interpolation, as numpy's default.
pub(crate) fn quantile(count: usize, share: f64, value: impl Fn(usize) -> f64) -> Option<f64> {
    let last = count.checked_sub(1)?;
    let position = share * last as f64;
    let below = (position.floor() as usize).min(last);
    let (from, to) = (value(below), value((below + 1).min(last)));
    Some(from + (to - from) * (position - below as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_has_as_many_images_as_the_set_and_each_is_equally_likely() {
        let mut sums = [0; 10];
        for resample in 0..1000 {
            let mut weights = [0; 10];
            draw(7, resample, &mut weights);
            assert_eq!(weights.iter().sum::<u32>(), 10);
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += weight;
            }
        }
        // Each sum has the mean 1000 and the deviation 30.
        assert!(sums.iter().all(|sum| (850..1150).contains(sum)), "{sums:?}");
    }

    #[test]
    fn a_draw_is_the_same_on_every_machine() {
        let mut weights = [0; 8];
        draw(0, 3, &mut weights);
        assert_eq!(weights, [2, 2, 1, 2, 0, 1, 0, 0]);
    }

    #[test]
    fn the_interval_of_a_mean_is_the_one_of_the_normal_distribution() -> Result<(), Error> {
        // The mean of 400 differences of deviation .5 has the deviation .025.
        let values: Vec<f64> = (0..400).map(|image| f64::from(image % 2)).collect();
        let mean = |weights: &[u32]| {
            let sum: f64 = weights.iter().zip(&values).map(|(&weight, value)| f64::from(weight) * value).sum();
            vec![[Some(0.0), Some(sum / 400.0)]]
        };
        let options = BootstrapOptions { resamples: 4000, ..Default::default() };
        let compared = compare(String::new(), 400, options, &["mean"], mean)?;
        let [metric] = &compared.metrics[..] else { panic!("{compared:?}") };
        let near = |value: Option<f64>, expected: f64| value.is_some_and(|value| (value - expected).abs() < 0.005);
        assert!(near(metric.low, 0.5 - 1.96 * 0.025) && near(metric.high, 0.5 + 1.96 * 0.025), "{metric:?}");
        assert_eq!((metric.difference, metric.b_above_a, metric.a_above_b), (Some(0.5), Some(1.0), Some(0.0)));
        Ok(())
    }

    #[test]
    fn quantiles_equal_numpys() {
        let values = [1.0, 2.0, 4.0, 8.0];
        let of = |share| quantile(4, share, |rank| values[rank]);
        assert_eq!([of(0.0), of(0.5), of(0.75), of(1.0)].map(Option::unwrap_or_default), [1.0, 3.0, 5.0, 8.0]);
        assert_eq!(quantile(0, 0.5, |_| 0.0), None);
        assert_eq!(quantile(1, 0.025, |_| 3.0), Some(3.0));
    }

    #[test]
    fn a_metric_that_is_never_defined_has_no_interval() -> Result<(), Error> {
        let compared = compare(String::new(), 0, BootstrapOptions::default(), &["none"], |_| vec![[None, None]])?;
        let metric = &compared.metrics[0];
        assert_eq!((metric.difference, metric.low, metric.b_above_a, metric.resamples), (None, None, None, 0));
        Ok(())
    }

    #[test]
    fn options_outside_their_range_are_refused() {
        let words = |options: BootstrapOptions| options.validate().err().map(|error| error.to_string());
        assert_eq!(
            words(BootstrapOptions { resamples: 0, ..Default::default() }).as_deref(),
            Some("resamples is 0 instead of a number from 1 to 1000000")
        );
        assert_eq!(
            words(BootstrapOptions { confidence: 95.0, ..Default::default() }).as_deref(),
            Some("confidence is 95 instead of a number above 0 and below 1")
        );
        assert_eq!(words(BootstrapOptions::default()), None);
    }
}
