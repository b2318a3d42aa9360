//! Whether sums overflow in the kernels of an engine.

use std::slice;

use tch::{Device, Kind, Tensor};

use super::Convolution;
use crate::{Error, jit::Module};

/// Above 100 groups and a multiple of 8, because X86 uses other kernels above 100 groups, and FBGEMM for multiples of 8.
const CHANNELS: i64 = 128;

/// Which layers lose precision: their kernels add products of neighbouring activations and weights in 16 bits, where large
/// sums are cut to 32767. With weights from -64 to 64 no sum is larger (255 * 64 * 2 = 32640).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saturation {
    /// Convolutions over several channels, and linear layers.
    pub dense: bool,
    /// Depthwise convolutions: one input and one output channel in each group. True if those of some channel counts do.
    pub depthwise: bool,
}

/// Runs two small layers with the largest activations and weights under the current engine and examines the results, which
/// takes some milliseconds. They are those of this processor, and of the variables that limit its use
/// (`FBGEMM_ENABLE_INSTRUCTIONS`, `ONEDNN_MAX_CPU_ISA`): a file may saturate on another machine.
///
/// # Errors
/// A libtorch without an engine, or its own message.
pub fn saturates() -> Result<Saturation, Error> {
    Ok(Saturation { dense: layer_saturates(1)?, depthwise: layer_saturates(CHANNELS)? })
}

fn layer_saturates(groups: i64) -> Result<bool, Error> {
    let layer = Convolution {
        weight: Tensor::full([CHANNELS, CHANNELS / groups, 3, 3], 127, (Kind::Int8, Device::Cpu)),
        scales: vec![1.0; CHANNELS as usize],
        bias: None,
        strides: [1, 1],
        padding: [1, 1],
        dilations: [1, 1],
        groups,
    };
    // The exact sum of a complete window is 255 in the output.
    let scale = 127 * 9 * CHANNELS / groups;
    let mut module = Module::new("Probe")?;
    module.register_quantized_convolution("layer", &layer)?;
    module.define(&format!(
        "def forward(self, x):\n    \
             x = torch.quantize_per_tensor(x, 1.0, 0, 13)\n    \
             return torch.int_repr(ops.quantized.conv2d(x, self.layer, {scale}.0, 0))\n"
    ))?;
    let image = Tensor::full([1, CHANNELS, 3, 3], 255, (Kind::Float, Device::Cpu));
    let outputs = module.run(slice::from_ref(&image))?;
    let mut complete = outputs.iter().map(|output| output.narrow(2, 1, 1).narrow(3, 1, 1));
    Ok(complete.any(|values| values.min().int64_value(&[]) < 254))
}
