//! EfficientNet-B0 (Tan and Le, <https://arxiv.org/abs/1905.11946>, table 1) with timm's names (`efficientnet_b0`).

use tch::nn;

use super::Setup;
use crate::{
    conv::Activation,
    layers::{
        inverted_residual::BlockRow,
        squeeze_excite::{Gate, Style},
        stack::{Builder, Stack},
    },
};

/// Expansion, kernel, stride of the first block, output channels, blocks.
const STAGES: [(i64, i64, i64, i64, usize); 7] = [
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
];
const STEM: i64 = 32;
const HEAD: i64 = 1280;
/// The stages whose outputs are the features.
const ENDS: [usize; 4] = [1, 2, 4, 6];
/// Squeeze-and-excitation divides the channels of a block's input by this.
const SQUEEZE: i64 = 4;
const STYLE: Style = Style { names: ["conv_reduce", "conv_expand"], activation: Activation::Silu, gate: Gate::Sigmoid };

pub(super) fn build(path: &nn::Path, in_channels: i64, setup: Setup) -> Stack {
    let mut network = Builder::new(in_channels, setup);
    network.push_stem(path, STEM, Activation::Silu);
    for (stage, (expansion, kernel, stride, outputs, blocks)) in STAGES.into_iter().enumerate() {
        let before = network.channels;
        network.push_blocks(
            path,
            stage,
            (0..blocks).map(|block| {
                let (inputs, stride) = if block == 0 { (before, stride) } else { (outputs, 1) };
                BlockRow {
                    kernel,
                    stride,
                    hidden: expansion * inputs,
                    outputs,
                    activation: Activation::Silu,
                    last: Activation::None,
                    squeeze: Some((inputs / SQUEEZE, STYLE)),
                }
            }),
        );
        if ENDS.contains(&stage) {
            network.end_stage();
        }
    }
    network.push_head(path, HEAD, Activation::Silu);
    network.finish()
}
