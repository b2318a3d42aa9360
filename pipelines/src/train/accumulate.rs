//! The gradient of a batch that is computed piece by piece, so that only one piece is in memory.

use datasets::{Batch, SampleRng};
use std::ops::Range;
use tch::{Kind, Tensor};
use tch_ext::foreach;

use super::Trainer;
use super::step::{Losses, read_losses};
use crate::failure::Failure;
use crate::task::{Evaluate, Train};

/// Piece `index` of `count` nearly equal ones of `samples`.
fn piece(samples: usize, index: usize, count: usize) -> Range<usize> {
    samples * index / count..samples * (index + 1) / count
}

impl<T: Train + Evaluate> Trainer<'_, T> {
    /// The loss of a batch, of which each process has `images`, and its parts; adds the gradients of `count` pieces.
    ///
    /// What divides the loss of the batch is known after the last piece only. So the gradients of sums are added, and divided in the
    /// end: all parts of a loss have the same divisor.
    pub(super) fn accumulate(
        &mut self,
        batch: &Batch<T::Sample>,
        images: &[usize],
        rng: &mut SampleRng,
        count: usize,
    ) -> Result<Vec<(&'static str, f64)>, Failure> {
        let mut names = Vec::new();
        let mut sums: Option<Tensor> = None;
        for index in 0..count {
            let samples = &batch.samples[piece(batch.samples.len(), index, count)];
            let of_all = images.iter().map(|images| piece(*images, index, count).len()).sum();
            let Losses { names: parts, values, weights } = self.losses(samples, of_all, rng)?;
            names = parts;
            let own = Tensor::stack(&[&weights, &(values.detach().to_kind(Kind::Double) * &weights)], 0);
            let sum = (&values * weights.to_kind(values.kind())).sum(values.kind());
            match &mut self.exchange {
                Some(exchange) => exchange.add(&sum, index + 1 == count)?,
                None => sum.f_backward()?,
            }
            sums = Some(sums.map_or_else(|| own.shallow_clone(), |sums| sums + &own));
        }
        let sums = sums.ok_or_else(|| Failure::failed("a batch without pieces"))?;
        if let Some(exchange) = &self.exchange {
            exchange.sum(&sums)?;
        }
        // A mean of nothing is 0, and so is its gradient.
        let totals = sums.get(0);
        let totals = &totals + totals.eq(0.0);
        // Gradients are means over the processes by now.
        let factor = self.processes.count() as f64 / totals.double_value(&[0]);
        foreach::scale_gradients(&self.parameters, factor)?;
        Ok(read_losses(&names, &(sums.get(1) / totals)))
    }
}

#[cfg(test)]
mod tests {
    use super::piece;

    #[test]
    fn pieces_are_nearly_equal_and_miss_nothing() {
        for samples in 3..20 {
            let pieces: Vec<_> = (0..3).map(|index| piece(samples, index, 3)).collect();
            assert_eq!((pieces[0].start, pieces[2].end), (0, samples));
            assert!(pieces.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert!(pieces.iter().all(|piece| [samples / 3, samples.div_ceil(3)].contains(&piece.len())));
        }
    }
}
