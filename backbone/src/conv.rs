//! Convolutions: one with a bias, and one with batch normalisation that folds into the first.

use tch::{Kind, Tensor, nn};

use crate::{
    error::Error,
    form::{Fold, Form, Mode, StateDict, key},
    geometry::Geometry,
    norm::{BatchNorm, BatchNormConfig},
    profile,
};

/// What follows a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `x * relu6(x + 3) / 6`.
    HardSwish,
    /// `x * sigmoid(x)`.
    Silu,
}

impl Activation {
    /// Applies the activation; [`Mode`] says when this happens in place.
    pub fn apply(self, mut xs: Tensor, mode: Mode) -> Tensor {
        match (self, mode.is_train()) {
            (Self::None, _) => xs,
            (Self::Relu, true) => xs.relu_(),
            (Self::Relu, false) => xs.relu(),
            (Self::Relu6, true) => xs.relu6_(),
            (Self::Relu6, false) => xs.relu6(),
            (Self::HardSwish, _) => xs.hardswish(),
            (Self::Silu, _) => xs.silu(),
        }
    }
}

/// Initial weights of a convolution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WeightInit {
    /// He et al.: normal, standard deviation `sqrt(2 / fan_out)` with `fan_out = kernel^2 * outputs / groups`, as timm's
    /// `byobnet` does for MobileOne. (Torchvision and mmpretrain do not divide by the groups, which makes depthwise kernels tiny.)
    HeFanOut,
    /// Normal with mean zero, as in torchvision's SSDLite head.
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// Uniform within `1 / sqrt(fan_in)`, PyTorch's own default, as in torchvision's DeepLabV3 head.
    Torch,
}

impl WeightInit {
    pub(crate) fn tensor(self, path: &nn::Path, geometry: &Geometry) -> Tensor {
        let options = (path.kind(), path.device());
        let shape = geometry.weight_shape();
        match self {
            Self::HeFanOut => {
                let fan_out = geometry.kernel * geometry.kernel * geometry.outputs / geometry.groups;
                Tensor::randn(shape, options) * (2.0 / fan_out as f64).sqrt()
            }
            Self::Normal { std } => Tensor::randn(shape, options) * std,
            Self::Torch => {
                let bound = geometry.fan_in_bound();
                Tensor::empty(shape, options).uniform_(-bound, bound)
            }
        }
    }
}

/// A convolution with a bias. The bias starts at zero, or like the weights with [`WeightInit::Torch`].
#[derive(Debug)]
pub struct Conv {
    /// `[outputs, inputs / groups, kernel, kernel]`.
    pub weight: Tensor,
    /// `[outputs]`.
    pub bias: Tensor,
    geometry: Geometry,
    prefix: String,
}

impl Conv {
    /// Registers `weight` and `bias` under `path`.
    pub fn new(path: &nn::Path, geometry: Geometry, init: WeightInit) -> Self {
        let bias = match init {
            WeightInit::Torch => {
                let bound = geometry.fan_in_bound();
                Tensor::empty(geometry.outputs, (path.kind(), path.device())).uniform_(-bound, bound)
            }
            WeightInit::HeFanOut | WeightInit::Normal { .. } => {
                Tensor::zeros(geometry.outputs, (path.kind(), path.device()))
            }
        };
        Self {
            weight: path.add("weight", init.tensor(path, &geometry), true),
            bias: path.add("bias", bias, true),
            geometry,
            prefix: key(path, ""),
        }
    }

    /// `[N, inputs, H, W]` to `[N, outputs, H', W']`.
    pub fn forward(&self, xs: &Tensor) -> Tensor {
        profile::layer(&self.prefix, || self.geometry.convolve(xs, &self.weight, Some(&self.bias)))
    }

    /// Shape and sampling.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Its full key.
    pub(crate) fn name(&self) -> &str {
        self.prefix.trim_end_matches('.')
    }
}

impl Fold for Conv {
    fn fold(&self, into: &mut StateDict) {
        into.insert(format!("{}weight", self.prefix), self.weight.detach().copy());
        into.insert(format!("{}bias", self.prefix), self.bias.detach().copy());
    }
}

/// Names of the two parts of a [`ConvBn`] below its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvBnKeys {
    /// The convolution: `weight`, in deploy form also `bias`.
    pub conv: &'static str,
    /// The batch normalisation, in train form only.
    pub norm: &'static str,
}

/// Everything that defines a [`ConvBn`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConvBnConfig {
    /// Shape and sampling of the convolution.
    pub geometry: Geometry,
    /// What follows the normalisation.
    pub activation: Activation,
    /// Constants of the normalisation.
    pub norm: BatchNormConfig,
    /// Initial weights.
    pub init: WeightInit,
    /// Names of the parts.
    pub keys: ConvBnKeys,
}

impl ConvBnConfig {
    /// No activation, PyTorch's constants, [`WeightInit::HeFanOut`], Apple's names `conv` and `bn`.
    pub fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            activation: Activation::None,
            norm: BatchNormConfig::default(),
            init: WeightInit::HeFanOut,
            keys: ConvBnKeys { conv: "conv", norm: "bn" },
        }
    }
}

/// A convolution without bias, its batch normalisation and an activation. In deploy form: one convolution with a bias, under
/// the key of the convolution, and the activation.
#[derive(Debug)]
pub struct ConvBn {
    layers: Layers,
    activation: Activation,
}

#[derive(Debug)]
enum Layers {
    Train { conv: NormedConv, prefix: String },
    Deploy(Conv),
}

impl ConvBn {
    /// Registers its tensors under `path`, with the names in `config.keys`.
    pub fn new(path: &nn::Path, config: &ConvBnConfig, form: Form) -> Self {
        let conv = path / config.keys.conv;
        let layers = match form {
            Form::Train => Layers::Train { conv: NormedConv::new(path, config), prefix: key(&conv, "") },
            Form::Deploy => Layers::Deploy(Conv::new(&conv, config.geometry, config.init)),
        };
        Self { layers, activation: config.activation }
    }

    /// `[N, inputs, H, W]` to `[N, outputs, H', W']`.
    ///
    /// # Errors
    /// As [`BatchNorm::forward`].
    pub fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        let (Layers::Train { prefix, .. } | Layers::Deploy(Conv { prefix, .. })) = &self.layers;
        profile::layer(prefix, || {
            let ys = match &self.layers {
                Layers::Train { conv, .. } => conv.forward(xs, mode)?,
                Layers::Deploy(conv) => conv.forward(xs),
            };
            Ok(self.activation.apply(ys, mode))
        })
    }

    /// The full key of the convolution.
    pub(crate) fn name(&self) -> &str {
        let (Layers::Train { prefix, .. } | Layers::Deploy(Conv { prefix, .. })) = &self.layers;
        prefix.trim_end_matches('.')
    }

    /// Trainable parameters beside the kernel for each output channel.
    pub(crate) fn parameters_per_output(&self) -> i64 {
        match &self.layers {
            Layers::Train { .. } => 2,
            Layers::Deploy(_) => 1,
        }
    }

    /// Shape and sampling of the convolution.
    pub fn geometry(&self) -> &Geometry {
        match &self.layers {
            Layers::Train { conv, .. } => &conv.geometry,
            Layers::Deploy(conv) => conv.geometry(),
        }
    }
}

impl Fold for ConvBn {
    fn fold(&self, into: &mut StateDict) {
        match &self.layers {
            Layers::Train { conv, prefix } => conv.merge().insert(into, prefix, conv.weight.kind()),
            Layers::Deploy(conv) => conv.fold(into),
        }
    }
}

/// A convolution without bias and its batch normalisation: the train form of [`ConvBn`], and a branch of a block.
#[derive(Debug)]
pub(crate) struct NormedConv {
    pub weight: Tensor,
    pub norm: BatchNorm,
    pub geometry: Geometry,
}

impl NormedConv {
    /// The activation of `config` is not part of it.
    pub fn new(path: &nn::Path, config: &ConvBnConfig) -> Self {
        let ConvBnConfig { geometry, norm, init, keys, .. } = *config;
        let conv = path / keys.conv;
        Self {
            weight: conv.add("weight", init.tensor(&conv, &geometry), true),
            norm: BatchNorm::new(&(path / keys.norm), geometry.outputs, norm),
            geometry,
        }
    }

    pub fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        self.norm.forward(&self.convolve(xs), mode)
    }

    /// Without the normalisation.
    pub fn convolve(&self, xs: &Tensor) -> Tensor {
        self.geometry.convolve(xs, &self.weight, None)
    }

    pub fn merge(&self) -> Merged {
        let (scale, bias) = self.norm.affine();
        Merged { kernel: self.weight.detach().to_kind(Kind::Double) * scale.view([-1, 1, 1, 1]), bias }
    }
}

/// One convolution that computes the same as several with their batch normalisations, in fp64.
#[derive(Debug)]
pub(crate) struct Merged {
    /// `[outputs, inputs / groups, kernel, kernel]`.
    pub kernel: Tensor,
    /// `[outputs]`.
    pub bias: Tensor,
}

impl Merged {
    /// Adds kernel and bias below `prefix`, rounded to `kind`.
    pub fn insert(&self, into: &mut StateDict, prefix: &str, kind: Kind) {
        into.insert(format!("{prefix}weight"), self.kernel.to_kind(kind));
        into.insert(format!("{prefix}bias"), self.bias.to_kind(kind));
    }
}
