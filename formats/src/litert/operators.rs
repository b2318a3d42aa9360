//! The operators of LiteRT: their numbers and versions, and their options as tables, all from TensorFlow Lite's `schema.fbs`.
//!
//! A version is the smallest that has what is used, so that old runtimes take the file.

use super::flatbuffer::Field;
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

fn plain(number: i32, version: i32) -> Operator {
    Operator { code: Code { number, version, custom: "" }, options: Options::None }
}

fn with(number: i32, version: i32, table: u8, fields: Vec<(u16, Field)>) -> Operator {
    Operator { options: Options::Table(table, fields), ..plain(number, version) }
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
    pub depthwise: bool,
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
    // A depthwise layer has the number of outputs of each channel between.
    let next = if depthwise {
        fields.push((3, Field::Int(1)));
        4
    } else {
        3
    };
    fields.extend([(next, activation.field()), (next + 1, int(dilation[1])), (next + 2, int(dilation[0]))]);
    let version = match (int8, depthwise && dilation != [1, 1]) {
        (true, _) => 3,
        (false, true) => 2,
        (false, false) => 1,
    };
    if depthwise { with(4, version, 2, fields) } else { with(3, version, 1, fields) }
}

pub(super) fn linear(int8: bool, activation: Activation) -> Operator {
    with(9, if int8 { 4 } else { 1 }, 8, vec![(0, activation.field())])
}

pub(super) fn quantize() -> Operator {
    with(114, 1, 89, vec![])
}

/// Bytes on another grid.
pub(super) fn requantize() -> Operator {
    with(114, 2, 89, vec![])
}

pub(super) fn dequantize() -> Operator {
    with(6, 2, 38, vec![])
}

/// Weights with a scale for each output channel as numbers.
pub(super) fn dequantize_channels() -> Operator {
    with(6, 5, 38, vec![])
}

/// Numbers of 16 bits as numbers of 32.
pub(super) fn widen() -> Operator {
    with(6, 3, 38, vec![])
}

pub(super) fn cast() -> Operator {
    with(53, 1, 37, vec![])
}

pub(super) fn transpose() -> Operator {
    with(39, 1, 26, vec![])
}

pub(super) fn reshape() -> Operator {
    with(22, 1, 17, vec![])
}

pub(super) fn pad(int8: bool) -> Operator {
    with(34, if int8 { 2 } else { 1 }, 22, vec![])
}

pub(super) fn softmax() -> Operator {
    with(25, 1, 9, vec![(0, Field::Float(1.0))])
}

pub(super) fn concat(int8: bool, axis: usize) -> Operator {
    with(2, if int8 { 2 } else { 1 }, 10, vec![(0, Field::Int(axis as i32))])
}

pub(super) fn mean(keep: bool) -> Operator {
    with(40, 1, 27, vec![(0, Field::Byte(keep.into()))])
}

/// Bilinear, by the centres of pixels.
pub(super) fn resize() -> Operator {
    with(23, 3, 15, vec![(2, Field::Byte(0)), (3, Field::Byte(1))])
}

/// With 64-bit results.
pub(super) fn arg_max() -> Operator {
    with(56, 1, 40, vec![(0, Field::Byte(4))])
}

/// Masks of axes: whole from the begin, whole to the end, left out.
pub(super) fn slice(begin: i32, end: i32, shrink: i32) -> Operator {
    with(45, 1, 32, vec![(0, Field::Int(begin)), (1, Field::Int(end)), (4, Field::Int(shrink))])
}

/// As 32-bit integers.
pub(super) fn shape() -> Operator {
    with(77, 1, 55, vec![(0, Field::Byte(2))])
}

pub(super) fn logarithm() -> Operator {
    plain(73, 1)
}

/// The largest along the last axis, and their places.
pub(super) fn top() -> Operator {
    with(48, 1, 34, vec![])
}

pub(super) fn greater_equal() -> Operator {
    with(62, 1, 46, vec![])
}

pub(super) fn relu6() -> Operator {
    plain(21, 1)
}

/// One that is not built in.
pub(super) fn custom(name: &'static str, options: Vec<u8>) -> Operator {
    Operator { code: Code { number: 32, version: 1, custom: name }, options: Options::Custom(options) }
}

/// A function of one number, where LiteRT has it.
pub(super) fn unary(function: Unary) -> Option<Operator> {
    Some(match function {
        Unary::Relu => plain(19, 1),
        Unary::Sigmoid => plain(14, 1),
        Unary::Tanh => plain(28, 1),
        Unary::Exp => with(47, 1, 33, vec![]),
        Unary::Sqrt => plain(75, 1),
        Unary::Neg => with(59, 1, 42, vec![]),
        Unary::HardSwish => with(117, 1, 91, vec![]),
        Unary::Erf => return None,
    })
}

/// A function of two numbers.
pub(super) fn binary(function: Binary) -> Operator {
    let (number, table) = match function {
        Binary::Add => (0, 11),
        Binary::Sub => (41, 28),
        Binary::Mul => (18, 21),
        Binary::Div => (42, 29),
        Binary::Min => (57, 39),
        Binary::Max => (55, 39),
    };
    with(number, 1, table, vec![])
}
