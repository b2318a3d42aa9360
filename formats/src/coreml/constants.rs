//! The constants of programs, and the kinds and shapes of values.

use tch::{Kind as TorchKind, Tensor};

use super::interpreter::Held;
use super::model::WEIGHTS;
use super::proto::{Operation, TensorType, TensorValue, Value, ValueType};
use super::session::{equal, place};
use super::value::Kind;
use super::weights::blob;
use crate::{Error, MOST_ELEMENTS};

/// The value of an operation that is a constant, or one that is computed when a program is loaded.
pub(super) fn constant(operation: &Operation, weights: &[u8]) -> Result<Option<Held>, Error> {
    let attribute = |name: &str| -> Result<Held, Error> {
        let missing = || Error::value(format!("`{name}` of {}", place(operation)), "there", "missing");
        read(operation.attributes.get(name).ok_or_else(missing)?, weights)
    };
    let value = match operation.r#type.as_str() {
        "const" => attribute("val")?,
        "constexpr_affine_dequantize" => {
            let (steps, zero, scale, axis) =
                (attribute("quantized_data")?, attribute("zero_point")?, attribute("scale")?, attribute("axis")?);
            let failed = |cause| Error::Torch { action: format!("reading {}", place(operation)), cause };
            let kind = scale.kind();
            let (steps, scale) = (steps.tensor()?, scale.tensor()?);
            let weight = dequantized(steps, zero.tensor()?, scale, axis.int()?).map_err(failed)?;
            Held::Tensor(weight, kind)
        }
        _ => return Ok(None),
    };
    let r#type = operation.outputs.first().and_then(|output| output.r#type.as_ref());
    declared(r#type, value).map(Some)
}

/// `(steps - zero) * scale`, with a scale for each position of an axis.
pub(super) fn dequantized(steps: &Tensor, zero: &Tensor, scale: &Tensor, axis: i64) -> Result<Tensor, tch::TchError> {
    let shaped = |tensor: &Tensor| -> Result<Tensor, tch::TchError> {
        let tensor = tensor.f_to_kind(TorchKind::Float)?;
        if tensor.dim() == 0 {
            return Ok(tensor);
        }
        let mut shape = vec![1; steps.dim()];
        if let Some(side) = usize::try_from(axis).ok().and_then(|axis| shape.get_mut(axis)) {
            *side = -1;
        }
        tensor.f_view(shape.as_slice())
    };
    steps.f_to_kind(TorchKind::Float)?.f_sub(&shaped(zero)?)?.f_mul(&shaped(scale)?)
}

/// A constant of a program.
pub(super) fn read(value: &Value, weights: &[u8]) -> Result<Held, Error> {
    let r#type = value.r#type.as_ref();
    if let Some(list) = value.immediate.as_ref().and_then(|immediate| immediate.list.as_ref()) {
        let one = |value: &Value| match read(value, weights)? {
            Held::Texts(mut texts) if texts.len() == 1 => Ok(texts.remove(0)),
            _ => Err(Error::value("a list", "of texts", "of others")),
        };
        return Ok(Held::Texts(list.values.iter().map(one).collect::<Result<_, _>>()?));
    }
    let tensor = r#type.and_then(|r#type| r#type.tensor.as_ref());
    let tensor = tensor.ok_or_else(|| Error::value("a constant", "a tensor or a list of texts", "another"))?;
    let (kind, shape) = (Kind::of(tensor.data_type)?, shape_of(tensor)?);
    let count = shape.iter().product::<i64>() as usize;
    if let Some(place) = &value.blob {
        if place.file != WEIGHTS {
            return Err(Error::value("the file of a constant", WEIGHTS, place.file.clone()));
        }
        return numbers(kind, &shape, blob(weights, place.offset, kind, count * kind.bytes())?);
    }
    let missing = || Error::value("a constant", "with a value", "without one");
    let held = value.immediate.as_ref().and_then(|immediate| immediate.tensor.as_ref()).ok_or_else(missing)?;
    let TensorValue { floats, ints, bools, strings, bytes } = held;
    let found = match kind {
        Kind::Text => {
            let strings = strings.clone().unwrap_or_default().values;
            equal("the number of texts of a constant", count as i64, strings.len() as i64)?;
            return Ok(Held::Texts(strings));
        }
        Kind::Bool => bools.iter().flat_map(|all| all.values.iter().map(|&flag| u8::from(flag))).collect(),
        Kind::F32 => floats.iter().flat_map(|all| all.values.iter().flat_map(|one| one.to_le_bytes())).collect(),
        Kind::I32 => ints.iter().flat_map(|all| all.values.iter().flat_map(|one| one.to_le_bytes())).collect(),
        Kind::F16 | Kind::I8 | Kind::U32 => bytes.clone().unwrap_or_default().values,
    };
    equal("the bytes of a constant", (count * kind.bytes()) as i64, found.len() as i64)?;
    numbers(kind, &shape, &found)
}

/// Numbers, little-endian, as a tensor.
fn numbers(kind: Kind, shape: &[i64], bytes: &[u8]) -> Result<Held, Error> {
    let words = || bytes.as_chunks::<4>().0.iter();
    let flat = match kind {
        Kind::F16 => {
            let halves = bytes.as_chunks::<2>().0.iter().map(|&half| half::f16::from_le_bytes(half).to_f32());
            Tensor::from_slice(&halves.collect::<Vec<_>>())
        }
        Kind::F32 => Tensor::from_slice(&words().map(|&word| f32::from_le_bytes(word)).collect::<Vec<_>>()),
        Kind::I32 => Tensor::from_slice(&words().map(|&word| i32::from_le_bytes(word)).collect::<Vec<_>>()),
        Kind::U32 => Tensor::from_slice(&words().map(|&word| i64::from(u32::from_le_bytes(word))).collect::<Vec<_>>()),
        Kind::I8 => Tensor::from_slice(&bytes.iter().map(|&byte| byte as i8).collect::<Vec<_>>()),
        Kind::Bool => Tensor::from_slice(&bytes.iter().map(|&byte| byte != 0).collect::<Vec<_>>()),
        Kind::Text => return Err(Error::value("a constant", "numbers", "texts")),
    };
    let tensor = flat.f_view(shape).map_err(|cause| Error::Torch { action: "reading a constant".to_owned(), cause })?;
    Ok(Held::Tensor(tensor, kind))
}

/// The shape of a tensor that is known, of no more elements than a tensor may have.
fn shape_of(tensor: &TensorType) -> Result<Vec<i64>, Error> {
    let side = |dimension: &super::proto::Dimension| {
        let side = dimension.constant.as_ref().and_then(|constant| i64::try_from(constant.size).ok());
        side.ok_or_else(|| Error::value("a side of a constant", "a number", "unknown"))
    };
    let shape: Vec<i64> = tensor.dimensions.iter().map(side).collect::<Result<_, _>>()?;
    within(&shape)?;
    Ok(shape)
}

/// Refuses shapes of more elements than a tensor may have.
pub(super) fn within(shape: &[i64]) -> Result<(), Error> {
    let count = shape.iter().try_fold(1_i64, |count, &side| count.checked_mul(side.max(0)));
    match count.is_some_and(|count| count <= MOST_ELEMENTS as i64) {
        true => Ok(()),
        false => Err(Error::value(
            "the number of a tensor's elements",
            format!("at most {MOST_ELEMENTS}"),
            format!("{shape:?}"),
        )),
    }
}

/// A value of the kind that is declared for it, whose shape has to be the declared one.
pub(super) fn declared(r#type: Option<&ValueType>, value: Held) -> Result<Held, Error> {
    let (Some(tensor), Held::Tensor(found, kind)) = (r#type.and_then(|r#type| r#type.tensor.as_ref()), &value) else {
        return Ok(value);
    };
    let expected = Kind::of(tensor.data_type)?;
    if expected != *kind && !matches!((expected, kind), (Kind::Text, _)) {
        return Err(Error::value("its kind", expected.name(), kind.name()));
    }
    let sides = found.size();
    let fits = |(dimension, side): (&super::proto::Dimension, &i64)| {
        dimension.constant.as_ref().is_none_or(|constant| constant.size == *side as u64)
    };
    let same = sides.len() == tensor.dimensions.len() && tensor.dimensions.iter().zip(&sides).all(fits);
    if expected != Kind::Text && !(same && tensor.rank == sides.len() as i64) {
        return Err(Error::value("its shape", format!("{:?}", sides_of(tensor)), format!("{sides:?}")));
    }
    Ok(value)
}

/// The sides of a tensor, in words.
fn sides_of(tensor: &TensorType) -> Vec<String> {
    let side = |dimension: &super::proto::Dimension| {
        dimension.constant.as_ref().map_or("?".to_owned(), |constant| constant.size.to_string())
    };
    tensor.dimensions.iter().map(side).collect()
}
