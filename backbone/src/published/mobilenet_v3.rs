//! MobileNetV3-Large (Howard et al., <https://arxiv.org/abs/1905.02244>, table 1) with timm's names (`mobilenetv3_large_100`).

use tch::{Tensor, nn};

use super::Setup;
use crate::{
    conv::{Activation, Conv, WeightInit},
    cost::CostRow,
    error::Error,
    form::{Fold, Mode, StateDict},
    geometry::Geometry,
    layers::{
        Layer,
        inverted_residual::{BlockRow, conv_bn},
        squeeze_excite::{Gate, Style},
        stack::{Builder, Stack},
    },
};

use Activation::{HardSwish, Relu};

/// A block: kernel, channels between, output channels, channels of squeeze-and-excitation (0: without), activation, stride.
type Row = (i64, i64, i64, i64, Activation, i64);

/// The blocks of each stage, which ends before the next stride or change of the paper's second column.
const STAGES: [&[Row]; 6] = [
    &[(3, 16, 16, 0, Relu, 1)],
    &[(3, 64, 24, 0, Relu, 2), (3, 72, 24, 0, Relu, 1)],
    &[(5, 72, 40, 24, Relu, 2), (5, 120, 40, 32, Relu, 1), (5, 120, 40, 32, Relu, 1)],
    &[
        (3, 240, 80, 0, HardSwish, 2),
        (3, 200, 80, 0, HardSwish, 1),
        (3, 184, 80, 0, HardSwish, 1),
        (3, 184, 80, 0, HardSwish, 1),
    ],
    &[(3, 480, 112, 120, HardSwish, 1), (3, 672, 112, 168, HardSwish, 1)],
    &[(5, 672, 160, 168, HardSwish, 2), (5, 960, 160, 240, HardSwish, 1), (5, 960, 160, 240, HardSwish, 1)],
];
const STEM: i64 = 16;
/// The pointwise layer behind the blocks, `blocks.6`, and the one behind the pooling.
const LAST: i64 = 960;
const HEAD: i64 = 1280;
/// The stages whose outputs are features; the last features are those of the pointwise layer.
const ENDS: [usize; 3] = [1, 2, 4];
const STYLE: Style = Style { names: ["conv_reduce", "conv_expand"], activation: Relu, gate: Gate::HardSigmoid };

pub(super) fn build(path: &nn::Path, in_channels: i64, setup: Setup) -> Stack {
    let mut network = Builder::new(in_channels, setup);
    network.push_stem(path, STEM, HardSwish);
    for (stage, rows) in STAGES.into_iter().enumerate() {
        network.push_blocks(
            path,
            stage,
            rows.iter().map(|&(kernel, hidden, outputs, squeezed, activation, stride)| {
                let squeeze = (squeezed > 0).then_some((squeezed, STYLE));
                BlockRow { kernel, stride, hidden, outputs, activation, last: Activation::None, squeeze }
            }),
        );
        if ENDS.contains(&stage) {
            network.end_stage();
        }
    }
    let last = path / "blocks" / STAGES.len() as i64 / 0;
    let geometry = Geometry::pointwise(network.channels, LAST);
    network.push(conv_bn(&last, ["conv", "bn1"], geometry, HardSwish, setup.form), LAST);
    network.end_stage();
    network.push_tail(|tail| tail.push(PooledConv::new(path), HEAD));
    network.finish()
}

/// The layer that the paper moves behind the pooling (section 5.1), with a bias and without normalisation: `conv_head`.
#[derive(Debug)]
struct PooledConv(Conv);

impl PooledConv {
    fn new(path: &nn::Path) -> Self {
        Self(Conv::new(&(path / "conv_head"), Geometry::pointwise(LAST, HEAD), WeightInit::HeFanOut))
    }
}

impl Layer for PooledConv {
    /// `[N, 960, H, W]` to `[N, 1280, 1, 1]`.
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        Ok(HardSwish.apply(self.0.forward(&xs.adaptive_avg_pool2d([1, 1])), mode))
    }

    fn cost(&self, _: [i64; 2], rows: &mut Vec<CostRow>) -> [i64; 2] {
        Layer::cost(&self.0, [1, 1], rows)
    }
}

impl Fold for PooledConv {
    fn fold(&self, into: &mut StateDict) {
        self.0.fold(into);
    }
}
