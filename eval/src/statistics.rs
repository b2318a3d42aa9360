//! Statistics of paired numbers.

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
