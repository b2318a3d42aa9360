//! Re-parameterisation (paper, section 3.2): the branches of a block become one convolution.
//!
//! With running statistics every branch is linear, so kernels and shifts add up. A 1x1 kernel is a larger one that is zero
//! outside its centre, and so is the identity. With any dilation the centre is the tap at the output's own pixel, so dilated
//! blocks fold exactly too. Sums are computed in fp64 and rounded once.

use tch::{Device, Kind, Tensor};

use crate::{
    block::{Block, Layers},
    branches::Branches,
    conv::Merged,
    form::{Fold, StateDict},
    geometry::Geometry,
    network::MobileOne,
};

impl Fold for MobileOne {
    fn fold(&self, into: &mut StateDict) {
        self.blocks().for_each(|block| block.fold(into));
    }
}

impl Fold for Block {
    fn fold(&self, into: &mut StateDict) {
        match &self.layers {
            Layers::Train(branches) => {
                branches.merge().insert(into, &format!("{}reparam_conv.", self.prefix), branches.kind())
            }
            Layers::Deploy(conv) => conv.fold(into),
        }
        if let Some(squeeze_excite) = &self.squeeze_excite {
            squeeze_excite.fold(into);
        }
    }
}

/// How much each branch of a block contributes to the folded kernel.
#[derive(Debug, Clone, PartialEq)]
pub struct Contribution {
    /// The block's key below the network's path: `stage3.10`.
    pub block: String,
    /// Name (`rbr_conv.0`, `rbr_scale`, `rbr_skip`) and share: the L2 norm of the branch's kernel with its normalisation folded in,
    /// divided by the sum of these norms. The shares add up to 1, also where branches cancel each other.
    pub branches: Vec<(String, f64)>,
}

impl Block {
    pub(crate) fn contribution(&self) -> Option<Contribution> {
        let Layers::Train(branches) = &self.layers else { return None };
        let norms: Vec<(String, f64)> = branches
            .named()
            .map(|(name, merged)| (name, merged.kernel.square().sum(Kind::Double).sqrt().double_value(&[])))
            .collect();
        let total: f64 = norms.iter().map(|(_, norm)| norm).sum();
        let share = |(name, norm)| (name, if total > 0.0 { norm / total } else { 0.0 });
        let block = self.prefix.trim_end_matches('.').to_owned();
        Some(Contribution { block, branches: norms.into_iter().map(share).collect() })
    }
}

impl Branches {
    fn kind(&self) -> Kind {
        self.convs[0].weight.kind()
    }

    /// Every branch with its normalisation folded in, kernels at their own size.
    fn named(&self) -> impl Iterator<Item = (String, Merged)> {
        let convs = self.convs.iter().enumerate().map(|(index, conv)| (format!("rbr_conv.{index}"), conv.merge()));
        let scale = self.scale.iter().map(|conv| ("rbr_scale".to_owned(), conv.merge()));
        let skip = self.skip.iter().map(|norm| {
            let (scale, bias) = norm.affine();
            let kernel = identity(&self.geometry, scale.device()) * scale.view([-1, 1, 1, 1]);
            ("rbr_skip".to_owned(), Merged { kernel, bias })
        });
        convs.chain(scale).chain(skip)
    }

    fn merge(&self) -> Merged {
        let others = self.named().skip(1).map(|(_, branch)| branch);
        others.fold(self.convs[0].merge(), |sum, branch| Merged {
            kernel: sum.kernel + self.geometry.pad(&branch.kernel),
            bias: sum.bias + branch.bias,
        })
    }
}

/// The 1x1 kernel `[C, C / groups, 1, 1]` of the identity, in fp64.
pub(crate) fn identity(geometry: &Geometry, device: Device) -> Tensor {
    let per_group = geometry.inputs / geometry.groups;
    Tensor::eye(per_group, (Kind::Double, device)).repeat([geometry.groups, 1]).view([-1, per_group, 1, 1])
}
