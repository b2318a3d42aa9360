//! A plain network of 30 convolutions with one building block after each: what the paper's tables 2 and 3 vary.
//!
//! The paper does not print the network's widths. Here it is 3x3 convolutions of 64 channels on 28x28 pixels.

use tch::{Device, Kind, Tensor};
use tch_ext::jit::Tracing;

use crate::failure::Failure;
use crate::measure::Run;
use crate::measure::scripted;

const LAYERS: usize = 30;
const CHANNELS: i64 = 64;
const SIDE: i64 = 28;
/// Channels are divided by this inside squeeze-and-excitation, as in MobileOne.
const SQUEEZE: i64 = 16;
/// The same of the nets that steer dynamic activations, as in their papers.
const DYNAMIC_SQUEEZE: i64 = 8;

/// What follows each convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BuildingBlock {
    Relu,
    Gelu,
    SqueezeExciteRelu,
    Silu,
    HardSwish,
    /// Max over two shifted sums of channels with weights from a small network (Li et al., MicroNet, arXiv 2108.05894).
    DynamicShiftMax,
    /// Max over two lines whose slopes and offsets come from a small network, shared by all channels (Chen et al., arXiv 2003.10027).
    DynamicReluA,
    /// The same, with lines for each channel.
    DynamicReluB,
    /// ReLU, and the input added before it.
    SkipRelu,
}

impl BuildingBlock {
    /// Table 2 of the paper, and hard swish.
    pub const ACTIVATIONS: [Self; 8] = [
        Self::Relu,
        Self::Gelu,
        Self::SqueezeExciteRelu,
        Self::Silu,
        Self::HardSwish,
        Self::DynamicShiftMax,
        Self::DynamicReluA,
        Self::DynamicReluB,
    ];
    /// Table 3.
    pub const BLOCKS: [Self; 3] = [Self::Relu, Self::SqueezeExciteRelu, Self::SkipRelu];

    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "ReLU",
            Self::Gelu => "GELU",
            Self::SqueezeExciteRelu => "SE-ReLU",
            Self::Silu => "SiLU",
            Self::HardSwish => "hard swish",
            Self::DynamicShiftMax => "dynamic shift-max",
            Self::DynamicReluA => "dynamic ReLU-A",
            Self::DynamicReluB => "dynamic ReLU-B",
            Self::SkipRelu => "ReLU with skip connection",
        }
    }

    /// Outputs and squeeze of the small network that steers it, where there is one.
    fn steered_by(self) -> Option<(i64, i64)> {
        match self {
            Self::SqueezeExciteRelu => Some((CHANNELS, SQUEEZE)),
            Self::DynamicShiftMax => Some((4 * CHANNELS, DYNAMIC_SQUEEZE)),
            Self::DynamicReluA => Some((4, DYNAMIC_SQUEEZE)),
            Self::DynamicReluB => Some((4 * CHANNELS, DYNAMIC_SQUEEZE)),
            _ => None,
        }
    }
}

struct Layer {
    weight: Tensor,
    bias: Tensor,
    steering: Option<[Tensor; 2]>,
}

/// One run of the network as frozen TorchScript, on the CPU.
pub(super) fn run(block: BuildingBlock) -> Result<Run<'static>, Failure> {
    let options = (Kind::Float, Device::Cpu);
    let scale = (2.0 / (9 * CHANNELS) as f64).sqrt();
    let layer = |_| Layer {
        weight: Tensor::randn([CHANNELS, CHANNELS, 3, 3], options) * scale,
        bias: Tensor::zeros([CHANNELS], options),
        steering: block.steered_by().map(|(outputs, squeeze)| {
            let hidden = CHANNELS / squeeze;
            [
                Tensor::randn([hidden, CHANNELS, 1, 1], options) * 0.1,
                Tensor::randn([outputs, hidden, 1, 1], options) * 0.1,
            ]
        }),
    };
    let layers: Vec<Layer> = (0..LAYERS).map(layer).collect();
    let images = Tensor::randn([1, SIDE, SIDE, CHANNELS], (Kind::Float, Device::Cpu)).permute([0, 3, 1, 2]);
    let module = Tracing::new("Stack").input("xs", &images).record(|inputs| -> Result<_, Failure> {
        let forward = |xs: Tensor, layer: &Layer| {
            let ys = xs.conv2d(&layer.weight, Some(&layer.bias), [1, 1], [1, 1], [1, 1], 1);
            apply(block, &xs, ys, layer)
        };
        Ok(vec![layers.iter().fold(inputs[0].shallow_clone(), forward)])
    })?;
    scripted(module.freeze(&[])?, images, false)
}

fn apply(block: BuildingBlock, xs: &Tensor, ys: Tensor, layer: &Layer) -> Tensor {
    // The output of the small network, `[N, outputs, 1, 1]` in 0..1.
    let steered = |[reduce, expand]: &[Tensor; 2]| {
        let pixel = |xs: &Tensor, weight| xs.conv2d(weight, None::<Tensor>, [1, 1], [0, 0], [1, 1], 1);
        pixel(&pixel(&ys.adaptive_avg_pool2d([1, 1]), reduce).relu(), expand).sigmoid()
    };
    match (block, &layer.steering) {
        (BuildingBlock::Gelu, _) => ys.gelu("none"),
        (BuildingBlock::Silu, _) => ys.silu(),
        (BuildingBlock::HardSwish, _) => ys.hardswish(),
        (BuildingBlock::SkipRelu, _) => (ys + xs).relu(),
        (BuildingBlock::SqueezeExciteRelu, Some(net)) => (&ys * steered(net)).relu(),
        (BuildingBlock::DynamicReluA | BuildingBlock::DynamicReluB, Some(net)) => {
            // Slopes about 1 and 0, offsets about 0, each within its range of the paper's.
            let parts = (steered(net) * 2.0 - 1.0).chunk(4, 1);
            let first = &ys * (&parts[0] + 1.0) + &parts[2] * 0.5;
            let second = &ys * &parts[1] + &parts[3] * 0.5;
            first.maximum(&second)
        }
        (BuildingBlock::DynamicShiftMax, Some(net)) => {
            let parts = (steered(net) * 2.0 - 1.0).chunk(4, 1);
            let shifted = ys.roll([CHANNELS / 2], [1]);
            let first = &ys * (&parts[0] + 1.0) + &shifted * &parts[1];
            let second = &ys * &parts[2] + &shifted * &parts[3];
            first.maximum(&second)
        }
        _ => ys.relu(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_building_block_runs() {
        for block in BuildingBlock::ACTIVATIONS.into_iter().chain(BuildingBlock::BLOCKS) {
            let mut run = run(block).unwrap_or_else(|failure| panic!("{}: {failure}", block.name()));
            run().unwrap();
        }
    }
}
