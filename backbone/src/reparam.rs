//! Re-parameterisation (paper, section 3.2): the branches of a block become one convolution.
//!
//! With running statistics every branch is linear, so kernels and shifts add up. A 1x1 kernel is a larger one that is zero
//! off its centre, and the identity is such a kernel too; at any dilation the centre is the tap at the output's own pixel, so
//! dilated blocks fold as exactly as others. Sums are taken in fp64 and rounded once.

use tch::{Device, Kind, Tensor};

use crate::{
    block::{Block, Branches, Layers, SqueezeExcite},
    conv::{Geometry, Merged, NormedConv},
    form::{Fold, StateDict},
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
        if let Some(SqueezeExcite { reduce, expand }) = &self.squeeze_excite {
            reduce.fold(into);
            expand.fold(into);
        }
    }
}

impl Branches {
    fn kind(&self) -> Kind {
        self.convs[0].weight.kind()
    }

    fn merge(&self) -> Merged {
        let skip = self.skip.iter().map(|norm| {
            let (scale, bias) = norm.affine();
            Merged { kernel: identity(&self.geometry, scale.device()) * scale.view([-1, 1, 1, 1]), bias }
        });
        let others = self.convs[1..].iter().chain(&self.scale).map(NormedConv::merge).chain(skip);
        others.fold(self.convs[0].merge(), |sum, branch| Merged {
            kernel: sum.kernel + self.geometry.pad(&branch.kernel),
            bias: sum.bias + branch.bias,
        })
    }
}

/// The 1x1 kernel `[C, C / groups, 1, 1]` that hands its input on, in fp64.
pub(crate) fn identity(geometry: &Geometry, device: Device) -> Tensor {
    let per_group = geometry.inputs / geometry.groups;
    Tensor::eye(per_group, (Kind::Double, device)).repeat([geometry.groups, 1]).view([-1, per_group, 1, 1])
}
