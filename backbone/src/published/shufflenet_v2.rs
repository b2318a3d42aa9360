//! ShuffleNetV2 1.0x (Ma et al., <https://arxiv.org/abs/1807.11164>, table 5) with torchvision's names (`shufflenet_v2_x1_0`).

use tch::{Tensor, nn};

use super::Setup;
use crate::{
    conv::{Activation, ConvBn},
    cost::CostRow,
    error::Error,
    form::{Fold, Form, Mode, StateDict},
    geometry::{Geometry, Sampling},
    layers::{
        Layer,
        inverted_residual::conv_bn,
        stack::{Builder, Stack},
    },
};

const STEM: i64 = 24;
/// Units, the first of stride 2, and output channels of `stage2` to `stage4`.
const STAGES: [(&str, i64, i64); 3] = [("stage2", 4, 116), ("stage3", 8, 232), ("stage4", 4, 464)];
const LAST: i64 = 1024;

pub(super) fn build(path: &nn::Path, in_channels: i64, setup: Setup) -> Stack {
    let mut network = Builder::new(in_channels, setup);
    let sampling = network.strides.next(2);
    let stem = Geometry::pointwise(in_channels, STEM).with_kernel(3).sampled(sampling);
    network.push(conv_bn(&(path / "conv1"), ["0", "1"], stem, Activation::Relu, setup.form), STEM);
    network.strides.next(2);
    network.push(MaxPool, STEM);
    network.end_stage();
    for (name, units, outputs) in STAGES {
        for number in 0..units {
            let path = path / name / number;
            let sampling = network.strides.next(if number == 0 { 2 } else { 1 });
            let inputs = network.channels;
            network.push(Unit::new(&path, [inputs, outputs], number == 0, sampling, setup.form), outputs);
        }
        network.end_stage();
    }
    network.push_tail(|tail| {
        let geometry = Geometry::pointwise(tail.channels, LAST);
        tail.push(conv_bn(&(path / "conv5"), ["0", "1"], geometry, Activation::Relu, setup.form), LAST);
    });
    network.finish()
}

/// The largest value of 3x3, with stride 2.
#[derive(Debug)]
struct MaxPool;

impl Layer for MaxPool {
    fn forward(&self, xs: &Tensor, _: Mode) -> Result<Tensor, Error> {
        Ok(xs.max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false))
    }

    fn cost(&self, size: [i64; 2], _: &mut Vec<CostRow>) -> [i64; 2] {
        size.map(|side| (side + 1) / 2)
    }
}

impl Fold for MaxPool {
    fn fold(&self, _: &mut StateDict) {}
}

/// A unit of figure 3: half of the channels pass (c), or in the first unit of a stage are strided (d); then channels are shuffled.
#[derive(Debug)]
struct Unit {
    /// `branch1` of a first unit.
    strided: Option<[ConvBn; 2]>,
    /// `branch2`.
    layers: [ConvBn; 3],
    /// Output channels of each half.
    half: i64,
}

impl Unit {
    fn new(path: &nn::Path, [inputs, outputs]: [i64; 2], first: bool, sampling: Sampling, form: Form) -> Self {
        let half = outputs / 2;
        let spatial = |channels| Geometry::depthwise(channels, 1, 1).sampled(sampling);
        let conv = |branch, keys, geometry, activation| conv_bn(&(path / branch), keys, geometry, activation, form);
        let strided = first.then(|| {
            [
                conv("branch1", ["0", "1"], spatial(inputs), Activation::None),
                conv("branch1", ["2", "3"], Geometry::pointwise(inputs, half), Activation::Relu),
            ]
        });
        let inputs = if first { inputs } else { half };
        let layers = [
            conv("branch2", ["0", "1"], Geometry::pointwise(inputs, half), Activation::Relu),
            conv("branch2", ["3", "4"], spatial(half), Activation::None),
            conv("branch2", ["5", "6"], Geometry::pointwise(half, half), Activation::Relu),
        ];
        Self { strided, layers, half }
    }
}

impl Layer for Unit {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        let run = |xs: Tensor, layers: &[ConvBn]| layers.iter().try_fold(xs, |xs, layer| layer.forward(&xs, mode));
        let halves = match &self.strided {
            Some(strided) => [run(xs.shallow_clone(), strided)?, run(xs.shallow_clone(), &self.layers)?],
            None => [xs.narrow(1, 0, self.half), run(xs.narrow(1, self.half, self.half), &self.layers)?],
        };
        Ok(Tensor::cat(&halves, 1).channel_shuffle(2))
    }

    fn cost(&self, size: [i64; 2], rows: &mut Vec<CostRow>) -> [i64; 2] {
        let mut run = |layers: &[ConvBn]| layers.iter().fold(size, |size, layer| Layer::cost(layer, size, rows));
        if let Some(strided) = &self.strided {
            run(strided);
        }
        run(&self.layers)
    }
}

impl Fold for Unit {
    fn fold(&self, into: &mut StateDict) {
        self.strided.iter().flatten().chain(&self.layers).for_each(|layer| layer.fold(into));
    }
}
