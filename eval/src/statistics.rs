//! Statistics of paired numbers.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::bootstrap::quantile;

/// Spearman's rank correlation: Pearson's correlation of the ranks; equal values share the mean of their ranks.
///
/// From -1 to 1, as `scipy.stats.spearmanr`. `None` for fewer than two pairs, another number of `xs` than of `ys`, a value
/// that is NaN, or values that are all equal.
pub fn spearman(xs: &[f64], ys: &[f64]) -> Option<f64> {
    if xs.len() != ys.len() || xs.len() < 2 || xs.iter().chain(ys).any(|value| value.is_nan()) {
        return None;
    }
    let (xs, ys) = (doubled_ranks(xs), doubled_ranks(ys));
    // Twice a rank is an integer, and so are the sums: no rounding before the end.
    let count = xs.len() as i128;
    let covariance = |a: &[i128], b: &[i128]| {
        let products: i128 = a.iter().zip(b).map(|(a, b)| a * b).sum();
        count * products - a.iter().sum::<i128>() * b.iter().sum::<i128>()
    };
    let (both, of_x, of_y) = (covariance(&xs, &ys), covariance(&xs, &xs), covariance(&ys, &ys));
    if of_x == 0 || of_y == 0 {
        return None;
    }
    let scale = if of_x == of_y { of_x as f64 } else { (of_x as f64).sqrt() * (of_y as f64).sqrt() };
    Some((both as f64 / scale).clamp(-1.0, 1.0))
}

/// The range in which [`spearman`] lies for 95 % of `permutations` random pairings of the same values: a coefficient within it says
/// nothing about them. `None` where there is no coefficient, or without permutations.
pub fn spearman_by_chance(xs: &[f64], ys: &[f64], permutations: usize, seed: u64) -> Option<[f64; 2]> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut shuffled = ys.to_vec();
    let mut found: Vec<f64> = Vec::with_capacity(permutations);
    for _ in 0..permutations {
        // The upper half of the product is below the number of values, and uniform up to that number in 2⁶⁴.
        for last in (1..shuffled.len()).rev() {
            shuffled.swap(last, ((u128::from(random.next_u64()) * (last as u128 + 1)) >> 64) as usize);
        }
        found.push(spearman(xs, &shuffled)?);
    }
    found.sort_by(f64::total_cmp);
    let end = |share| quantile(found.len(), share, |at| found[at]);
    Some([end(0.025)?, end(0.975)?])
}

/// Twice the rank of each value, from 2; equal values share the mean of their ranks.
fn doubled_ranks(values: &[f64]) -> Vec<i128> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].partial_cmp(&values[b]).unwrap_or(std::cmp::Ordering::Equal));
    let mut ranks = vec![0; values.len()];
    let mut before = 0i128;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let last = before + equal.len() as i128;
        for &place in equal {
            ranks[place] = before + 1 + last;
        }
        before = last;
    }
    ranks
}
