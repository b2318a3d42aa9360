//! Dynamic ReLU (Chen et al., <https://arxiv.org/abs/2003.10027>, form B): the larger of two lines for each channel, which a small
//! network gives for each image. The same in both forms.

use tch::{Tensor, nn};

use super::attention::Linear;
use crate::{
    cost::{Complexity, CostRow},
    form::{Fold, StateDict, key},
    profile,
};

/// Slopes of both lines before the network is trained, and how far it may move slopes and offsets: the paper's.
const SLOPES: [f64; 2] = [1.0, 0.0];
const SLOPE_RANGE: f64 = 1.0;
const OFFSET_RANGE: f64 = 0.5;

/// An activation whose lines follow from a vector: two layers, `fc1` and `fc2`.
#[derive(Debug)]
pub(crate) struct DynamicRelu {
    layers: [Linear; 2],
    channels: i64,
    prefix: String,
}

impl DynamicRelu {
    /// For maps of `channels` and vectors of `inputs`, through `hidden` numbers.
    pub fn new(path: &nn::Path, inputs: i64, hidden: i64, channels: i64) -> Self {
        let layers = [Linear::new(&(path / "fc1"), inputs, hidden), Linear::new(&(path / "fc2"), hidden, 4 * channels)];
        Self { layers, channels, prefix: key(path, "") }
    }

    /// `[N, C, H, W]`, with a vector `[N, inputs]`, to the same shape.
    pub fn forward(&self, xs: &Tensor, vector: &Tensor) -> Tensor {
        profile::layer(&self.prefix, || {
            let [first, second] = &self.layers;
            let moved = second.forward(&first.forward(vector).relu()).sigmoid() * 2.0 - 1.0;
            let part = |number: i64| moved.narrow(1, number * self.channels, self.channels).unsqueeze(-1).unsqueeze(-1);
            let line = |number: i64| {
                let slope = part(number) * SLOPE_RANGE + SLOPES[number as usize];
                xs * slope + part(2 + number) * OFFSET_RANGE
            };
            line(0).maximum(&line(1))
        })
    }

    /// Its cost for maps of `size`, with a multiply-add for each line and number, as MobileFormer's paper counts it.
    pub fn cost(&self, size: [i64; 2]) -> CostRow {
        let layers: Complexity = self.layers.iter().map(|layer| layer.cost([1, 1]).complexity).sum();
        let lines = 2 * self.channels * size[0] * size[1];
        let complexity = Complexity { macs: layers.macs + lines, ..layers };
        CostRow::tokens(self.prefix.trim_end_matches('.'), self.channels, size, complexity)
    }
}

impl Fold for DynamicRelu {
    fn fold(&self, into: &mut StateDict) {
        self.layers.iter().for_each(|layer| layer.fold(into));
    }
}
