//! MobileFormer in six of its sizes (Chen et al., <https://arxiv.org/abs/2108.05895>), after the paper's description and its tables. There
//! is no reference that its outputs could be compared with.
//!
//! The description leaves open, and is filled here so that parameters and multiply-adds of all sizes are within 2 % of the paper's: the
//! width of the second depthwise layer of strided blocks (four times the block's outputs), the hidden width of the network that steers
//! dynamic ReLU (an eighth of the block's outputs, rounded up to a multiple of eight), the heads of the bridge (2, each with a projection
//! of its own) and of the Former (4), biases, the Former's activation (GELU), that of stem and last layer (hard swish), and that nothing
//! is added to the first, light block.

mod block;
mod sizes;

use tch::{Tensor, nn};

use super::{Purpose, Setup};
use crate::{
    conv::{Activation, ConvBn},
    cost::Cost,
    error::Error,
    features::{Backbone, Features, check_images},
    form::{Fold, Mode, StateDict},
    geometry::{Geometry, Strides},
    layers::{Layer, attention::Linear, bridge::Tokens, inverted_residual::conv_bn},
};
use block::{Block, KEYS, spread};
pub(super) use sizes::{M52, M96, M151, M214, M294, M508, Size};

/// The layers that only a classifier reads, by the start of their keys.
pub(super) const TAIL: &[&str] = &["last", "head"];

/// The network.
#[derive(Debug)]
pub(super) struct MobileFormer {
    /// The convolution at the input and the two layers of the light block.
    stem: [ConvBn; 3],
    tokens: Tokens,
    /// Those that end at stride 4, 8, 16 and 32.
    stages: [Vec<Block>; 4],
    tail: Option<Tail>,
    in_channels: i64,
    /// Of the features.
    channels: [i64; 4],
    setup: Setup,
}

pub(super) fn build(path: &nn::Path, in_channels: i64, size: &Size, setup: Setup) -> MobileFormer {
    let mut strides = Strides::within(setup.output_stride);
    let conv = |name, geometry, activation| conv_bn(&(path / name), KEYS, geometry, activation, setup.form);
    let (light, mut inputs, light_stride) = size.light;
    let images = Geometry::pointwise(in_channels, size.stem).with_kernel(3).sampled(strides.next(2));
    let stem = [
        conv("stem", images, Activation::HardSwish),
        conv("light_expand", spread(size.stem, light, strides.next(light_stride)), Activation::Relu),
        conv("light_squeeze", Geometry::pointwise(light, inputs), Activation::None),
    ];
    let [count, dimension] = size.tokens;
    let tokens = Tokens::new(path, count, dimension);
    let mut stages: [Vec<Block>; 4] = Default::default();
    let mut channels = [inputs; 4];
    // The first stage begins at the image's stride 4, which the light block may have reached.
    let mut stage = light_stride as usize - 1;
    for (number, &(hidden, outputs, stride)) in size.blocks.iter().enumerate() {
        stage += stride as usize - 1;
        let path = path / "blocks" / number as i64;
        let sampling = (stride, strides.next(stride));
        stages[stage - 1].push(Block::new(&path, size.tokens, [inputs, hidden, outputs], sampling, setup.form));
        channels[stage - 1] = outputs;
        inputs = outputs;
    }
    let tail = (setup.purpose == Purpose::Classification).then(|| Tail {
        last: conv("last", Geometry::pointwise(inputs, size.last()), Activation::HardSwish),
        head: Linear::new(&(path / "head"), size.last() + dimension, size.head),
    });
    if tail.is_some() {
        channels[3] = size.head;
    }
    MobileFormer { stem, tokens, stages, tail, in_channels, channels, setup }
}

impl MobileFormer {
    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.stages.iter().flatten()
    }
}

impl Backbone for MobileFormer {
    fn in_channels(&self) -> i64 {
        self.in_channels
    }

    fn channels(&self) -> [i64; 4] {
        self.channels
    }

    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Features, Error> {
        let Setup { output_stride, form, .. } = self.setup;
        check_images(xs, self.in_channels, output_stride, (form, mode))?;
        let stem = self.stem.iter().try_fold(xs.shallow_clone(), |xs, layer| layer.forward(&xs, mode))?;
        let run = |from: (Tensor, Tensor), blocks: &[Block]| {
            blocks.iter().try_fold(from, |(maps, tokens), block| block.forward(&maps, &tokens, mode))
        };
        let [first, second, third, fourth] = &self.stages;
        let (c2, tokens) = run((stem, self.tokens.forward()), first)?;
        let (c3, tokens) = run((c2.shallow_clone(), tokens), second)?;
        let (c4, tokens) = run((c3.shallow_clone(), tokens), third)?;
        let (c5, tokens) = run((c4.shallow_clone(), tokens), fourth)?;
        let c5 = match &self.tail {
            Some(tail) => tail.forward(&c5, &tokens, mode)?,
            None => c5,
        };
        Ok(Features { c2, c3, c4, c5 })
    }

    fn cost(&self, size: [i64; 2]) -> Cost {
        let mut rows = Vec::new();
        let size = self.stem.iter().fold(size, |size, layer| Layer::cost(layer, size, &mut rows));
        rows.push(self.tokens.cost());
        let size = self.blocks().fold(size, |size, block| block.cost(size, &mut rows));
        if let Some(tail) = &self.tail {
            Layer::cost(&tail.last, size, &mut rows);
            rows.push(tail.head.cost([1, 1]));
        }
        Cost { rows }
    }
}

impl Fold for MobileFormer {
    fn fold(&self, into: &mut StateDict) {
        self.stem.iter().for_each(|layer| layer.fold(into));
        self.tokens.fold(into);
        self.blocks().for_each(|block| block.fold(into));
        if let Some(tail) = &self.tail {
            tail.last.fold(into);
            tail.head.fold(into);
        }
    }
}

/// What the classifier reads: the pooled maps beside the first token, through a layer with hard swish.
#[derive(Debug)]
struct Tail {
    last: ConvBn,
    head: Linear,
}

impl Tail {
    /// To `[N, features, 1, 1]`.
    fn forward(&self, maps: &Tensor, tokens: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        let pooled = self.last.forward(maps, mode)?.adaptive_avg_pool2d([1, 1]).flatten(1, -1);
        let both = Tensor::cat(&[pooled, tokens.select(1, 0)], 1);
        Ok(self.head.forward(&both).hardswish().unsqueeze(-1).unsqueeze(-1))
    }
}
