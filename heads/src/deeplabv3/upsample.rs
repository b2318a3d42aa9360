//! From the grid of the features to that of the image.

use tch::Tensor;

use crate::{Error, tensors::full_precision};

/// Resizes `[N, K, h, w]` to `[N, K, H, W]` bilinearly as torchvision does: the corners of both grids coincide and not the
/// centres of their corner cells (`align_corners=False`). Half precision becomes fp32 before.
///
/// # Errors
/// [`Error::NotPositive`] where `size` (`[H, W]`) has a side below 1, [`Error::Torch`] where `maps` has another rank.
pub fn upsample(maps: &Tensor, size: [i64; 2]) -> Result<Tensor, Error> {
    for (what, value) in ["height of the class map", "width of the class map"].into_iter().zip(size) {
        if value < 1 {
            return Err(Error::NotPositive { what, value });
        }
    }
    Ok(full_precision(maps)?.f_upsample_bilinear2d(size, false, None, None)?)
}
