//! A network as a list of layers, four of which end a stage.

use tch::Tensor;

use super::Layer;
use crate::{
    cost::Cost,
    error::Error,
    features::{Backbone, Features, check_images},
    form::{Fold, Mode, StateDict},
    geometry::Strides,
    published::{Purpose, Setup},
    reparam::Contribution,
};

/// A network of layers one after the other.
#[derive(Debug)]
pub(crate) struct Stack {
    layers: Vec<Box<dyn Layer>>,
    /// The number of layers up to the end of each stage; the layers behind the last are what a classifier reads.
    ends: [usize; 4],
    channels: [i64; 4],
    in_channels: i64,
    setup: Setup,
}

/// A [`Stack`] while it is being put together.
#[derive(Debug)]
pub(crate) struct Builder {
    pub setup: Setup,
    /// Sampling of the next layers.
    pub strides: Strides,
    /// Output channels of the last layer.
    pub channels: i64,
    in_channels: i64,
    layers: Vec<Box<dyn Layer>>,
    ends: Vec<(usize, i64)>,
}

impl Builder {
    pub fn new(in_channels: i64, setup: Setup) -> Self {
        let strides = Strides::within(setup.output_stride);
        Self { setup, strides, channels: in_channels, in_channels, layers: Vec::new(), ends: Vec::new() }
    }

    /// Adds a layer with these output channels.
    pub fn push(&mut self, layer: impl Layer + 'static, outputs: i64) {
        self.layers.push(Box::new(layer));
        self.channels = outputs;
    }

    /// Ends a stage: the output of the last layer is one of the features.
    pub fn end_stage(&mut self) {
        self.ends.push((self.layers.len(), self.channels));
    }

    /// Adds what the publication has between the features and its classifier, where a classifier follows.
    pub fn push_tail(&mut self, tail: impl FnOnce(&mut Self)) {
        if self.setup.purpose == Purpose::Classification {
            tail(self);
        }
    }

    /// # Panics
    /// Unless four stages ended.
    pub fn finish(self) -> Stack {
        let ends: [(usize, i64); 4] = self.ends.try_into().expect("a network has four stages");
        let [c2, c3, c4, _] = ends.map(|(_, channels)| channels);
        Stack {
            layers: self.layers,
            ends: ends.map(|(end, _)| end),
            channels: [c2, c3, c4, self.channels],
            in_channels: self.in_channels,
            setup: self.setup,
        }
    }
}

impl Backbone for Stack {
    fn in_channels(&self) -> i64 {
        self.in_channels
    }

    fn channels(&self) -> [i64; 4] {
        self.channels
    }

    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Features, Error> {
        let Setup { output_stride, form, .. } = self.setup;
        check_images(xs, self.in_channels, output_stride, (form, mode))?;
        let run = |xs: Tensor, from: usize, to: usize| {
            self.layers[from..to].iter().try_fold(xs, |xs, layer| layer.forward(&xs, mode))
        };
        let [stage1, stage2, stage3, _] = self.ends;
        let c2 = run(xs.shallow_clone(), 0, stage1)?;
        let c3 = run(c2.shallow_clone(), stage1, stage2)?;
        let c4 = run(c3.shallow_clone(), stage2, stage3)?;
        let c5 = run(c4.shallow_clone(), stage3, self.layers.len())?;
        Ok(Features { c2, c3, c4, c5 })
    }

    fn cost(&self, size: [i64; 2]) -> Cost {
        let mut rows = Vec::new();
        self.layers.iter().fold(size, |size, layer| layer.cost(size, &mut rows));
        Cost { rows }
    }

    fn contributions(&self) -> Vec<Contribution> {
        self.layers.iter().filter_map(|layer| layer.contribution()).collect()
    }
}

impl Fold for Stack {
    fn fold(&self, into: &mut StateDict) {
        self.layers.iter().for_each(|layer| layer.fold(into));
    }
}
