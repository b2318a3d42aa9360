//! Weights of a network for images in color as those of a network for images of another number of channels.

use tch::{Kind, Tensor};

use crate::{design::Design, form::StateDict, spec::RGB};

/// Adapts the stem's kernels, `[outputs, 3, height, width]`, to the images of `design`, as timm's `adapt_input_conv` does: their sum for one
/// channel; for others repeated in order and scaled by 3 over the number of channels, so that the sum of the inputs keeps its size.
/// Both forms of a network are adapted alike. Kernels for another number of channels than 3 are left as they are.
pub fn adapt_channels(tensors: &mut StateDict, design: &Design) {
    let kernels = tensors.iter_mut().filter(|(name, _)| name.starts_with(design.stem()) && name.ends_with("weight"));
    for (_, kernel) in kernels.filter(|(_, kernel)| matches!(kernel.size()[..], [_, RGB, _, _])) {
        *kernel = tch::no_grad(|| adapted(kernel, design.in_channels()));
    }
}

fn adapted(kernel: &Tensor, channels: i64) -> Tensor {
    let kind = kernel.kind();
    let adapted = match channels {
        RGB => return kernel.shallow_clone(),
        1 => kernel.to_kind(Kind::Float).sum_dim_intlist(1i64, true, None),
        channels => {
            let repeats = (channels + RGB - 1) / RGB;
            let repeated = kernel.to_kind(Kind::Float).repeat([1, repeats, 1, 1]).narrow(1, 0, channels);
            repeated * (RGB as f64 / channels as f64)
        }
    };
    adapted.to_kind(kind)
}
