//! The loss of SSD (section 2.2 of <https://arxiv.org/abs/1512.02325>), equal to torchvision's `SSD.compute_loss`: cross
//! entropy over the positive anchors and the hardest others, smooth L1 over the offsets of the positive ones, both divided by
//! the number of positive anchors.
//!
//! All sizes are known on the host, so nothing waits for the device. Only the rows in the loss are differentiated: a few
//! hundred of tens of thousands.

use tch::{Kind, Reduction, Tensor};

use crate::{Error, ssdlite::targets::Targets, transfer::to_device};

/// The two losses of a batch, scalars in fp32.
#[derive(Debug)]
pub struct Losses {
    /// Cross entropy, times its weight.
    pub classification: Tensor,
    /// Smooth L1 of the offsets, times its weight.
    pub localization: Tensor,
    /// The positive anchors, whose number divides both losses unless it is 0.
    pub positives: usize,
}

/// Losses of `logits` (`[N, A, K]`, background first) and `deltas` (`[N, A, 4]`), not yet weighted.
pub(super) fn losses(logits: &Tensor, deltas: &Tensor, targets: &Targets) -> Result<Losses, Error> {
    let device = logits.device();
    let positives = to_device(&targets.positives, device)?;
    let divisor = targets.positives.len().max(1) as f64;

    let negatives = tch::no_grad(|| hardest(logits, &positives, &targets.negatives))?;
    let background = vec![0; negatives.size1()? as usize];
    let labels = to_device(&[targets.labels.as_slice(), &background].concat(), device)?;
    let counted = rows(logits, &Tensor::f_cat(&[to_device(&targets.foreground, device)?, negatives], 0)?)?;
    let classification = counted.f_cross_entropy_loss::<Tensor>(&labels, None, Reduction::Sum, -100, 0.0)?;

    let offsets = to_device(targets.deltas.as_flattened(), device)?.f_view([-1, 4])?;
    let localization = rows(deltas, &positives)?.f_smooth_l1_loss(&offsets, Reduction::Sum, 1.0)?;
    Ok(Losses {
        classification: classification.f_div_scalar(divisor)?,
        localization: localization.f_div_scalar(divisor)?,
        positives: targets.positives.len(),
    })
}

/// For each image, the `counts` anchors outside `positives` with the highest background loss; of equal losses the first ones
/// (torchvision does not define their order). All anchors are positions in `[N * A]`.
fn hardest(logits: &Tensor, positives: &Tensor, counts: &[i64]) -> Result<Tensor, Error> {
    let (images, anchors, _) = logits.size3()?;
    let loss = logits.f_log_softmax(-1, Kind::Float)?.f_select(-1, 0)?.f_neg()?.f_reshape(-1)?;
    let loss = loss.f_index_fill(0, positives, f64::NEG_INFINITY)?.f_view([images, anchors])?;
    let (_, order) = loss.f_sort_stable(true, 1, true)?;

    let first = Tensor::f_arange(images, (Kind::Int64, logits.device()))?.f_mul_scalar(anchors)?.f_view([-1, 1])?;
    let ranks = |(image, &count): (i64, &i64)| image * anchors..image * anchors + count;
    let ranks: Vec<i64> = (0..).zip(counts).flat_map(ranks).collect();
    Ok(order.f_add(&first)?.f_view(-1)?.f_index_select(0, &to_device(&ranks, logits.device())?)?)
}

/// The rows of `[N, A, C]` at `index`, in fp32.
fn rows(tensor: &Tensor, index: &Tensor) -> Result<Tensor, Error> {
    Ok(tensor.f_flatten(0, 1)?.f_index_select(0, index)?.f_to_kind(Kind::Float)?)
}
