//! The layers of a network in order, used to build it and to count its cost.
//!
//! **Output stride.** Where dilation replaces the stride of a stage, the convention is that of torchvision's ResNet
//! (`replace_stride_with_dilation`): its first block keeps the dilation of the previous stage, the later blocks take the new one.
//! Every layer then sees its input at the spacing that its weights were trained for: without squeeze-and-excitation every
//! second pixel of the features at output stride 16 is a pixel of those at output stride 32.
//! The branches of a layer, and so all keys, depend on the stride before this replacement.

use tch::nn;

use crate::{
    geometry::{Geometry, Sampling, Strides},
    spec::{OutputStride, SQUEEZE_RATIO, Spec},
};

/// The layers of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The dense 3x3 layer at the input.
    pub stem: BlockPlan,
    /// Depthwise and pointwise layers, alternating.
    pub stages: [Vec<BlockPlan>; 4],
}

impl Plan {
    /// Every layer, first to last.
    pub fn blocks(&self) -> impl Iterator<Item = &BlockPlan> {
        std::iter::once(&self.stem).chain(self.stages.iter().flatten())
    }
}

/// One MobileOne block of the paper's figure 3: a depthwise or pointwise layer, or the stem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockPlan {
    /// Key parts below the network's path: `["stage3", "10"]`.
    pub key: Vec<String>,
    /// Shape and sampling of its convolutions.
    pub geometry: Geometry,
    /// Convolution branches in train form.
    pub branches: i64,
    /// The other branches in train form.
    pub side_branches: SideBranches,
    /// Channels between the two layers of squeeze-and-excitation, where the block has it.
    pub squeeze: Option<i64>,
    /// Names of the branches.
    pub names: BranchNames,
}

/// How the branches of a train form are named below their block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BranchNames {
    /// MobileOne's in Apple's code: `rbr_conv.{number}`, `rbr_scale`, `rbr_skip`.
    Apple,
    /// RepVGG's in timm, which has one convolution branch: `conv_kxk`, `conv_1x1`, `identity`.
    RepVgg,
}

impl BranchNames {
    /// The path of a convolution branch.
    pub fn conv<'a>(self, block: &nn::Path<'a>, branch: i64) -> nn::Path<'a> {
        match self {
            Self::Apple => block / "rbr_conv" / branch,
            Self::RepVgg => block / "conv_kxk",
        }
    }

    /// The name of the 1x1 branch.
    pub fn scale(self) -> &'static str {
        match self {
            Self::Apple => "rbr_scale",
            Self::RepVgg => "conv_1x1",
        }
    }

    /// The name of the identity branch.
    pub fn skip(self) -> &'static str {
        match self {
            Self::Apple => "rbr_skip",
            Self::RepVgg => "identity",
        }
    }
}

/// The branches beside the convolutions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SideBranches {
    /// A 1x1 convolution: where the kernel is larger and the specification has [`Spec::scale`].
    pub scale: bool,
    /// Batch normalisation of the input: where shape and resolution are kept and the specification has [`Spec::skip`].
    pub skip: bool,
}

impl Spec {
    /// The layers from the stem to the last pointwise one.
    pub fn plan(&self, output_stride: OutputStride) -> Plan {
        let stem = BlockPlan {
            key: vec!["stage0".to_owned()],
            geometry: Geometry { kernel: 3, stride: 2, padding: 1, ..Geometry::pointwise(self.in_channels, self.stem) },
            branches: 1,
            side_branches: SideBranches { scale: self.scale, skip: false },
            squeeze: None,
            names: BranchNames::Apple,
        };
        let (mut inputs, mut strides) = (self.stem, Strides::within(output_stride));
        strides.next(stem.geometry.stride);
        let stages = std::array::from_fn(|i| {
            let (first, later) = (strides.next(2), strides.next(1));
            let layers = self.stage_plan(i, inputs, first, later);
            inputs = self.stages[i].width;
            layers
        });
        Plan { stem, stages }
    }

    /// The layers of a stage; `first` and `later` are the sampling of its first and its other depthwise layers.
    fn stage_plan(&self, index: usize, inputs: i64, first: Sampling, later: Sampling) -> Vec<BlockPlan> {
        let stage = &self.stages[index];
        let block = |block: i64| {
            let (inputs, Sampling { stride, dilation }) =
                if block == 0 { (inputs, first) } else { (stage.width, later) };
            let layer = |offset: i64, geometry: Geometry, skip| BlockPlan {
                key: vec![format!("stage{}", index + 1), (2 * block + offset).to_string()],
                geometry,
                branches: self.branches,
                side_branches: SideBranches { scale: self.scale && geometry.kernel > 1, skip: self.skip && skip },
                squeeze: (block >= stage.blocks - stage.squeeze_excite).then_some(geometry.outputs / SQUEEZE_RATIO),
                names: BranchNames::Apple,
            };
            [
                layer(0, Geometry::depthwise(inputs, stride, dilation), block > 0),
                layer(1, Geometry::pointwise(inputs, stage.width), inputs == stage.width),
            ]
        };
        (0..stage.blocks).flat_map(block).collect()
    }
}
