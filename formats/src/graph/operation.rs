//! Operations and their settings.

use tch::Tensor;

use crate::Element;

/// A tensor of the network under its name.
#[derive(Debug)]
pub struct Weight {
    /// Its dotted name in the network, or a name for a constant.
    pub name: String,
    /// Its values.
    pub tensor: Tensor,
}

impl Clone for Weight {
    /// The copy shares the memory.
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), tensor: self.tensor.shallow_clone() }
    }
}

/// Bytes for numbers: `x = scale * (q - zero_point)` with `q` from 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// The distance of two neighbours.
    pub scale: f64,
    /// The byte of the number 0.
    pub zero_point: i64,
}

/// The largest byte.
pub(crate) const MAX_BYTE: i64 = 255;

impl Grid {
    /// The grid from `low` to `high`, extended to hold 0, which is on it exactly.
    pub fn over(low: f64, high: f64) -> Self {
        let (low, high) = (low.min(0.0), high.max(0.0));
        // Of a range without extent any scale is right; of one that is almost none, a scale that is a normal 32-bit number.
        let scale = ((high - low) / MAX_BYTE as f64).max(f64::from(f32::MIN_POSITIVE));
        let scale = f64::from(scale as f32);
        let zero_point = (-low / scale).round_ties_even().clamp(0.0, MAX_BYTE as f64);
        Self { scale, zero_point: zero_point as i64 }
    }

    /// The least and the largest number on it.
    pub fn range(&self) -> [f64; 2] {
        [-self.zero_point, MAX_BYTE - self.zero_point].map(|steps| steps as f64 * self.scale)
    }
}

/// The weights of a convolution or linear layer.
#[derive(Debug)]
pub struct Layer {
    /// `[outputs, inputs / groups, rows, columns]` or `[outputs, inputs]`.
    pub weight: Weight,
    /// `[outputs]`.
    pub bias: Option<Weight>,
    /// Float `[outputs]`: the distance of two neighbours on the grid of each output channel's weights, which go from -127 to 127 times
    /// it; none where the layer computes in floating point.
    pub scales: Option<Tensor>,
}

impl Clone for Layer {
    /// The copy shares the memory.
    fn clone(&self) -> Self {
        let scales = self.scales.as_ref().map(Tensor::shallow_clone);
        Self { weight: self.weight.clone(), bias: self.bias.clone(), scales }
    }
}

/// How a convolution moves over an image; pairs are rows, columns.
#[derive(Debug, Clone)]
pub struct Convolution {
    /// Its weights.
    pub layer: Layer,
    /// Pixels between two outputs.
    pub stride: [i64; 2],
    /// Zeros on both sides.
    pub padding: [i64; 2],
    /// Pixels between two weights.
    pub dilation: [i64; 2],
    /// Groups of channels.
    pub groups: i64,
}

impl Convolution {
    /// Whether each output channel reads the input channel of its own number alone.
    pub fn is_depthwise(&self) -> bool {
        let shape = self.layer.weight.tensor.size();
        self.groups == shape[0] && shape[1] == 1
    }

    /// Whether it reads single pixels, of all channels.
    pub fn is_pointwise(&self) -> bool {
        self.groups == 1 && self.layer.weight.tensor.size()[2..] == [1, 1] && self.padding == [0, 0]
    }
}

/// Functions of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Unary {
    Relu,
    Sigmoid,
    Tanh,
    Exp,
    Sqrt,
    Neg,
    /// By the error function.
    Gelu,
    HardSwish,
}

/// Functions of two numbers; shapes are broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
}

/// What a node computes. Axes count from the front.
#[derive(Debug, Clone)]
pub enum Operation {
    /// A tensor that is known; reads nothing.
    Constant(Weight),
    /// A convolution of `[N, C, H, W]`.
    Convolution(Convolution),
    /// `x Wᵀ + b` along the last axis.
    Linear(Layer),
    /// A function of each number.
    Unary(Unary),
    /// A function of two tensors.
    Binary(Binary),
    /// Limits.
    Clip {
        /// The least value.
        low: Option<f64>,
        /// The largest value.
        high: Option<f64>,
    },
    /// The product of two matrices, or of several.
    MatMul,
    /// Probabilities along an axis.
    Softmax(usize),
    /// The position of the largest number along an axis, of equal ones the first.
    ArgMax {
        /// The axis.
        axis: usize,
        /// Whether the axis stays, with one position.
        keep: bool,
    },
    /// The mean over axes.
    Mean {
        /// The axes.
        axes: Vec<usize>,
        /// Whether they stay, with one position each.
        keep: bool,
    },
    /// The mean of each channel of `[N, C, H, W]`: `[N, C, 1, 1]`.
    GlobalAveragePool,
    /// The largest number of each window.
    MaxPool {
        /// Sides of the window.
        kernel: [i64; 2],
        /// Pixels between two windows.
        stride: [i64; 2],
        /// Pixels without a value on both sides.
        padding: [i64; 2],
        /// Pixels between two values of a window.
        dilation: [i64; 2],
        /// Whether the last window may be incomplete.
        ceil: bool,
    },
    /// Bilinear, `align_corners=False`, to a height and width.
    Resize([i64; 2]),
    /// The same to the height and width of the second input.
    ResizeAs,
    /// Tensors one behind the other along an axis.
    Concat(usize),
    /// Other sides for the same numbers; one may be -1, and 0 keeps the side in its place.
    Reshape(Vec<i64>),
    /// All axes from this one on become one.
    Flatten(usize),
    /// Another order of the axes.
    Transpose(Vec<usize>),
    /// The channels of `[N, C, H, W]` in another order: one of each group in turn.
    ChannelShuffle(i64),
    /// A new axis with one position.
    Unsqueeze(usize),
    /// The first tensor repeated to the shape of the second.
    ExpandAs,
    /// Repeated to these sides; -1 keeps a side.
    Expand(Vec<i64>),
    /// Zeros in the shape of a tensor.
    ZerosLike,
    /// A part along an axis; a negative end counts from the back.
    Slice {
        /// The axis.
        axis: usize,
        /// The first position.
        start: i64,
        /// The position after the last.
        end: i64,
        /// The distance of two.
        step: i64,
    },
    /// One position of an axis, which goes.
    Select {
        /// The axis.
        axis: usize,
        /// The position; a negative one counts from the back.
        position: i64,
    },
    /// Other elements.
    Cast(Element),
}

impl Operation {
    /// The weights of a convolution or linear layer.
    pub fn layer(&self) -> Option<&Layer> {
        match self {
            Self::Convolution(convolution) => Some(&convolution.layer),
            Self::Linear(layer) => Some(layer),
            _ => None,
        }
    }

    pub(super) fn layer_mut(&mut self) -> Option<&mut Layer> {
        match self {
            Self::Convolution(convolution) => Some(&mut convolution.layer),
            Self::Linear(layer) => Some(layer),
            _ => None,
        }
    }

    /// Whether runtimes compute it together with the layer before it.
    pub fn is_activation(&self) -> bool {
        matches!(self, Self::Unary(Unary::Relu) | Self::Clip { .. })
    }

    /// Its name in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Constant(_) => "constant",
            Self::Convolution(convolution) if convolution.is_depthwise() => "depthwise",
            Self::Convolution(convolution) if convolution.is_pointwise() => "pointwise",
            Self::Convolution(_) => "convolution",
            Self::Linear(_) => "linear",
            Self::Unary(Unary::Relu) => "relu",
            Self::Unary(Unary::Sigmoid) => "sigmoid",
            Self::Unary(Unary::Tanh) => "tanh",
            Self::Unary(Unary::Exp) => "exp",
            Self::Unary(Unary::Sqrt) => "sqrt",
            Self::Unary(Unary::Neg) => "neg",
            Self::Unary(Unary::Gelu) => "gelu",
            Self::Unary(Unary::HardSwish) => "hardswish",
            Self::Binary(Binary::Add) => "add",
            Self::Binary(Binary::Sub) => "sub",
            Self::Binary(Binary::Mul) => "mul",
            Self::Binary(Binary::Div) => "div",
            Self::Binary(Binary::Min) => "min",
            Self::Binary(Binary::Max) => "max",
            Self::Clip { .. } => "clip",
            Self::MatMul => "matmul",
            Self::Softmax(_) => "softmax",
            Self::ArgMax { .. } => "argmax",
            Self::Mean { .. } => "mean",
            Self::GlobalAveragePool => "global average pool",
            Self::MaxPool { .. } => "max pool",
            Self::Resize(_) | Self::ResizeAs => "resize",
            Self::Concat(_) => "concat",
            Self::Reshape(_) => "reshape",
            Self::Flatten(_) => "flatten",
            Self::Transpose(_) => "transpose",
            Self::ChannelShuffle(_) => "channel shuffle",
            Self::Unsqueeze(_) => "unsqueeze",
            Self::ExpandAs | Self::Expand(_) => "expand",
            Self::ZerosLike => "zeros",
            Self::Slice { .. } => "slice",
            Self::Select { .. } => "select",
            Self::Cast(_) => "cast",
        }
    }
}

/// A vector along an axis of a tensor of this rank, to be multiplied with it.
pub(crate) fn along(vector: &Tensor, axis: usize, rank: usize) -> Result<Tensor, tch::TchError> {
    let mut shape = vec![1; rank];
    shape[axis] = -1;
    vector.f_view(shape.as_slice())
}
