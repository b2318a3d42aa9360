//! What heads and stages need of a network: the seam between them and MobileOne or another backbone.

use std::fmt::Debug;

use tch::Tensor;

use crate::{
    cost::Cost,
    error::Error,
    form::{Fold, Form, Mode},
    reparam::Contribution,
    spec::OutputStride,
};

/// The outputs of the four stages, `[N, C, H, W]`, at strides 4, 8, 16 and 32, none above the output stride.
#[derive(Debug)]
pub struct Features {
    /// Stride 4.
    pub c2: Tensor,
    /// Stride 8.
    pub c3: Tensor,
    /// Stride 16 (8 at output stride 8).
    pub c4: Tensor,
    /// Stride 32 (16 or 8 at those output strides). Of a network that is built [for
    /// classification](crate::published::Purpose::Classification): the maps that its published classifier pools.
    pub c5: Tensor,
}

/// A network from images to [`Features`].
pub trait Backbone: Fold + Debug + Send {
    /// Channels of the images.
    fn in_channels(&self) -> i64;

    /// Channels of [`Features`], first to last.
    fn channels(&self) -> [i64; 4];

    /// `xs`: `[N, C, H, W]` with the channels of the images, normalised. Each stride halves the sides, rounding up.
    ///
    /// # Errors
    /// [`Error::Shape`] for another shape, [`Error::SingleValueStatistics`] where batch statistics would be those of one value,
    /// [`Error::Exchange`] where another process is lost.
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Features, Error>;

    /// The cost for an image of `size` (height, width) in the network's form, layer by layer under full keys.
    fn cost(&self, size: [i64; 2]) -> Cost;

    /// The branches of every block with running statistics, first block to last; empty where there are none.
    fn contributions(&self) -> Vec<Contribution> {
        Vec::new()
    }

    /// Measures the statistics of the normalisations on batches where the network was made from a deploy form:
    /// [`init::calibrate`](crate::init::calibrate). Networks that cannot be made so have nothing to calibrate.
    ///
    /// # Errors
    /// [`Error::Shape`] for a batch of another shape; then nothing is changed.
    fn calibrate(&self, _: &mut dyn Iterator<Item = Tensor>) -> Result<(), Error> {
        Ok(())
    }
}

/// Refuses images that a network does not take, and batches whose last features have no statistics.
pub(crate) fn check_images(
    xs: &Tensor,
    in_channels: i64,
    output_stride: OutputStride,
    (form, mode): (Form, Mode),
) -> Result<(), Error> {
    let size = xs.size();
    let (images, height, width) = match size[..] {
        [images, channels, height, width] if channels == in_channels && images > 0 && height > 0 && width > 0 => {
            (images, height, width)
        }
        _ => {
            let expected = format!("[N, {in_channels}, H, W]");
            return Err(Error::Shape { what: "images", found: size, expected });
        }
    };
    let stride = i64::from(output_stride);
    let cells = mode.images(images) * ((height + stride - 1) / stride) * ((width + stride - 1) / stride);
    if (form, mode.is_train(), cells) == (Form::Train, true, 1) {
        return Err(Error::SingleValueStatistics { height, width });
    }
    Ok(())
}
