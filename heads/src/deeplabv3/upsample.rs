//! From the grid of the features to that of the image.

use tch::Tensor;

use crate::{Error, setting::at_least_one_each, tensors::full_precision};

/// Resizes `[N, K, h, w]` to `[N, K, H, W]` bilinearly as torchvision does (`align_corners=False`): the corners of both grids
/// coincide, not the centres of their corner cells. Half precision is converted to fp32 first.
///
/// # Errors
/// [`Error::NotPositive`] where `size` (`[H, W]`) has a side below 1, [`Error::Torch`] where `maps` has another rank.
pub fn upsample(maps: &Tensor, size: [i64; 2]) -> Result<Tensor, Error> {
    at_least_one_each([("height of the class map", size[0]), ("width of the class map", size[1])])?;
    Ok(full_precision(maps)?.f_upsample_bilinear2d(size, false, None, None)?)
}
