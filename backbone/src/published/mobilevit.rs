//! MobileViT-S (Mehta and Rastegari, <https://arxiv.org/abs/2110.02178>, table 4) with timm's names (`mobilevit_s`).

use tch::{Tensor, nn};

use super::Setup;
use crate::{
    conv::{Activation, ConvBn},
    cost::CostRow,
    error::Error,
    form::{Fold, Form, Mode, StateDict},
    geometry::{Geometry, Sampling},
    layers::{
        Layer, PlainConv,
        attention::{LayerNorm, Linear, SelfAttention},
        inverted_residual::{InvertedResidual, conv_bn},
        stack::{Builder, Stack},
    },
};

const STEM: i64 = 16;
/// Output channels, inverted residuals, stride of the first, and dimension and number of the transformer layers behind them.
const STAGES: [(i64, i64, i64, i64, i64); 5] =
    [(32, 1, 1, 0, 0), (64, 3, 2, 0, 0), (96, 1, 2, 144, 2), (128, 1, 2, 192, 4), (160, 1, 2, 240, 3)];
const LAST: i64 = 640;
const EXPANSION: i64 = 4;
/// Side of a patch in pixels of the features.
const PATCH: i64 = 2;
const HEADS: i64 = 4;
/// The hidden layer of the transformer has this many times its dimension.
const MLP: i64 = 2;
/// Names of the parts of a convolution.
const KEYS: [&str; 2] = ["conv", "bn"];

pub(super) fn build(path: &nn::Path, in_channels: i64, setup: Setup) -> Stack {
    let mut network = Builder::new(in_channels, setup);
    let sampling = network.strides.next(2);
    let stem = Geometry::pointwise(in_channels, STEM).with_kernel(3).sampled(sampling);
    network.push(conv_bn(&(path / "stem"), KEYS, stem, Activation::Silu, setup.form), STEM);
    for (stage, (outputs, blocks, stride, dimension, depth)) in STAGES.into_iter().enumerate() {
        let path = path / "stages" / stage as i64;
        for block in 0..blocks {
            let stride = if block == 0 { stride } else { 1 };
            let (inputs, sampling) = (network.channels, network.strides.next(stride));
            let layers = inverted_residual(&(&path / block), [inputs, outputs], (stride, sampling), setup.form);
            network.push(layers, outputs);
        }
        if depth > 0 {
            network.push(MobileVitBlock::new(&(path / blocks), outputs, dimension, depth, setup.form), outputs);
        }
        if stage > 0 {
            network.end_stage();
        }
    }
    network.push_tail(|tail| {
        let geometry = Geometry::pointwise(tail.channels, LAST);
        tail.push(conv_bn(&(path / "final_conv"), KEYS, geometry, Activation::Silu, tail.setup.form), LAST);
    });
    network.finish()
}

/// An inverted residual with the names `conv1_1x1`, `conv2_kxk` and `conv3_1x1`.
fn inverted_residual(
    path: &nn::Path,
    [inputs, outputs]: [i64; 2],
    (stride, sampling): (i64, Sampling),
    form: Form,
) -> InvertedResidual {
    let hidden = EXPANSION * inputs;
    let conv = |name, geometry, activation| conv_bn(&(path / name), KEYS, geometry, activation, form);
    InvertedResidual {
        expand: Some(conv("conv1_1x1", Geometry::pointwise(inputs, hidden), Activation::Silu)),
        depthwise: conv("conv2_kxk", Geometry::depthwise(hidden, 1, 1).sampled(sampling), Activation::Silu),
        squeeze_excite: None,
        project: conv("conv3_1x1", Geometry::pointwise(hidden, outputs), Activation::None),
        residual: stride == 1 && inputs == outputs,
    }
}

/// The paper's figure 1b: convolutions, a transformer over the pixels of equal position in all patches, and their fusion.
#[derive(Debug)]
struct MobileVitBlock {
    local: ConvBn,
    /// `conv_1x1`: without bias and normalisation.
    embed: PlainConv,
    transformer: Vec<TransformerLayer>,
    norm: LayerNorm,
    project: ConvBn,
    fuse: ConvBn,
}

impl MobileVitBlock {
    fn new(path: &nn::Path, channels: i64, dimension: i64, depth: i64, form: Form) -> Self {
        let conv = |name, geometry| conv_bn(&(path / name), KEYS, geometry, Activation::Silu, form);
        let square = |inputs| Geometry::pointwise(inputs, channels).with_kernel(3);
        let layer = |number| TransformerLayer::new(&(path / "transformer" / number), dimension);
        Self {
            local: conv("conv_kxk", square(channels)),
            embed: PlainConv::new(&(path / "conv_1x1"), Geometry::pointwise(channels, dimension)),
            transformer: (0..depth).map(layer).collect(),
            norm: LayerNorm::new(&(path / "norm"), dimension),
            project: conv("conv_proj", Geometry::pointwise(dimension, channels)),
            fuse: conv("conv_fusion", square(2 * channels)),
        }
    }
}

/// Patches that cover a side.
fn patches(side: i64) -> i64 {
    (side + PATCH - 1) / PATCH
}

impl Layer for MobileVitBlock {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        let maps = self.embed.forward(&self.local.forward(xs, mode)?, mode)?;
        let &[_, channels, height, width] = &maps.size()[..] else { unreachable!("maps have four axes") };
        let [rows, columns] = [height, width].map(patches);
        let whole = [rows * PATCH, columns * PATCH];
        let resized = |maps: Tensor, to: [i64; 2]| match whole == [height, width] {
            true => maps,
            false => maps.upsample_bilinear2d(to, false, None, None),
        };
        // No number depends on the batch, so that a trace takes any.
        let tokens = resized(maps, whole).reshape([-1, PATCH, columns, PATCH]).transpose(1, 2);
        let tokens = tokens.reshape([-1, channels, rows * columns, PATCH * PATCH]).transpose(1, 3);
        let tokens = tokens.reshape([-1, rows * columns, channels]);
        let tokens = self.transformer.iter().fold(tokens, |tokens, layer| layer.forward(tokens, mode));
        let tokens = self.norm.forward(&tokens).view([-1, PATCH * PATCH, rows * columns, channels]).transpose(1, 3);
        let maps = tokens.reshape([-1, columns, PATCH, PATCH]).transpose(1, 2);
        let maps = resized(maps.reshape([-1, channels, whole[0], whole[1]]), [height, width]);
        self.fuse.forward(&Tensor::cat(&[xs, &self.project.forward(&maps, mode)?], 1), mode)
    }

    fn cost(&self, size: [i64; 2], rows: &mut Vec<CostRow>) -> [i64; 2] {
        self.local.cost(size, rows);
        self.embed.cost(size, rows);
        let positions = [PATCH * PATCH, size.map(patches).iter().product()];
        self.transformer.iter().for_each(|layer| layer.cost(positions, rows));
        rows.push(self.norm.cost(positions));
        self.project.cost(size, rows);
        self.fuse.cost(size, rows)
    }
}

impl Fold for MobileVitBlock {
    fn fold(&self, into: &mut StateDict) {
        [&self.local, &self.project, &self.fuse].into_iter().for_each(|conv| conv.fold(into));
        self.embed.fold(into);
        self.transformer.iter().for_each(|layer| layer.fold(into));
        self.norm.fold(into);
    }
}

/// A transformer layer with its normalisations before attention and the hidden layer.
#[derive(Debug)]
struct TransformerLayer {
    norm1: LayerNorm,
    attention: SelfAttention,
    norm2: LayerNorm,
    mlp: [Linear; 2],
}

impl TransformerLayer {
    fn new(path: &nn::Path, dimension: i64) -> Self {
        let mlp = path / "mlp";
        Self {
            norm1: LayerNorm::new(&(path / "norm1"), dimension),
            attention: SelfAttention::new(&(path / "attn"), dimension, HEADS),
            norm2: LayerNorm::new(&(path / "norm2"), dimension),
            mlp: [
                Linear::new(&(&mlp / "fc1"), dimension, MLP * dimension),
                Linear::new(&(mlp / "fc2"), MLP * dimension, dimension),
            ],
        }
    }

    /// `[N, T, C]` to the same shape.
    fn forward(&self, xs: Tensor, mode: Mode) -> Tensor {
        let xs = &xs + self.attention.forward(&self.norm1.forward(&xs));
        let [first, second] = &self.mlp;
        let hidden = Activation::Silu.apply(first.forward(&self.norm2.forward(&xs)), mode);
        &xs + second.forward(&hidden)
    }

    fn cost(&self, positions: [i64; 2], rows: &mut Vec<CostRow>) {
        rows.push(self.norm1.cost(positions));
        self.attention.cost(positions, rows);
        rows.push(self.norm2.cost(positions));
        rows.extend(self.mlp.iter().map(|layer| layer.cost(positions)));
    }
}

impl Fold for TransformerLayer {
    fn fold(&self, into: &mut StateDict) {
        [&self.norm1, &self.norm2].into_iter().for_each(|norm| norm.fold(into));
        self.attention.fold(into);
        self.mlp.iter().for_each(|layer| layer.fold(into));
    }
}
