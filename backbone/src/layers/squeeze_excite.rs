//! Squeeze-and-excitation (Hu et al., <https://arxiv.org/abs/1709.01507>), the same in both forms.

use tch::{Tensor, nn};

use crate::{
    conv::{Activation, Conv, WeightInit},
    cost::CostRow,
    form::{Fold, Mode, StateDict, key},
    geometry::Geometry,
    profile,
};

/// What makes the excitation a factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    Sigmoid,
    /// `relu6(x + 3) / 6`.
    HardSigmoid,
}

/// How a network has its squeeze-and-excitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// Names of the two layers.
    pub names: [&'static str; 2],
    /// What follows the first.
    pub activation: Activation,
    /// What follows the second.
    pub gate: Gate,
}

/// MobileOne's.
pub(crate) const MOBILEONE: Style =
    Style { names: ["reduce", "expand"], activation: Activation::Relu, gate: Gate::Sigmoid };

/// Channel attention.
#[derive(Debug)]
pub(crate) struct SqueezeExcite {
    reduce: Conv,
    expand: Conv,
    style: Style,
    prefix: String,
}

impl SqueezeExcite {
    pub fn new(path: &nn::Path, channels: i64, squeezed: i64, style: Style) -> Self {
        let conv = |name, geometry| Conv::new(&(path / name), geometry, WeightInit::HeFanOut);
        let [reduce, expand] = style.names;
        Self {
            reduce: conv(reduce, Geometry::pointwise(channels, squeezed)),
            expand: conv(expand, Geometry::pointwise(squeezed, channels)),
            style,
            prefix: key(path, ""),
        }
    }

    /// `[N, C, H, W]` to the same shape.
    pub fn forward(&self, xs: &Tensor, mode: Mode) -> Tensor {
        profile::layer(&self.prefix, || {
            let squeezed = self.reduce.forward(&xs.adaptive_avg_pool2d([1, 1]));
            let excited = self.expand.forward(&self.style.activation.apply(squeezed, mode));
            xs * match self.style.gate {
                Gate::Sigmoid => excited.sigmoid(),
                Gate::HardSigmoid => excited.hardsigmoid(),
            }
        })
    }

    /// Its cost behind maps of `size`, whose product with the factors is its output.
    pub fn cost(&self, size: [i64; 2]) -> CostRow {
        let layers = [&self.reduce, &self.expand].map(|conv| CostRow::conv("", conv.geometry(), [1, 1], 1));
        let product = CostRow::conv(self.prefix.trim_end_matches('.'), self.expand.geometry(), size, 1);
        CostRow { complexity: layers.into_iter().map(|row| row.complexity).sum(), ..product }
    }
}

impl Fold for SqueezeExcite {
    fn fold(&self, into: &mut StateDict) {
        self.reduce.fold(into);
        self.expand.fold(into);
    }
}
