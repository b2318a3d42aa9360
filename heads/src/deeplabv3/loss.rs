//! Cross entropy over the pixels of a batch, and hard example mining.

use tch::{Reduction, Tensor};

use crate::{Error, deeplabv3::config::OhemConfig};

/// The losses of a batch, scalars in fp32 (fp64 for logits in fp64).
#[derive(Debug)]
pub struct Losses {
    /// Of the main head.
    pub main: Tensor,
    /// The sum of the weights of the pixels in `main`, which divides it unless it is 0.
    pub main_weight: Tensor,
    /// Of the auxiliary head, times its weight, if there is one.
    pub auxiliary: Option<Tensor>,
    /// The sum of the weights of all pixels that are not ignored, which divides `auxiliary` unless it is 0.
    pub pixel_weight: Tensor,
}

/// Mean cross entropy with ignored pixels and class weights.
///
/// If all pixels are ignored, the loss is 0 and so is its gradient, where PyTorch gives NaN. It never waits for the device.
#[derive(Debug)]
pub(super) struct PixelLoss {
    pub ignore_index: i64,
    /// `[classes]`
    pub class_weights: Option<Tensor>,
}

impl PixelLoss {
    /// The loss and its weight, over all pixels of `logits` (`[N, K, H, W]`) whose target (`[N, H, W]`) is not ignored, equal to
    /// `torch.nn.CrossEntropyLoss`: the sum of the weighted losses over the sum of the weights.
    pub fn all(&self, logits: &Tensor, targets: &Tensor) -> Result<(Tensor, Tensor), Error> {
        let sum =
            logits.f_cross_entropy_loss(targets, self.weights_in(logits)?, Reduction::Sum, self.ignore_index, 0.0)?;
        let weight = self.weight_of_pixels(logits, targets)?.f_sum(logits.kind())?;
        Ok((quotient(&sum, &weight)?, weight))
    }

    /// The loss and its weight, over the hard pixels only: those whose true class has a probability of at most `threshold`, and always the `min_kept`
    /// hardest of the batch with all that are equal to the last of them.
    ///
    /// Like MMSegmentation's `OhemCrossEntropy` (from HRNet's), with three differences: equal probabilities never push the
    /// count below `min_kept`; the easiest pixel of a batch of at most `min_kept` pixels counts like the others; and class
    /// weights divide as in PyTorch, by their sum and not by the number of pixels. So a threshold of 1 is [`PixelLoss::all`].
    pub fn hard(&self, logits: &Tensor, targets: &Tensor, ohem: OhemConfig) -> Result<(Tensor, Tensor), Error> {
        // Negative logarithms of probabilities, so every comparison is reversed.
        let losses = logits.f_cross_entropy_loss(targets, None::<&Tensor>, Reduction::None, self.ignore_index, 0.0)?;
        let weights = tch::no_grad(|| {
            let hardness = losses.f_detach()?.f_masked_fill(&targets.f_eq(self.ignore_index)?, -1.0)?;
            let count = ohem.min_kept.min(hardness.numel() as i64);
            let (hardest, _) = hardness.f_view(-1)?.f_topk(count, 0, true, false)?;
            let bound = hardest.f_min()?.f_clamp_max(-ohem.threshold.ln())?;
            let kept = hardness.f_ge_tensor(&bound)?;
            Ok::<_, Error>(self.weight_of_pixels(logits, targets)?.f_mul(&kept)?)
        })?;
        let weight = weights.f_sum(logits.kind())?;
        Ok((quotient(&losses.f_mul(&weights)?.f_sum(logits.kind())?, &weight)?, weight))
    }

    /// The weight of each pixel, `[N, H, W]`: that of its class, 0 if it is ignored.
    fn weight_of_pixels(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor, Error> {
        let counted = targets.f_ne(self.ignore_index)?.f_to_kind(logits.kind())?;
        match self.weights_in(logits)? {
            Some(weights) => {
                let classes = targets.f_masked_fill(&targets.f_eq(self.ignore_index)?, 0)?;
                Ok(weights.f_take(&classes)?.f_mul(&counted)?)
            }
            None => Ok(counted),
        }
    }

    fn weights_in(&self, logits: &Tensor) -> Result<Option<Tensor>, Error> {
        let weights = self
            .class_weights
            .as_ref()
            .map(|weights| weights.f_to_device_(logits.device(), logits.kind(), true, false));
        Ok(weights.transpose()?)
    }
}

/// `sum / total`, or `sum` if the total is 0.
fn quotient(sum: &Tensor, total: &Tensor) -> Result<Tensor, Error> {
    Ok(sum.f_div(&total.f_add(&total.f_eq(0.0)?)?)?)
}
