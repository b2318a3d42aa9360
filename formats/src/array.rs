//! Plain buffers with a shape: the constants of a file, the inputs and outputs of a session.

use tch::Kind;

use crate::Error;

/// The most elements of a tensor in a file that is run: a short file could ask for any memory.
pub(crate) const MOST_ELEMENTS: usize = 1 << 28;

/// The kinds of elements that are supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// 32-bit floating point.
    F32,
    /// Bytes, as images have them.
    U8,
    /// Bytes with a sign, as quantised weights are.
    I8,
    /// 32-bit integers, as quantised biases are.
    I32,
    /// 64-bit integers.
    I64,
    /// Truth values, a byte each.
    Bool,
}

impl Element {
    const ALL: [Self; 6] = [Self::F32, Self::U8, Self::I8, Self::I32, Self::I64, Self::Bool];

    /// Its number in ONNX (`TensorProto.DataType`).
    pub fn code(self) -> i32 {
        match self {
            Self::F32 => 1,
            Self::U8 => 2,
            Self::I8 => 3,
            Self::I32 => 6,
            Self::I64 => 7,
            Self::Bool => 9,
        }
    }

    /// The kind with this number in ONNX.
    pub fn from_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|element| element.code() == code)
    }

    /// The same kind in libtorch.
    pub fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::Float,
            Self::U8 => Kind::Uint8,
            Self::I8 => Kind::Int8,
            Self::I32 => Kind::Int,
            Self::I64 => Kind::Int64,
            Self::Bool => Kind::Bool,
        }
    }

    /// Bytes per element.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 | Self::I32 => 4,
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::I64 => 8,
        }
    }

    /// Its name in ONNX.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "float",
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::Bool => "bool",
        }
    }
}

/// The elements of an [`Array`], row by row.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// 32-bit floating point.
    F32(Vec<f32>),
    /// Bytes.
    U8(Vec<u8>),
    /// Bytes with a sign.
    I8(Vec<i8>),
    /// 32-bit integers.
    I32(Vec<i32>),
    /// 64-bit integers.
    I64(Vec<i64>),
    /// Truth values.
    Bool(Vec<bool>),
}

/// Elements and their shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    data: Data,
}

impl Array {
    /// An array; without a dimension it is one number.
    ///
    /// # Errors
    /// [`Error::Volume`] where the number of elements does not fit the shape.
    pub fn new(shape: Vec<usize>, data: Data) -> Result<Self, Error> {
        let array = Self { shape, data };
        let volume = array.shape.iter().try_fold(1_usize, |volume, &side| volume.checked_mul(side));
        if volume == Some(array.len()) {
            Ok(array)
        } else {
            Err(Error::Volume { found: array.len(), shape: array.shape })
        }
    }

    /// A list of integers, `[len]`.
    pub(crate) fn ints(values: &[i64]) -> Self {
        Self { shape: vec![values.len()], data: Data::I64(values.to_vec()) }
    }

    /// A list of numbers, `[len]`.
    pub(crate) fn floats(values: &[f32]) -> Self {
        Self { shape: vec![values.len()], data: Data::F32(values.to_vec()) }
    }

    /// One number, without a dimension.
    pub(crate) fn scalar(data: Data) -> Self {
        Self { shape: Vec::new(), data }
    }

    /// The dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The kind of the elements.
    pub fn element(&self) -> Element {
        match self.data {
            Data::F32(_) => Element::F32,
            Data::U8(_) => Element::U8,
            Data::I8(_) => Element::I8,
            Data::I32(_) => Element::I32,
            Data::I64(_) => Element::I64,
            Data::Bool(_) => Element::Bool,
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::F32(values) => values.len(),
            Data::U8(values) => values.len(),
            Data::I8(values) => values.len(),
            Data::I32(values) => values.len(),
            Data::I64(values) => values.len(),
            Data::Bool(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As in a file: little endian.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match &self.data {
            Data::F32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Data::U8(values) => values.clone(),
            Data::I8(values) => values.iter().map(|&value| value as u8).collect(),
            Data::I32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Data::I64(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Data::Bool(values) => values.iter().map(|&value| u8::from(value)).collect(),
        }
    }
}
