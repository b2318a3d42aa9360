//! MobileNetV2 (Sandler et al., <https://arxiv.org/abs/1801.04381>, table 2) with timm's names (`mobilenetv2_100`).

use tch::nn;

use super::Setup;
use crate::{
    conv::Activation,
    layers::{
        inverted_residual::BlockRow,
        stack::{Builder, Stack},
    },
};

/// Expansion, output channels, blocks, stride of the first block.
const STAGES: [(i64, i64, usize, i64); 7] =
    [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)];
const STEM: i64 = 32;
const HEAD: i64 = 1280;
/// The stages whose outputs are the features.
const ENDS: [usize; 4] = [1, 2, 4, 6];

pub(super) fn build(path: &nn::Path, in_channels: i64, setup: Setup) -> Stack {
    let mut network = Builder::new(in_channels, setup);
    network.push_stem(path, STEM, Activation::Relu6);
    for (stage, (expansion, outputs, blocks, stride)) in STAGES.into_iter().enumerate() {
        let inputs = network.channels;
        network.push_blocks(
            path,
            stage,
            (0..blocks).map(|block| BlockRow {
                kernel: 3,
                stride: if block == 0 { stride } else { 1 },
                hidden: expansion * if block == 0 { inputs } else { outputs },
                outputs,
                activation: Activation::Relu6,
                last: Activation::None,
                squeeze: None,
            }),
        );
        if ENDS.contains(&stage) {
            network.end_stage();
        }
    }
    network.push_head(path, HEAD, Activation::Relu6);
    network.finish()
}
