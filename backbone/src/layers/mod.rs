//! Layers that several of the [published networks](crate::published) have, each once.
//!
//! | module | holds |
//! |---|---|
//! | [`stack`] | a network as a list of layers with the ends of its stages |
//! | [`inverted_residual`] | MobileNet's blocks, and the networks of them in timm's layout |
//! | [`attention`] | linear layers, layer normalisation, attention of several heads |
//! | [`bridge`] | attention between maps and tokens |
//! | [`dynamic_relu`] | an activation that a small network steers |

pub(crate) mod attention;
pub(crate) mod bridge;
pub(crate) mod dynamic_relu;
pub(crate) mod inverted_residual;
pub(crate) mod squeeze_excite;
pub(crate) mod stack;

use std::fmt::Debug;

use tch::{Tensor, nn};

use crate::{
    conv::{Conv, ConvBn, WeightInit},
    cost::CostRow,
    error::Error,
    form::{Fold, Mode, StateDict, key},
    geometry::Geometry,
    profile,
    reparam::Contribution,
};

/// A part of a network from maps to maps.
pub(crate) trait Layer: Fold + Debug + Send {
    /// `[N, inputs, H, W]` to `[N, outputs, H', W']`.
    ///
    /// # Errors
    /// As [`BatchNorm::forward`](crate::BatchNorm::forward).
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor, Error>;

    /// Adds the cost for an input of `size` (height, width) under full keys, and returns the size of the output.
    fn cost(&self, size: [i64; 2], rows: &mut Vec<CostRow>) -> [i64; 2];

    /// How much its branches contribute to what re-parameterisation makes of them.
    fn contribution(&self) -> Option<Contribution> {
        None
    }
}

impl Layer for ConvBn {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        self.forward(xs, mode)
    }

    fn cost(&self, size: [i64; 2], rows: &mut Vec<CostRow>) -> [i64; 2] {
        rows.push(CostRow::conv(self.name(), self.geometry(), size, self.parameters_per_output()));
        size.map(|side| self.geometry().output_side(side))
    }
}

impl Layer for Conv {
    fn forward(&self, xs: &Tensor, _: Mode) -> Result<Tensor, Error> {
        Ok(self.forward(xs))
    }

    fn cost(&self, size: [i64; 2], rows: &mut Vec<CostRow>) -> [i64; 2] {
        rows.push(CostRow::conv(self.name(), self.geometry(), size, 1));
        size.map(|side| self.geometry().output_side(side))
    }
}

/// A convolution alone: without bias and normalisation.
#[derive(Debug)]
pub(crate) struct PlainConv {
    weight: Tensor,
    geometry: Geometry,
    prefix: String,
}

impl PlainConv {
    /// Registers `weight` under `path`.
    pub fn new(path: &nn::Path, geometry: Geometry) -> Self {
        let weight = path.add("weight", WeightInit::HeFanOut.tensor(path, &geometry), true);
        Self { weight, geometry, prefix: key(path, "") }
    }
}

impl Layer for PlainConv {
    fn forward(&self, xs: &Tensor, _: Mode) -> Result<Tensor, Error> {
        Ok(profile::layer(&self.prefix, || self.geometry.convolve(xs, &self.weight, None)))
    }

    fn cost(&self, size: [i64; 2], rows: &mut Vec<CostRow>) -> [i64; 2] {
        rows.push(CostRow::conv(self.prefix.trim_end_matches('.'), &self.geometry, size, 0));
        size.map(|side| self.geometry.output_side(side))
    }
}

impl Fold for PlainConv {
    fn fold(&self, into: &mut StateDict) {
        into.insert(format!("{}weight", self.prefix), self.weight.detach().copy());
    }
}
