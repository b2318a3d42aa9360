//! The operators of LiteRT with versions and options, from TensorFlow Lite's `schema.fbs`.
//!
//! A version is the smallest that has what is used, so that old runtimes take the file.

use super::flatbuffer::Field;
use super::kinds::{self, Kind};
use crate::graph::{Binary, Unary};

/// An operator with its settings.
#[derive(Debug, Clone)]
pub(super) struct Operator {
    pub code: Code,
    pub options: Options,
}

/// Which operator it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Code {
    pub number: i32,
    pub version: i32,
    /// The name of one that is not built in.
    pub custom: &'static str,
}

/// The settings of an operator.
#[derive(Debug, Clone)]
pub(super) enum Options {
    None,
    /// A table by its number in the schema.
    Table(u8, Vec<(u16, Field)>),
    /// Those of an operator that is not built in.
    Custom(Vec<u8>),
}

fn plain(kind: Kind, version: i32) -> Operator {
    Operator { code: Code { number: kind.number, version, custom: "" }, options: Options::None }
}

fn with(kind: Kind, version: i32, table: u8, fields: Vec<(u16, Field)>) -> Operator {
    Operator { options: Options::Table(table, fields), ..plain(kind, version) }
}

/// What a layer computes of its sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    None,
    Relu,
    Relu6,
}

impl Activation {
    fn field(self) -> Field {
        Field::Byte(match self {
            Self::None => 0,
            Self::Relu => 1,
            Self::Relu6 => 3,
        })
    }
}

/// How a convolution moves over an image; pairs are rows, columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moves {
    /// The outputs of each channel, where channels do not mix.
    pub depthwise: Option<i64>,
    pub int8: bool,
    /// Whether zeros around the image keep its size; otherwise there are none.
    pub keeps_size: bool,
    pub stride: [i64; 2],
    pub dilation: [i64; 2],
}

pub(super) fn convolution(moves: Moves, activation: Activation) -> Operator {
    let Moves { depthwise, int8, keeps_size, stride, dilation } = moves;
    let int = |value: i64| Field::Int(value as i32);
    let padding = Field::Byte(if keeps_size { 0 } else { 1 });
    let mut fields = vec![(0, padding), (1, int(stride[1])), (2, int(stride[0]))];
    fields.extend(depthwise.map(|outputs| (3, int(outputs))));
    let next = fields.len() as u16;
    fields.extend([(next, activation.field()), (next + 1, int(dilation[1])), (next + 2, int(dilation[0]))]);
    let version = match (int8, depthwise.is_some() && dilation != [1, 1]) {
        (true, _) => 3,
        (false, true) => 2,
        (false, false) => 1,
    };
    if depthwise.is_some() {
        with(kinds::DEPTHWISE_CONV_2D, version, 2, fields)
    } else {
        with(kinds::CONV_2D, version, 1, fields)
    }
}

pub(super) fn linear(int8: bool, activation: Activation) -> Operator {
    with(kinds::FULLY_CONNECTED, if int8 { 4 } else { 1 }, 8, vec![(0, activation.field())])
}

/// Along the last axis of more than rows; the other axes stay.
pub(super) fn linear_of_any_rank(activation: Activation) -> Operator {
    with(kinds::FULLY_CONNECTED, 5, 8, vec![(0, activation.field()), (2, Field::Byte(1))])
}

/// Of the last two axes.
pub(super) fn mat_mul() -> Operator {
    with(kinds::BATCH_MATMUL, 1, 101, vec![])
}

pub(super) fn quantize() -> Operator {
    with(kinds::QUANTIZE, 1, 89, vec![])
}

/// Bytes on another grid.
pub(super) fn requantize() -> Operator {
    with(kinds::QUANTIZE, 2, 89, vec![])
}

pub(super) fn dequantize() -> Operator {
    with(kinds::DEQUANTIZE, 2, 38, vec![])
}

/// Weights with a scale for each output channel as numbers.
pub(super) fn dequantize_channels() -> Operator {
    with(kinds::DEQUANTIZE, 5, 38, vec![])
}

/// Numbers of 16 bits as numbers of 32.
pub(super) fn widen() -> Operator {
    with(kinds::DEQUANTIZE, 3, 38, vec![])
}

pub(super) fn cast() -> Operator {
    with(kinds::CAST, 1, 37, vec![])
}

pub(super) fn transpose() -> Operator {
    with(kinds::TRANSPOSE, 1, 26, vec![])
}

pub(super) fn reshape() -> Operator {
    with(kinds::RESHAPE, 1, 17, vec![])
}

pub(super) fn pad(int8: bool) -> Operator {
    with(kinds::PAD, if int8 { 2 } else { 1 }, 22, vec![])
}

/// With a number around the map instead of zeros.
pub(super) fn pad_with() -> Operator {
    with(kinds::PADV2, 1, 43, vec![])
}

/// The largest of each window, of which all are complete; pairs are rows, columns.
pub(super) fn max_pool(kernel: [i64; 2], stride: [i64; 2]) -> Operator {
    let int = |value: i64| Field::Int(value as i32);
    let sides = [stride[1], stride[0], kernel[1], kernel[0]].map(int);
    let fields = std::iter::once(Field::Byte(1)).chain(sides);
    with(kinds::MAX_POOL_2D, 1, 5, (0..).zip(fields).collect())
}

pub(super) fn softmax() -> Operator {
    with(kinds::SOFTMAX, 1, 9, vec![(0, Field::Float(1.0))])
}

pub(super) fn concat(int8: bool, axis: usize) -> Operator {
    with(kinds::CONCATENATION, if int8 { 2 } else { 1 }, 10, vec![(0, Field::Int(axis as i32))])
}

pub(super) fn mean(keep: bool) -> Operator {
    with(kinds::MEAN, 1, 27, vec![(0, Field::Byte(keep.into()))])
}

/// Bilinear, by the centres of pixels.
pub(super) fn resize() -> Operator {
    with(kinds::RESIZE_BILINEAR, 3, 15, vec![(2, Field::Byte(0)), (3, Field::Byte(1))])
}

/// With 64-bit results.
pub(super) fn arg_max() -> Operator {
    with(kinds::ARG_MAX, 1, 40, vec![(0, Field::Byte(4))])
}

/// Masks of axes: whole from the begin, whole to the end, left out.
pub(super) fn slice(begin: i32, end: i32, shrink: i32) -> Operator {
    with(kinds::STRIDED_SLICE, 1, 32, vec![(0, Field::Int(begin)), (1, Field::Int(end)), (4, Field::Int(shrink))])
}

/// As 32-bit integers.
pub(super) fn shape() -> Operator {
    with(kinds::SHAPE, 1, 55, vec![(0, Field::Byte(2))])
}

pub(super) fn logarithm() -> Operator {
    plain(kinds::LOG, 1)
}

/// The largest along the last axis, and their places.
pub(super) fn top() -> Operator {
    with(kinds::TOPK_V2, 1, 34, vec![])
}

pub(super) fn greater_equal() -> Operator {
    with(kinds::GREATER_EQUAL, 1, 46, vec![])
}

pub(super) fn relu6() -> Operator {
    plain(kinds::RELU6, 1)
}

/// One that is not built in.
pub(super) fn custom(name: &'static str, options: Vec<u8>) -> Operator {
    Operator {
        code: Code { number: kinds::CUSTOM.number, version: 1, custom: name },
        options: Options::Custom(options),
    }
}

/// A function of one number.
pub(super) fn unary(function: Unary) -> Operator {
    match function {
        Unary::Relu => plain(kinds::RELU, 1),
        Unary::Sigmoid => plain(kinds::LOGISTIC, 1),
        Unary::Tanh => plain(kinds::TANH, 1),
        Unary::Exp => with(kinds::EXP, 1, 33, vec![]),
        Unary::Sqrt => plain(kinds::SQRT, 1),
        Unary::Neg => with(kinds::NEG, 1, 42, vec![]),
        Unary::HardSwish => with(kinds::HARD_SWISH, 1, 91, vec![]),
        Unary::Gelu => with(kinds::GELU, 1, 116, vec![]),
    }
}

/// A function of two numbers.
pub(super) fn binary(function: Binary) -> Operator {
    let (kind, table) = match function {
        Binary::Add => (kinds::ADD, 11),
        Binary::Sub => (kinds::SUB, 28),
        Binary::Mul => (kinds::MUL, 21),
        Binary::Div => (kinds::DIV, 29),
        Binary::Min => (kinds::MINIMUM, 39),
        Binary::Max => (kinds::MAXIMUM, 39),
    };
    with(kind, 1, table, vec![])
}
