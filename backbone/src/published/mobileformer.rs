//! MobileFormer-294M (Chen et al., <https://arxiv.org/abs/2108.05895>, table 1 and figure 3), after the paper's description. There is no
//! reference that its outputs could be compared with.
//!
//! The description leaves open, and is filled here so that parameters and multiply-adds are within 2 % of the paper's: the hidden width of the
//! network that steers dynamic ReLU (an eighth of a token), the heads of the bridge (2, each with a projection of its own) and of
//! the Former (4), biases, the Former's activation (GELU), that of stem and last layer (hard swish), and that nothing is added to the
//! first, light block.

use tch::{Tensor, nn};

use super::{Purpose, Setup};
use crate::{
    conv::{Activation, ConvBn},
    cost::{Cost, CostRow},
    error::Error,
    features::{Backbone, Features, check_images},
    form::{Fold, Form, Mode, StateDict},
    geometry::{Geometry, Sampling, Strides},
    layers::{
        Layer,
        attention::Linear,
        bridge::{Former, ToMobile, Tokens},
        dynamic_relu::DynamicRelu,
        inverted_residual::conv_bn,
    },
};

/// Tokens and their dimension.
const TOKENS: i64 = 6;
const DIMENSION: i64 = 192;
const STEM: i64 = 16;
/// Channels between the layers of the light block.
const LIGHT: i64 = 32;
/// Expansion, output channels and stride of each block.
const BLOCKS: [(i64, i64, i64); 11] = [
    (96, 24, 2),
    (96, 24, 1),
    (144, 48, 2),
    (192, 48, 1),
    (288, 96, 2),
    (384, 96, 1),
    (576, 128, 1),
    (768, 128, 1),
    (768, 192, 2),
    (1152, 192, 1),
    (1152, 192, 1),
];
const LAST: i64 = 1152;
const HEAD: i64 = 1920;
/// A token has so many times the hidden numbers of dynamic ReLU.
const REDUCTION: i64 = 8;
/// Names of the parts of a convolution.
const KEYS: [&str; 2] = ["conv", "bn"];

/// The network.
#[derive(Debug)]
pub(super) struct MobileFormer {
    /// The convolution at the input and the two layers of the light block.
    stem: [ConvBn; 3],
    tokens: Tokens,
    blocks: Vec<Block>,
    tail: Option<Tail>,
    in_channels: i64,
    setup: Setup,
}

pub(super) fn build(path: &nn::Path, in_channels: i64, setup: Setup) -> MobileFormer {
    let mut strides = Strides::within(setup.output_stride);
    let conv = |name, geometry, activation| conv_bn(&(path / name), KEYS, geometry, activation, setup.form);
    let stem = [
        conv(
            "stem",
            Geometry::pointwise(in_channels, STEM).with_kernel(3).sampled(strides.next(2)),
            Activation::HardSwish,
        ),
        conv("light_expand", spread(STEM, LIGHT, strides.next(1)), Activation::Relu),
        conv("light_squeeze", Geometry::pointwise(LIGHT, STEM), Activation::None),
    ];
    let tokens = Tokens::new(path, TOKENS, DIMENSION);
    let mut inputs = STEM;
    let block = |(number, &(hidden, outputs, stride)): (usize, &(i64, i64, i64))| {
        let path = path / "blocks" / number as i64;
        let block = Block::new(&path, [inputs, hidden, outputs], (stride, strides.next(stride)), setup.form);
        inputs = outputs;
        block
    };
    let blocks = BLOCKS.iter().enumerate().map(block).collect();
    let tail = (setup.purpose == Purpose::Classification).then(|| Tail {
        last: conv("last", Geometry::pointwise(inputs, LAST), Activation::HardSwish),
        head: Linear::new(&(path / "head"), LAST + DIMENSION, HEAD),
    });
    MobileFormer { stem, tokens, blocks, tail, in_channels, setup }
}

/// A depthwise 3x3 layer that gives each channel several outputs.
fn spread(inputs: i64, outputs: i64, sampling: Sampling) -> Geometry {
    Geometry::depthwise(inputs, 1, 1).sampled(sampling).with_outputs(outputs)
}

impl Backbone for MobileFormer {
    fn in_channels(&self) -> i64 {
        self.in_channels
    }

    fn channels(&self) -> [i64; 4] {
        [24, 48, 128, if self.tail.is_some() { HEAD } else { 192 }]
    }

    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Features, Error> {
        let Setup { output_stride, form, .. } = self.setup;
        check_images(xs, self.in_channels, output_stride, (form, mode))?;
        let stem = self.stem.iter().try_fold(xs.shallow_clone(), |xs, layer| layer.forward(&xs, mode))?;
        let run = |from: (Tensor, Tensor), blocks: &[Block]| {
            blocks.iter().try_fold(from, |(maps, tokens), block| block.forward(&maps, &tokens, mode))
        };
        let (c2, tokens) = run((stem, self.tokens.forward()), &self.blocks[..2])?;
        let (c3, tokens) = run((c2.shallow_clone(), tokens), &self.blocks[2..4])?;
        let (c4, tokens) = run((c3.shallow_clone(), tokens), &self.blocks[4..8])?;
        let (c5, tokens) = run((c4.shallow_clone(), tokens), &self.blocks[8..])?;
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
        let size = self.blocks.iter().fold(size, |size, block| block.cost(size, &mut rows));
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
        self.blocks.iter().for_each(|block| block.fold(into));
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
    /// To `[N, 1920, 1, 1]`.
    fn forward(&self, maps: &Tensor, tokens: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        let pooled = self.last.forward(maps, mode)?.adaptive_avg_pool2d([1, 1]).flatten(1, -1);
        let both = Tensor::cat(&[pooled, tokens.select(1, 0)], 1);
        Ok(self.head.forward(&both).hardswish().unsqueeze(-1).unsqueeze(-1))
    }
}

/// A MobileFormer block: maps and tokens in, maps and tokens out. Where it has stride 2, a strided depthwise layer that expands and a
/// pointwise one stand in place of the expansion, and the second depthwise layer expands (section 3.2).
#[derive(Debug)]
struct Block {
    former: Former,
    /// Before the depthwise layer.
    first: Vec<ConvBn>,
    depthwise: ConvBn,
    project: ConvBn,
    activations: [DynamicRelu; 2],
    to_mobile: ToMobile,
    residual: bool,
}

impl Block {
    fn new(
        path: &nn::Path,
        [inputs, hidden, outputs]: [i64; 3],
        (stride, sampling): (i64, Sampling),
        form: Form,
    ) -> Self {
        let conv = |name, geometry| conv_bn(&(path / name), KEYS, geometry, Activation::None, form);
        let plain = Sampling { stride: 1, dilation: sampling.dilation };
        let (first, depthwise) = match stride {
            1 => (vec![conv("expand", Geometry::pointwise(inputs, hidden))], spread(hidden, hidden, plain)),
            _ => {
                let strided = conv("strided", spread(inputs, hidden, sampling));
                (vec![strided, conv("squeeze", Geometry::pointwise(hidden, outputs))], spread(outputs, hidden, plain))
            }
        };
        let activation = |name| DynamicRelu::new(&(path / name), DIMENSION, DIMENSION / REDUCTION, hidden);
        Self {
            former: Former::new(&(path / "former"), inputs, DIMENSION),
            first,
            depthwise: conv("depthwise", depthwise),
            project: conv("project", Geometry::pointwise(hidden, outputs)),
            activations: ["act1", "act2"].map(activation),
            to_mobile: ToMobile::new(&(path / "to_mobile"), outputs, DIMENSION),
            residual: stride == 1 && inputs == outputs,
        }
    }

    fn forward(&self, xs: &Tensor, tokens: &Tensor, mode: Mode) -> Result<(Tensor, Tensor), Error> {
        let tokens = self.former.forward(xs, tokens);
        let steering = tokens.select(1, 0);
        let [first, second] = &self.activations;
        let mut maps = first.forward(&self.first[0].forward(xs, mode)?, &steering);
        for layer in &self.first[1..] {
            maps = layer.forward(&maps, mode)?;
        }
        let maps = second.forward(&self.depthwise.forward(&maps, mode)?, &steering);
        let maps = self.project.forward(&maps, mode)?;
        let maps = if self.residual { maps + xs } else { maps };
        Ok((self.to_mobile.forward(&maps, &tokens), tokens))
    }

    fn cost(&self, size: [i64; 2], rows: &mut Vec<CostRow>) -> [i64; 2] {
        self.former.cost(size, TOKENS, rows);
        let [first, second] = &self.activations;
        let size = Layer::cost(&self.first[0], size, rows);
        rows.push(first.cost(size));
        let size = self.first[1..].iter().fold(size, |size, layer| Layer::cost(layer, size, rows));
        let size = Layer::cost(&self.depthwise, size, rows);
        rows.push(second.cost(size));
        let size = Layer::cost(&self.project, size, rows);
        self.to_mobile.cost(size, TOKENS, rows);
        size
    }
}

impl Fold for Block {
    fn fold(&self, into: &mut StateDict) {
        self.first.iter().chain([&self.depthwise, &self.project]).for_each(|layer| layer.fold(into));
        self.former.fold(into);
        self.activations.iter().for_each(|activation| activation.fold(into));
        self.to_mobile.fold(into);
    }
}
