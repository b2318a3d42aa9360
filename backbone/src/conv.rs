//! Convolutions: one with a bias, and one followed by batch normalisation that folds into the first.

use tch::{Kind, Tensor, nn};

use crate::{
    form::{Fold, Form, Mode, StateDict, key},
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
}

impl Activation {
    /// Applies itself; see [`Mode`] for when that happens in place.
    pub fn apply(self, mut xs: Tensor, mode: Mode) -> Tensor {
        match (self, mode) {
            (Self::None, _) => xs,
            (Self::Relu, Mode::Train) => xs.relu_(),
            (Self::Relu, Mode::Eval) => xs.relu(),
            (Self::Relu6, Mode::Train) => xs.relu6_(),
            (Self::Relu6, Mode::Eval) => xs.relu6(),
            (Self::HardSwish, _) => xs.hardswish(),
        }
    }
}

/// How the weights of a convolution start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WeightInit {
    /// He et al.: normal, standard deviation `sqrt(2 / fan_out)` with `fan_out = kernel^2 * outputs / groups`, as timm's
    /// `byobnet` starts MobileOne. (Torchvision and mmpretrain do not divide by the groups, which makes depthwise kernels tiny.)
    HeFanOut,
    /// Normal about zero, as torchvision starts the SSDLite head.
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// Uniform within `1 / sqrt(fan_in)`, PyTorch's own default, as torchvision leaves the DeepLabV3 head.
    Torch,
}

impl WeightInit {
    fn tensor(self, path: &nn::Path, geometry: &Geometry) -> Tensor {
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

/// Shape and sampling of a convolution with a square kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Input channels.
    pub inputs: i64,
    /// Output channels.
    pub outputs: i64,
    /// Side of the kernel.
    pub kernel: i64,
    /// Step of the output grid in input pixels.
    pub stride: i64,
    /// Zeros added on each side.
    pub padding: i64,
    /// Distance of the taps in input pixels.
    pub dilation: i64,
    /// Groups of channels that do not mix.
    pub groups: i64,
}

impl Geometry {
    /// `[outputs, inputs / groups, kernel, kernel]`.
    pub fn weight_shape(&self) -> [i64; 4] {
        [self.outputs, self.inputs / self.groups, self.kernel, self.kernel]
    }

    /// The side of the output for an input of side `input`.
    pub fn output_side(&self, input: i64) -> i64 {
        (input + 2 * self.padding - self.dilation * (self.kernel - 1) - 1) / self.stride + 1
    }

    /// Convolves `xs` with any weights of this geometry.
    pub fn convolve(&self, xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let pair = |value| [value, value];
        if (self.kernel, self.padding) == (1, 0) && self.stride > 1 {
            // libtorch 2.11 on a CPU: the weight gradient of a strided 1x1 convolution over three channels-last channels
            // writes beyond its buffer. Taking the pixels first computes the same without that kernel.
            let every = |xs: &Tensor, dim| xs.slice(dim, None, None, self.stride);
            return Self { stride: 1, ..*self }.convolve(&every(&every(xs, 2), 3), weight, bias);
        }
        if (self.kernel, self.padding) == (1, 0) && [self.inputs, self.outputs] == [self.groups; 2] {
            // A product by channel: oneDNN's depthwise kernels are several times slower where they have one tap only.
            let channels = |vector: &Tensor| vector.to_kind(xs.kind()).view([1, -1, 1, 1]);
            let product = xs * channels(weight);
            return bias.map_or_else(|| product.shallow_clone(), |bias| &product + channels(bias));
        }
        xs.conv2d(weight, bias, pair(self.stride), pair(self.padding), pair(self.dilation), self.groups)
    }

    /// A smaller odd kernel as one of this side: zeros around it. Taps keep their distance.
    pub(crate) fn pad(&self, kernel: &Tensor) -> Tensor {
        let margin = (self.kernel - kernel.size()[2]) / 2;
        kernel.constant_pad_nd([margin; 4])
    }

    fn fan_in_bound(&self) -> f64 {
        1.0 / ((self.inputs / self.groups * self.kernel * self.kernel) as f64).sqrt()
    }
}

/// A convolution with a bias, which starts at zero ([`WeightInit::Torch`]: like the weights).
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

/// What a [`ConvBn`] is, apart from its channels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConvBnConfig {
    /// Side of the kernel.
    pub kernel: i64,
    /// Step of the output grid in input pixels.
    pub stride: i64,
    /// Zeros added on each side.
    pub padding: i64,
    /// Distance of the taps in input pixels.
    pub dilation: i64,
    /// Groups of channels that do not mix.
    pub groups: i64,
    /// What follows the normalisation.
    pub activation: Activation,
    /// Constants of the normalisation.
    pub norm: BatchNormConfig,
    /// How the weights start.
    pub init: WeightInit,
    /// Names of the parts.
    pub keys: ConvBnKeys,
}

impl Default for ConvBnConfig {
    /// 1x1, stride 1, no padding, no dilation, one group, no activation, PyTorch's constants, Apple's names `conv` and `bn`.
    fn default() -> Self {
        Self {
            kernel: 1,
            stride: 1,
            padding: 0,
            dilation: 1,
            groups: 1,
            activation: Activation::None,
            norm: BatchNormConfig::default(),
            init: WeightInit::HeFanOut,
            keys: ConvBnKeys { conv: "conv", norm: "bn" },
        }
    }
}

/// A convolution without bias, its batch normalisation and an activation; in deploy form one convolution with a bias, under
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
    /// Registers its tensors under `path`, each under the name that `config.keys` gives.
    pub fn new(path: &nn::Path, inputs: i64, outputs: i64, config: ConvBnConfig, form: Form) -> Self {
        let ConvBnConfig { kernel, stride, padding, dilation, groups, init, keys, .. } = config;
        let geometry = Geometry { inputs, outputs, kernel, stride, padding, dilation, groups };
        let conv = path / keys.conv;
        let layers = match form {
            Form::Train => Layers::Train {
                conv: NormedConv::new(&conv, &(path / keys.norm), geometry, init, config.norm),
                prefix: key(&conv, ""),
            },
            Form::Deploy => Layers::Deploy(Conv::new(&conv, geometry, init)),
        };
        Self { layers, activation: config.activation }
    }

    /// `[N, inputs, H, W]` to `[N, outputs, H', W']`.
    pub fn forward(&self, xs: &Tensor, mode: Mode) -> Tensor {
        let (Layers::Train { prefix, .. } | Layers::Deploy(Conv { prefix, .. })) = &self.layers;
        profile::layer(prefix, || {
            let ys = match &self.layers {
                Layers::Train { conv, .. } => conv.forward(xs, mode),
                Layers::Deploy(conv) => conv.forward(xs),
            };
            self.activation.apply(ys, mode)
        })
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
    pub fn new(
        conv: &nn::Path,
        norm: &nn::Path,
        geometry: Geometry,
        init: WeightInit,
        config: BatchNormConfig,
    ) -> Self {
        Self {
            weight: conv.add("weight", init.tensor(conv, &geometry), true),
            norm: BatchNorm::new(norm, geometry.outputs, config),
            geometry,
        }
    }

    pub fn forward(&self, xs: &Tensor, mode: Mode) -> Tensor {
        self.norm.forward(&self.geometry.convolve(xs, &self.weight, None), mode)
    }

    pub fn merge(&self) -> Merged {
        let (scale, bias) = self.norm.affine();
        Merged { kernel: self.weight.detach().to_kind(Kind::Double) * scale.view([-1, 1, 1, 1]), bias }
    }
}

/// One convolution that computes what others and their batch normalisations do, in fp64.
#[derive(Debug)]
pub(crate) struct Merged {
    /// `[outputs, inputs / groups, kernel, kernel]`.
    pub kernel: Tensor,
    /// `[outputs]`.
    pub bias: Tensor,
}

impl Merged {
    /// Writes itself below `prefix`, rounded to `kind`.
    pub fn insert(&self, into: &mut StateDict, prefix: &str, kind: Kind) {
        into.insert(format!("{prefix}weight"), self.kernel.to_kind(kind));
        into.insert(format!("{prefix}bias"), self.bias.to_kind(kind));
    }
}
