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

    pub fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        let convs = self.convolutions().map(|conv| conv.norm.input(conv.convolve(xs)));
        let skip = self.skip.iter().map(|norm| norm.input(xs.shallow_clone()));
        sum_of_normalised(convs.chain(skip), mode)
    }
}
