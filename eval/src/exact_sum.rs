//! A sum that does not depend on the order of its terms.

/// The value of one unit of the sum.
const UNIT: f64 = 1.0 / (1u64 << 62) as f64;

/// The sum of numbers from 0 upwards, as an integer count of 2⁻⁶²: adding in parts, in parallel or in another order gives
/// the same bits, unlike floating point.
///
/// A term is rounded by at most 2⁻⁶³. A sum beyond 2⁶⁶ saturates, and its value is infinite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ExactSum(u128);

impl ExactSum {
    pub(crate) fn add(&mut self, term: f64) {
        debug_assert!(term >= 0.0, "{term} is below 0");
        self.0 = self.0.saturating_add((term / UNIT).round() as u128);
    }

    pub(crate) fn merge(&mut self, other: ExactSum) {
        self.0 = self.0.saturating_add(other.0);
    }

    pub(crate) fn value(self) -> f64 {
        if self.0 == u128::MAX { f64::INFINITY } else { self.0 as f64 * UNIT }
    }

    /// The mean of `count` terms, `None` for no terms.
    pub(crate) fn mean(self, count: u64) -> Option<f64> {
        (count > 0).then(|| self.value() / count as f64)
    }
}

/// The mean of the terms, `None` for no terms.
pub(crate) fn mean(terms: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sum = ExactSum::default();
    let mut count = 0u64;
    for term in terms {
        sum.add(term);
        count += 1;
    }
    sum.mean(count)
}

/// `part / total`, `None` for a total of 0.
pub(crate) fn ratio(part: u64, total: u64) -> Option<f64> {
    (total > 0).then(|| part as f64 / total as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_of_very_different_sizes_add_up_in_any_order() {
        let terms = [1e15, 1.0 / 3.0, 1e-9, 2e15, 0.1];
        let sum = |order: &mut dyn Iterator<Item = &f64>| {
            let mut sum = ExactSum::default();
            order.for_each(|&term| sum.add(term));
            sum
        };
        assert_eq!(sum(&mut terms.iter()), sum(&mut terms.iter().rev()));
        assert_eq!(sum(&mut terms.iter()).value(), 3e15 + (1.0 / 3.0 + 0.1 + 1e-9));
        assert_ne!(0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1, "floating point depends on the order");
    }

    #[test]
    fn a_sum_beyond_its_range_is_and_stays_infinite() {
        let mut sum = ExactSum::default();
        sum.add(1e30);
        sum.add(1.0);
        assert_eq!(sum.value(), f64::INFINITY);
    }

    #[test]
    fn a_mean_of_nothing_is_none() {
        assert_eq!((mean([].into_iter()), ratio(0, 0)), (None, None));
        assert_eq!(mean([0.25, 0.75].into_iter()), Some(0.5));
    }
}
