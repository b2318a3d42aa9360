//! MobileNet's blocks: depthwise separable layers (Howard et al., <https://arxiv.org/abs/1704.04861>) and inverted residuals
//! (Sandler et al., <https://arxiv.org/abs/1801.04381>), with squeeze-and-excitation where a network has it; and the networks made
//! of them, which timm names alike: `conv_stem`, `bn1`, `blocks.{stage}.{block}`, and `conv_head`, `bn2` behind the features.

use tch::{Tensor, nn};

use super::{
    Layer,
    squeeze_excite::{SqueezeExcite, Style},
    stack::Builder,
};
use crate::{
    conv::{Activation, ConvBn, ConvBnConfig, ConvBnKeys},
    cost::CostRow,
    error::Error,
    form::{Fold, Form, Mode, StateDict},
    geometry::{Geometry, Sampling},
};

/// A block as its network's paper lists it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockRow {
    /// Side of the depthwise kernel.
    pub kernel: i64,
    /// Its stride as published.
    pub stride: i64,
    /// Channels of the depthwise layer; where they are those of the input, no layer expands them.
    pub hidden: i64,
    /// Output channels.
    pub outputs: i64,
    /// What follows the first layers.
    pub activation: Activation,
    /// What follows the last layer. With something, the input is not added.
    pub last: Activation,
    /// Squeeze-and-excitation of the depthwise layer: its channels between, and its style.
    pub squeeze: Option<(i64, Style)>,
}

/// A convolution with its normalisation under these names.
pub(crate) fn conv_bn(
    path: &nn::Path,
    [conv, norm]: [&'static str; 2],
    geometry: Geometry,
    activation: Activation,
    form: Form,
) -> ConvBn {
    let keys = ConvBnKeys { conv, norm };
    ConvBn::new(path, &ConvBnConfig { activation, keys, ..ConvBnConfig::new(geometry) }, form)
}

/// A block of a depthwise layer between pointwise ones.
#[derive(Debug)]
pub(crate) struct InvertedResidual {
    pub expand: Option<ConvBn>,
    pub depthwise: ConvBn,
    pub squeeze_excite: Option<SqueezeExcite>,
    pub project: ConvBn,
    /// Whether the input is added.
    pub residual: bool,
}

impl InvertedResidual {
    /// With timm's names: `conv_pw`, `bn1`, `conv_dw`, `bn2`, `conv_pwl`, `bn3`; without expansion `conv_dw`, `bn1`, `conv_pw`, `bn2`.
    pub fn new(path: &nn::Path, inputs: i64, row: &BlockRow, sampling: Sampling, form: Form) -> Self {
        let expands = row.hidden != inputs;
        let [first, second, third] = match expands {
            true => [["conv_pw", "bn1"], ["conv_dw", "bn2"], ["conv_pwl", "bn3"]],
            false => [[""; 2], ["conv_dw", "bn1"], ["conv_pw", "bn2"]],
        };
        let conv = |keys, geometry, activation| conv_bn(path, keys, geometry, activation, form);
        let expand = expands.then(|| conv(first, Geometry::pointwise(inputs, row.hidden), row.activation));
        let spatial = Geometry::depthwise(row.hidden, 1, 1).with_kernel(row.kernel).sampled(sampling);
        let squeeze =
            row.squeeze.map(|(squeezed, style)| SqueezeExcite::new(&(path / "se"), row.hidden, squeezed, style));
        Self {
            expand,
            depthwise: conv(second, spatial, row.activation),
            squeeze_excite: squeeze,
            project: conv(third, Geometry::pointwise(row.hidden, row.outputs), row.last),
            residual: row.stride == 1 && inputs == row.outputs && row.last == Activation::None,
        }
    }
}

impl Layer for InvertedResidual {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        let hidden = match &self.expand {
            Some(expand) => self.depthwise.forward(&expand.forward(xs, mode)?, mode)?,
            None => self.depthwise.forward(xs, mode)?,
        };
        let hidden = match &self.squeeze_excite {
            Some(squeeze_excite) => squeeze_excite.forward(&hidden, mode),
            None => hidden,
        };
        let ys = self.project.forward(&hidden, mode)?;
        Ok(if self.residual { ys + xs } else { ys })
    }

    fn cost(&self, size: [i64; 2], rows: &mut Vec<CostRow>) -> [i64; 2] {
        let size = self.expand.as_ref().map_or(size, |expand| expand.cost(size, rows));
        let size = self.depthwise.cost(size, rows);
        rows.extend(self.squeeze_excite.as_ref().map(|squeeze_excite| squeeze_excite.cost(size)));
        self.project.cost(size, rows)
    }
}

impl Fold for InvertedResidual {
    fn fold(&self, into: &mut StateDict) {
        self.expand.iter().chain([&self.depthwise, &self.project]).for_each(|conv| conv.fold(into));
        if let Some(squeeze_excite) = &self.squeeze_excite {
            squeeze_excite.fold(into);
        }
    }
}

impl Builder {
    /// Adds `conv_stem` of stride 2 with `bn1`.
    pub fn push_stem(&mut self, path: &nn::Path, outputs: i64, activation: Activation) {
        let sampling = self.strides.next(2);
        let geometry = Geometry::pointwise(self.channels, outputs).with_kernel(3).sampled(sampling);
        self.push(conv_bn(path, ["conv_stem", "bn1"], geometry, activation, self.setup.form), outputs);
    }

    /// Adds `blocks.{stage}` of these blocks.
    pub fn push_blocks(&mut self, path: &nn::Path, stage: usize, blocks: impl IntoIterator<Item = BlockRow>) {
        for (number, row) in blocks.into_iter().enumerate() {
            let path = path / "blocks" / stage as i64 / number as i64;
            let sampling = self.strides.next(row.stride);
            let block = InvertedResidual::new(&path, self.channels, &row, sampling, self.setup.form);
            self.push(block, row.outputs);
        }
    }

    /// Adds `conv_head` with `bn2` for a classifier.
    pub fn push_head(&mut self, path: &nn::Path, outputs: i64, activation: Activation) {
        self.push_tail(|tail| {
            let geometry = Geometry::pointwise(tail.channels, outputs);
            tail.push(conv_bn(path, ["conv_head", "bn2"], geometry, activation, tail.setup.form), outputs);
        });
    }
}
