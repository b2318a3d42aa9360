//! The MobileOne block (paper, section 3.2 and figure 3) in both forms.
//!
//! Train form: k convolutions, a 1x1 convolution (only beside a larger kernel) and the input itself (only where shape and
//! resolution are kept), each with its own batch normalisation, summed. Deploy form: one convolution with a bias. After either
//! come squeeze-and-excitation, where the plan has it, and ReLU. The keys are Apple's.

use tch::{Tensor, nn};

use crate::{
    conv::{Activation, Conv, Geometry, NormedConv, WeightInit},
    folded::TrainForward,
    form::{Form, Mode, key},
    norm::{BatchNorm, BatchNormConfig},
    plan::{BlockPlan, SideBranches},
    profile,
};

/// A block.
#[derive(Debug)]
pub struct Block {
    pub(crate) layers: Layers,
    pub(crate) squeeze_excite: Option<SqueezeExcite>,
    pub(crate) prefix: String,
    pub(crate) train_forward: TrainForward,
}

#[derive(Debug)]
pub(crate) enum Layers {
    Train(Branches),
    Deploy(Conv),
}

/// What the train form sums: at least one convolution.
#[derive(Debug)]
pub(crate) struct Branches {
    pub convs: Vec<NormedConv>,
    pub scale: Option<NormedConv>,
    pub skip: Option<BatchNorm>,
    pub geometry: Geometry,
}

impl Block {
    /// Registers the block's tensors under `path`, which the plan's key is already part of.
    pub fn new(path: &nn::Path, plan: &BlockPlan, form: Form) -> Self {
        let layers = match form {
            Form::Train => Layers::Train(Branches::new(path, plan)),
            Form::Deploy => Layers::Deploy(Conv::new(&(path / "reparam_conv"), plan.geometry, WeightInit::HeFanOut)),
        };
        let squeeze_excite =
            plan.squeeze.map(|channels| SqueezeExcite::new(&(path / "se"), plan.geometry.outputs, channels));
        Self { layers, squeeze_excite, prefix: key(path, ""), train_forward: TrainForward::default() }
    }

    /// `[N, inputs, H, W]` to `[N, outputs, H', W']`.
    pub fn forward(&self, xs: &Tensor, mode: Mode) -> Tensor {
        profile::layer(&self.prefix, || {
            let ys = match (&self.layers, mode, self.train_forward) {
                (Layers::Train(branches), Mode::Train, TrainForward::Folded) => branches.forward_folded(xs),
                (Layers::Train(branches), ..) => branches.forward(xs, mode),
                (Layers::Deploy(conv), ..) => conv.forward(xs),
            };
            let ys = match &self.squeeze_excite {
                Some(squeeze_excite) => squeeze_excite.forward(&ys),
                None => ys,
            };
            Activation::Relu.apply(ys, mode)
        })
    }
}

impl Branches {
    fn new(path: &nn::Path, plan: &BlockPlan) -> Self {
        let geometry = plan.geometry;
        let norm = BatchNormConfig::default();
        let conv = |path: nn::Path, geometry| {
            NormedConv::new(&(&path / "conv"), &(&path / "bn"), geometry, WeightInit::HeFanOut, norm)
        };
        let pixel = Geometry { kernel: 1, padding: 0, dilation: 1, ..geometry };
        let SideBranches { scale, skip } = plan.side_branches;
        Self {
            convs: (0..plan.branches).map(|branch| conv(path / "rbr_conv" / branch, geometry)).collect(),
            scale: scale.then(|| conv(path / "rbr_scale", pixel)),
            skip: skip.then(|| BatchNorm::new(&(path / "rbr_skip"), geometry.outputs, norm)),
            geometry,
        }
    }

    pub fn forward(&self, xs: &Tensor, mode: Mode) -> Tensor {
        let convs = self.convs[1..].iter().chain(&self.scale).map(|conv| conv.forward(xs, mode));
        let skip = self.skip.iter().map(|norm| norm.forward(xs, mode));
        convs.chain(skip).fold(self.convs[0].forward(xs, mode), |mut sum, branch| match mode {
            Mode::Train => sum.g_add_(&branch),
            Mode::Eval => sum + branch,
        })
    }
}

/// Channel attention (Hu et al., <https://arxiv.org/abs/1709.01507>): stays as it is in deploy form.
#[derive(Debug)]
pub(crate) struct SqueezeExcite {
    pub reduce: Conv,
    pub expand: Conv,
    prefix: String,
}

impl SqueezeExcite {
    fn new(path: &nn::Path, channels: i64, squeezed: i64) -> Self {
        let conv = |name, inputs, outputs| {
            let geometry = Geometry { inputs, outputs, kernel: 1, stride: 1, padding: 0, dilation: 1, groups: 1 };
            Conv::new(&(path / name), geometry, WeightInit::HeFanOut)
        };
        Self {
            reduce: conv("reduce", channels, squeezed),
            expand: conv("expand", squeezed, channels),
            prefix: key(path, ""),
        }
    }

    fn forward(&self, xs: &Tensor) -> Tensor {
        profile::layer(&self.prefix, || {
            let squeezed = self.reduce.forward(&xs.adaptive_avg_pool2d([1, 1])).relu();
            xs * self.expand.forward(&squeezed).sigmoid()
        })
    }
}
