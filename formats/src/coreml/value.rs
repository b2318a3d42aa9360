//! Values of a program as messages: their types, and constants.

use super::proto::{
    self, ArrayKind, Bools, Bytes, Constant, DataType, Dimension, Floats, Immediate, Ints, ListType, ListValue,
    Nothing, Strings, TensorType, TensorValue, ValueType,
};
use crate::Error;
use crate::graph::Side;

/// The kind of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 16-bit floating point.
    F16,
    /// 32-bit floating point.
    F32,
    /// Bytes with a sign.
    I8,
    /// 32-bit integers.
    I32,
    /// 32-bit integers without a sign.
    U32,
    /// Truth values.
    Bool,
    /// Texts.
    Text,
}

impl Kind {
    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::F16 => DataType::F16,
            Self::F32 => DataType::F32,
            Self::I8 => DataType::I8,
            Self::I32 => DataType::I32,
            Self::U32 => DataType::U32,
            Self::Bool => DataType::Bool,
            Self::Text => DataType::String,
        }
    }

    /// # Errors
    /// [`Error::Value`] for kinds that are not supported.
    pub(super) fn of(number: i32) -> Result<Self, Error> {
        let all = [Self::F16, Self::F32, Self::I8, Self::I32, Self::U32, Self::Bool, Self::Text];
        let found = all.into_iter().find(|kind| kind.data_type() as i32 == number);
        found.ok_or_else(|| {
            Error::value(
                "the kind of a tensor",
                "fp16, fp32, int8, int32, uint32, bool or string",
                format!("number {number}"),
            )
        })
    }

    /// Its name in programs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::F16 => "fp16",
            Self::F32 => "fp32",
            Self::I8 => "int8",
            Self::I32 => "int32",
            Self::U32 => "uint32",
            Self::Bool => "bool",
            Self::Text => "string",
        }
    }

    /// The same kind in the description of a model's inputs and outputs.
    pub(super) fn of_feature(self) -> ArrayKind {
        if self == Self::I32 { ArrayKind::I32 } else { ArrayKind::F32 }
    }

    /// Bytes per element of numbers.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::I8 | Self::Bool | Self::Text => 1,
        }
    }
}

/// The type of a tensor.
pub(super) fn tensor_type(kind: Kind, sides: &[Side]) -> ValueType {
    let dimension = |side: &Side| match side.free {
        true => Dimension { constant: None, unknown: Some(Nothing {}) },
        false => Dimension { constant: Some(Constant { size: side.length as u64 }), unknown: None },
    };
    let tensor = TensorType {
        data_type: kind.data_type() as i32,
        rank: sides.len() as i64,
        dimensions: sides.iter().map(dimension).collect(),
    };
    ValueType { tensor: Some(tensor), ..ValueType::default() }
}

/// The type of tensors of fixed sides.
pub(super) fn fixed_type(kind: Kind, shape: &[i64]) -> ValueType {
    tensor_type(kind, &shape.iter().map(|&length| Side::fixed(length)).collect::<Vec<_>>())
}

/// What is written in a program itself.
fn immediate(r#type: ValueType, tensor: TensorValue) -> proto::Value {
    let immediate = Immediate { tensor: Some(tensor), list: None };
    proto::Value { r#type: Some(r#type), immediate: Some(immediate), blob: None }
}

/// A text.
pub(super) fn text(text: &str) -> proto::Value {
    let strings = Strings { values: vec![text.to_owned()] };
    immediate(fixed_type(Kind::Text, &[]), TensorValue { strings: Some(strings), ..TensorValue::default() })
}

/// A list of texts.
pub(super) fn texts(all: &[String]) -> proto::Value {
    let length = Dimension { constant: Some(Constant { size: all.len() as u64 }), unknown: None };
    let list = ListType { of: Some(fixed_type(Kind::Text, &[])), length: Some(length) };
    proto::Value {
        r#type: Some(ValueType { list: Some(Box::new(list)), ..ValueType::default() }),
        immediate: Some(Immediate {
            tensor: None,
            list: Some(ListValue { values: all.iter().map(|one| text(one)).collect() }),
        }),
        blob: None,
    }
}

/// Truth values.
pub(super) fn flags(shape: &[i64], values: &[bool]) -> proto::Value {
    let bools = Bools { values: values.to_vec() };
    immediate(fixed_type(Kind::Bool, shape), TensorValue { bools: Some(bools), ..TensorValue::default() })
}

/// Numbers, little-endian.
///
/// # Panics
/// For other kinds than those of numbers.
pub(super) fn numbers(kind: Kind, shape: &[i64], bytes: &[u8]) -> proto::Value {
    let words = || bytes.as_chunks::<4>().0.iter();
    let tensor = match kind {
        Kind::F32 => {
            let values = words().map(|&word| f32::from_le_bytes(word)).collect();
            TensorValue { floats: Some(Floats { values }), ..TensorValue::default() }
        }
        Kind::I32 => {
            let values = words().map(|&word| i32::from_le_bytes(word)).collect();
            TensorValue { ints: Some(Ints { values }), ..TensorValue::default() }
        }
        Kind::F16 | Kind::I8 | Kind::U32 => {
            TensorValue { bytes: Some(Bytes { values: bytes.to_vec() }), ..TensorValue::default() }
        }
        Kind::Bool | Kind::Text => unreachable!("these have functions of their own"),
    };
    immediate(fixed_type(kind, shape), tensor)
}
