//! The branches of a block in train form, and their sum.

use tch::{Tensor, nn};

use crate::{
    conv::{ConvBnConfig, NormedConv},
    error::Error,
    form::Mode,
    geometry::Geometry,
    norm::{BatchNorm, BatchNormConfig, sum_of_normalised},
    plan::{BlockPlan, SideBranches},
};

/// The branches that the train form sums: at least one convolution.
#[derive(Debug)]
pub(crate) struct Branches {
    pub convs: Vec<NormedConv>,
    pub scale: Option<NormedConv>,
    pub skip: Option<BatchNorm>,
    pub geometry: Geometry,
}

impl Branches {
    pub fn new(path: &nn::Path, plan: &BlockPlan) -> Self {
        let geometry = plan.geometry;
        let conv = |path: nn::Path, geometry| NormedConv::new(&path, &ConvBnConfig::new(geometry));
        let (SideBranches { scale, skip }, names) = (plan.side_branches, plan.names);
        Self {
            convs: (0..plan.branches).map(|branch| conv(names.conv(path, branch), geometry)).collect(),
            scale: scale.then(|| conv(path / names.scale(), geometry.with_one_tap())),
            skip: skip.then(|| BatchNorm::new(&(path / names.skip()), geometry.outputs, BatchNormConfig::default())),
            geometry,
        }
    }

    /// All convolutions, the 1x1 branch last.
    pub fn convolutions(&self) -> impl Iterator<Item = &NormedConv> {
        self.convs.iter().chain(&self.scale)
    }

    /// The normalisations of all branches, that of the input last.
    pub fn norms(&self) -> impl Iterator<Item = &BatchNorm> {
        self.convolutions().map(|conv| &conv.norm).chain(&self.skip)
    }

    /// What they normalise.
    pub fn norm_inputs(&self, xs: &Tensor) -> impl Iterator<Item = Tensor> {
        self.convolutions().map(|conv| conv.convolve(xs)).chain(self.skip.iter().map(|_| xs.shallow_clone()))
    }

    pub fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        sum_of_normalised(self.norms().zip(self.norm_inputs(xs)).map(|(norm, xs)| norm.input(xs)), mode)
    }
}
