//! Randomness that depends on what it is for, not on the time or the thread.

use std::ops::RangeInclusive;

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution, StandardNormal};

/// The stream of one sample, or of one epoch's order: ChaCha8, the same on every platform.
///
/// The key contains seed, epoch and index unchanged, so no two samples of a run share a stream.
#[derive(Debug, Clone)]
pub struct SampleRng(ChaCha8Rng);

const SAMPLE: u64 = 0;
const ORDER: u64 = 1;
const SYNTHESIS: u64 = 2;
const BATCH: u64 = 3;

impl SampleRng {
    /// The stream that decides how sample `index` is augmented in `epoch`.
    pub fn for_sample(seed: u64, epoch: u64, index: u64) -> SampleRng {
        SampleRng::keyed([SAMPLE, seed, epoch, index])
    }

    /// The stream that decides the order of `epoch`.
    pub fn for_order(seed: u64, epoch: u64) -> SampleRng {
        SampleRng::keyed([ORDER, seed, epoch, 0])
    }

    /// The stream that decides how batch `index` of `epoch` is mixed.
    pub fn for_batch(seed: u64, epoch: u64, index: u64) -> SampleRng {
        SampleRng::keyed([BATCH, seed, epoch, index])
    }

    /// The stream that decides the content of the synthetic image `index` of a part of a set.
    pub(crate) fn for_synthesis(seed: u64, part: u64, index: u64) -> SampleRng {
        SampleRng::keyed([SYNTHESIS, seed, part, index])
    }

    fn keyed(words: [u64; 4]) -> SampleRng {
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        SampleRng(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        self.0.random()
    }

    /// Uniform in `range`; its start where it is empty.
    pub fn uniform(&mut self, range: RangeInclusive<f64>) -> f64 {
        let (start, end) = range.into_inner();
        start + (end - start).max(0.0) * self.unit()
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in `0..count`; 0 where `count` is 0.
    pub fn below(&mut self, count: usize) -> usize {
        if count == 0 { 0 } else { self.0.random_range(0..count as u64) as usize }
    }

    /// Normally distributed around 0 with deviation 1.
    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// From the distribution Beta(`alpha`, `alpha`), in `[0, 1]`; one half where `alpha` is not positive.
    pub fn beta(&mut self, alpha: f64) -> f64 {
        Beta::new(alpha, alpha).map_or(0.5, |beta| beta.sample(&mut self.0))
    }

    /// Shuffles the items (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }

    /// 64 random bits, for noise.
    pub(crate) fn word(&mut self) -> u64 {
        self.0.next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_in_seed_epoch_and_index_and_never_change() {
        let first = |seed, epoch, index| SampleRng::for_sample(seed, epoch, index).word();
        let words = [
            first(0, 0, 0),
            first(1, 0, 0),
            first(0, 1, 0),
            first(0, 0, 1),
            SampleRng::for_order(0, 0).word(),
            SampleRng::for_batch(0, 0, 0).word(),
        ];
        let distinct = words.iter().collect::<std::collections::HashSet<_>>();
        assert_eq!(distinct.len(), words.len());
        assert_eq!(first(7, 3, 5), first(7, 3, 5));
        // ChaCha8's first block under the zero key, as published: 3e00ef2f895f40d6...
        assert_eq!(first(0, 0, 0).to_le_bytes(), [0x3e, 0x00, 0xef, 0x2f, 0x89, 0x5f, 0x40, 0xd6]);
    }

    #[test]
    fn shuffling_keeps_every_item() {
        let mut items: Vec<usize> = (0..1000).collect();
        SampleRng::for_order(3, 1).shuffle(&mut items);
        assert_ne!(items, (0..1000).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..1000).collect::<Vec<_>>());
    }
}
