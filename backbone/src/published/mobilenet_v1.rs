//! MobileNetV1 (Howard et al., <https://arxiv.org/abs/1704.04861>, table 1) with timm's names (`mobilenetv1_100`) and, as there,
//! ReLU6.

use tch::nn;

use super::Setup;
use crate::{
    conv::Activation,
    layers::{
        inverted_residual::BlockRow,
        stack::{Builder, Stack},
    },
};

/// Stride of the first block, output channels, blocks.
const STAGES: [(i64, i64, usize); 5] = [(1, 64, 1), (2, 128, 2), (2, 256, 2), (2, 512, 6), (2, 1024, 2)];
const STEM: i64 = 32;

pub(super) fn build(path: &nn::Path, in_channels: i64, setup: Setup) -> Stack {
    let mut network = Builder::new(in_channels, setup);
    network.push_stem(path, STEM, Activation::Relu6);
    for (stage, (stride, outputs, blocks)) in STAGES.into_iter().enumerate() {
        let inputs = network.channels;
        network.push_blocks(
            path,
            stage,
            (0..blocks).map(|block| BlockRow {
                kernel: 3,
                stride: if block == 0 { stride } else { 1 },
                hidden: if block == 0 { inputs } else { outputs },
                outputs,
                activation: Activation::Relu6,
                last: Activation::Relu6,
                squeeze: None,
            }),
        );
        if stage > 0 {
            network.end_stage();
        }
    }
    network.finish()
}
