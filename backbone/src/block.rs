//! The MobileOne block (paper, section 3.2 and figure 3) in both forms.
//!
//! Train form: k convolutions, a 1x1 convolution (only beside a larger kernel) and the input itself (only where shape and
//! resolution are kept), each with its own batch normalisation, summed. Deploy form: one convolution with a bias. Both are
//! followed by squeeze-and-excitation, where the plan has it, and ReLU. The keys are Apple's.

use tch::{Tensor, nn};

use crate::{
    branches::Branches,
    conv::{Activation, Conv, WeightInit},
    error::Error,
    form::{Form, Mode, TrainForward, key},
    layers::squeeze_excite::{MOBILEONE, SqueezeExcite},
    plan::BlockPlan,
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

impl Block {
    /// Registers the block's tensors under `path`, which already includes the plan's key.
    pub fn new(path: &nn::Path, plan: &BlockPlan, form: Form) -> Self {
        let layers = match form {
            Form::Train => Layers::Train(Branches::new(path, plan)),
            Form::Deploy => Layers::Deploy(Conv::new(&(path / "reparam_conv"), plan.geometry, WeightInit::HeFanOut)),
        };
        let squeeze_excite =
            plan.squeeze.map(|squeezed| SqueezeExcite::new(&(path / "se"), plan.geometry.outputs, squeezed, MOBILEONE));
        Self { layers, squeeze_excite, prefix: key(path, ""), train_forward: TrainForward::default() }
    }

    /// `[N, inputs, H, W]` to `[N, outputs, H', W']`.
    ///
    /// # Errors
    /// As [`BatchNorm::forward`](crate::BatchNorm::forward).
    pub fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        profile::layer(&self.prefix, || {
            let last = self.squeeze_excite.is_none();
            let (ys, activated) = match (&self.layers, self.train_forward) {
                (Layers::Train(branches), TrainForward::Folded) if mode.is_train() => {
                    (branches.forward_folded(xs, mode, last)?, last)
                }
                (Layers::Train(branches), _) => (branches.forward(xs, mode)?, false),
                (Layers::Deploy(conv), _) => (conv.forward(xs), false),
            };
            let ys = match &self.squeeze_excite {
                Some(squeeze_excite) => squeeze_excite.forward(&ys, mode),
                None => ys,
            };
            Ok(if activated { ys } else { Activation::Relu.apply(ys, mode) })
        })
    }
}
