//! The operations of programs, computed by libtorch: one arm for each. Numbers of 16 bits are kept in 32 and rounded after each.

use std::collections::BTreeMap;

use tch::{Kind as TorchKind, Tensor};

use super::constants::{dequantized, within};
use super::proto::Operation;
use super::value::Kind;
use crate::Error;

/// A value of a program.
#[derive(Debug)]
pub(super) enum Held {
    Tensor(Tensor, Kind),
    Texts(Vec<String>),
}

impl Held {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Tensor(_, kind) => *kind,
            Self::Texts(_) => Kind::Text,
        }
    }

    pub(super) fn numbers(&self) -> usize {
        match self {
            Self::Tensor(tensor, _) => tensor.numel(),
            Self::Texts(texts) => texts.len(),
        }
    }

    pub(super) fn tensor(&self) -> Result<&Tensor, Error> {
        match self {
            Self::Tensor(tensor, _) => Ok(tensor),
            Self::Texts(_) => Err(Error::value("an argument", "a tensor", "a text")),
        }
    }

    pub(super) fn int(&self) -> Result<i64, Error> {
        match self.ints()?[..] {
            [number] => Ok(number),
            ref all => Err(Error::value("an argument", "one number", format!("{} numbers", all.len()))),
        }
    }

    fn ints(&self) -> Result<Vec<i64>, Error> {
        let flat = self.tensor()?.to_kind(TorchKind::Int64).contiguous().view(-1);
        Vec::try_from(flat).map_err(|cause| Error::Torch { action: "reading an argument".to_owned(), cause })
    }
}

/// An operation with what it is given.
pub(super) struct Call<'a> {
    pub(super) operation: &'a Operation,
    pub(super) constants: &'a BTreeMap<String, Held>,
    pub(super) values: &'a BTreeMap<&'a str, Held>,
}

impl Call<'_> {
    fn all(&self, argument: &str) -> Result<Vec<&Held>, Error> {
        let missing = || Error::value(format!("`{argument}`"), "there", "missing");
        let bindings = &self.operation.inputs.get(argument).ok_or_else(missing)?.bindings;
        let held = |name: &str| self.constants.get(name).or_else(|| self.values.get(name));
        bindings.iter().map(|binding| held(binding.name.as_deref().unwrap_or_default()).ok_or_else(missing)).collect()
    }

    fn one(&self, argument: &str) -> Result<&Held, Error> {
        match self.all(argument)?[..] {
            [held] => Ok(held),
            ref all => Err(Error::value(format!("`{argument}`"), "one value", format!("{} values", all.len()))),
        }
    }

    fn tensor(&self, argument: &str) -> Result<&Tensor, Error> {
        self.one(argument)?.tensor()
    }

    fn int(&self, argument: &str) -> Result<i64, Error> {
        self.one(argument)?.int()
    }

    fn ints(&self, argument: &str) -> Result<Vec<i64>, Error> {
        self.one(argument)?.ints()
    }

    /// As many numbers as are needed.
    fn pair<const COUNT: usize>(&self, argument: &str) -> Result<[i64; COUNT], Error> {
        let found = self.ints(argument)?;
        let count = found.len();
        let wrong = |_| Error::value(format!("`{argument}`"), format!("{COUNT} numbers"), count.to_string());
        found.try_into().map_err(wrong)
    }

    fn flag(&self, argument: &str) -> Result<bool, Error> {
        Ok(self.int(argument)? != 0)
    }

    fn number(&self, argument: &str) -> Result<f64, Error> {
        let tensor = self.tensor(argument)?;
        match tensor.numel() {
            1 => Ok(tensor.to_kind(TorchKind::Double).view(-1).double_value(&[0])),
            count => Err(Error::value(format!("`{argument}`"), "one number", format!("{count} numbers"))),
        }
    }

    fn text(&self, argument: &str) -> Result<&str, Error> {
        match self.one(argument)? {
            Held::Texts(texts) if texts.len() == 1 => Ok(&texts[0]),
            _ => Err(Error::value(format!("`{argument}`"), "a text", "another")),
        }
    }

    /// Refuses another text than the one that is supported.
    fn expect(&self, argument: &str, expected: &str) -> Result<(), Error> {
        match self.text(argument)? {
            found if found == expected => Ok(()),
            found => Err(Error::value(format!("`{argument}`"), expected, found)),
        }
    }
}

/// The results of an operation.
///
/// # Errors
/// [`Error::Value`] for an operation or argument that is not supported; libtorch's.
pub(super) fn compute(call: &Call<'_>) -> Result<Vec<Held>, Error> {
    let operator = call.operation.r#type.as_str();
    if operator == "classify" {
        return classified(call);
    }
    let kind = match operator {
        "quantize" => Kind::I8,
        "reduce_argmax" | "shape" => Kind::I32,
        "cast" => named(call.text("dtype")?)?,
        "dequantize" => call.one("scale")?.kind(),
        "concat" => call.all("values")?.first().map_or(Kind::F32, |held| held.kind()),
        _ => call.one("x")?.kind(),
    };
    let tensor = match operator {
        "quantize" | "dequantize" => steps(call, operator)?,
        "conv" | "max_pool" | "resize_bilinear" | "resize" => maps(call, operator)?,
        _ => plain(call, operator)?,
    };
    let tensor = match kind {
        Kind::F16 => tensor.f_to_kind(TorchKind::Half).and_then(|halves| halves.f_to_kind(TorchKind::Float)),
        Kind::F32 => tensor.f_to_kind(TorchKind::Float),
        Kind::I8 => tensor.f_to_kind(TorchKind::Int8),
        Kind::I32 => tensor.f_to_kind(TorchKind::Int),
        Kind::U32 | Kind::Bool | Kind::Text => Ok(tensor),
    };
    Ok(vec![Held::Tensor(tensor.map_err(failed)?, kind)])
}

fn named(name: &str) -> Result<Kind, Error> {
    let found = [Kind::F16, Kind::F32, Kind::I32].into_iter().find(|kind| kind.name() == name);
    found.ok_or_else(|| Error::value("`dtype`", "fp16, fp32 or int32", name))
}

fn failed(cause: tch::TchError) -> Error {
    Error::Torch { action: "computing it".to_owned(), cause }
}

/// The place of the best label, int64 `[1]`, and the probabilities as they are.
fn classified(call: &Call<'_>) -> Result<Vec<Held>, Error> {
    let probabilities = call.tensor("probabilities")?;
    let Held::Texts(labels) = call.one("classes")? else {
        return Err(Error::value("`classes`", "texts", "a tensor"));
    };
    if probabilities.numel() != labels.len() {
        let found = probabilities.numel().to_string();
        return Err(Error::value("the number of probabilities", labels.len().to_string(), found));
    }
    let best = probabilities.f_argmax(-1, false).map_err(failed)?;
    Ok(vec![Held::Tensor(best, Kind::Text), Held::Tensor(probabilities.shallow_clone(), Kind::F32)])
}

/// From numbers to bytes and back.
fn steps(call: &Call<'_>, operator: &str) -> Result<Tensor, Error> {
    let (input, scale, zero) = (call.tensor("input")?, call.tensor("scale")?, call.tensor("zero_point")?);
    let result = match operator {
        "quantize" => {
            call.expect("output_dtype", Kind::I8.name())?;
            let rounded = input.f_div(scale).and_then(|steps| steps.f_round());
            rounded.and_then(|steps| steps.f_add(zero)).and_then(|steps| steps.f_clamp(-128, 127))
        }
        _ => dequantized(input, zero, scale, 0),
    };
    result.map_err(failed)
}

/// The operations of maps `[N, C, H, W]`.
fn maps(call: &Call<'_>, operator: &str) -> Result<Tensor, Error> {
    let xs = call.tensor("x")?;
    let &[images, channels, rows, columns] = &xs.size()[..] else {
        return Err(Error::value("`x`", "of rank 4", format!("{:?}", xs.size())));
    };
    let padding = || -> Result<[i64; 2], Error> {
        call.expect("pad_type", "custom")?;
        let [top, bottom, left, right] = call.pair("pad")?;
        if (top, left) != (bottom, right) || top < 0 || left < 0 {
            let found = format!("{:?}", [top, bottom, left, right]);
            return Err(Error::value("`pad`", "the same on both sides, from 0", found));
        }
        within(&[images, channels, rows + 2 * top, columns + 2 * left])?;
        Ok([top, left])
    };
    let result = match operator {
        "conv" => {
            let (strides, dilations) = (call.pair::<2>("strides")?, call.pair::<2>("dilations")?);
            let (weight, bias) = (call.tensor("weight")?, call.tensor("bias")?);
            let pad = padding()?;
            let [rows, columns] = [rows + 2 * pad[0], columns + 2 * pad[1]];
            within(&[images, weight.size().first().copied().unwrap_or(0), rows, columns])?;
            xs.f_conv2d(weight, Some(bias), strides, pad, dilations, call.int("groups")?)
        }
        "max_pool" => {
            let (kernel, strides) = (call.pair::<2>("kernel_sizes")?, call.pair::<2>("strides")?);
            xs.f_max_pool2d(kernel, strides, padding()?, [1, 1], call.flag("ceil_mode")?)
        }
        _ => {
            call.expect("sampling_mode", "UNALIGN_CORNERS")?;
            let size = if operator == "resize" {
                call.expect("interpolation_mode", "LINEAR")?;
                if call.int("resized_dims")? != 2 {
                    return Err(Error::value("`resized_dims`", "2", "another number"));
                }
                call.pair("shape")?
            } else {
                [call.int("target_size_height")?, call.int("target_size_width")?]
            };
            within(&[images, channels, size[0], size[1]])?;
            xs.f_upsample_bilinear2d(size, false, None, None)
        }
    };
    result.map_err(failed)
}

fn plain(call: &Call<'_>, operator: &str) -> Result<Tensor, Error> {
    if operator == "concat" {
        if call.flag("interleave")? {
            return Err(Error::value("`interleave`", "false", "true"));
        }
        let parts = call.all("values")?.into_iter().map(Held::tensor).collect::<Result<Vec<_>, _>>()?;
        return Tensor::f_cat(&parts, call.int("axis")?).map_err(failed);
    }
    let xs = call.tensor("x")?;
    let other = |argument: &str| -> Result<&Tensor, Error> {
        let ys = call.tensor(argument)?;
        broadcast(&xs.size(), &ys.size())?;
        Ok(ys)
    };
    let result = match operator {
        "identity" | "cast" => Ok(xs.shallow_clone()),
        "relu" => xs.f_relu(),
        "sigmoid" => xs.f_sigmoid(),
        "tanh" => xs.f_tanh(),
        "exp" => xs.f_exp(),
        "sqrt" => xs.f_sqrt(),
        "erf" => xs.f_erf(),
        "sigmoid_hard" => {
            let (alpha, beta) = (call.number("alpha")?, call.number("beta")?);
            (xs * alpha + beta).f_clamp(0.0, 1.0)
        }
        "clip" => xs.f_clamp(call.number("alpha")?, call.number("beta")?),
        "add" => xs.f_add(other("y")?),
        "sub" => xs.f_sub(other("y")?),
        "mul" => xs.f_mul(other("y")?),
        "real_div" => xs.f_div(other("y")?),
        "minimum" => xs.f_minimum(other("y")?),
        "maximum" => xs.f_maximum(other("y")?),
        "matmul" => {
            let ys = call.tensor("y")?;
            if call.flag("transpose_x")? || call.flag("transpose_y")? {
                return Err(Error::value("a factor of matmul", "as it is", "transposed"));
            }
            within(&[xs.numel() as i64, ys.size().last().copied().unwrap_or(1)])?;
            xs.f_matmul(ys)
        }
        "linear" => {
            let weight = call.tensor("weight")?;
            within(&[xs.numel() as i64, weight.size().first().copied().unwrap_or(1)])?;
            xs.f_linear(weight, Some(call.tensor("bias")?))
        }
        "softmax" => xs.f_softmax(call.int("axis")?, None),
        "reduce_argmax" => xs.f_argmax(call.int("axis")?, call.flag("keep_dims")?),
        "reduce_mean" => xs.f_mean_dim(call.ints("axes")?.as_slice(), call.flag("keep_dims")?, None),
        "reshape" => xs.f_reshape(call.ints("shape")?),
        "transpose" => xs.f_permute(call.ints("perm")?),
        "tile" => {
            let times = call.ints("reps")?;
            within(&[&[xs.numel() as i64], &times[..]].concat())?;
            xs.f_repeat(times)
        }
        "shape" => Ok(Tensor::from_slice(&xs.size())),
        "slice_by_index" => sliced(call, xs),
        _ => return Err(Error::value("the operation", "one that this program writes", operator)),
    };
    result.map_err(failed)
}

/// Refuses two shapes that do not fit each other, or give too large a tensor.
fn broadcast(left: &[i64], right: &[i64]) -> Result<(), Error> {
    let longest = left.len().max(right.len());
    let side = |shape: &[i64], at: usize| shape.len().checked_sub(at + 1).map_or(1, |at| shape[at]);
    within(&(0..longest).map(|at| side(left, at).max(side(right, at))).collect::<Vec<_>>())
}

fn sliced(call: &Call<'_>, xs: &Tensor) -> Result<Tensor, tch::TchError> {
    let wrong = |error: Error| tch::TchError::Kind(error.to_string());
    let ints = |argument: &str| call.ints(argument).map_err(wrong);
    let (begin, end, stride) = (ints("begin")?, ints("end")?, ints("stride")?);
    let (begins, ends, squeezed) = (ints("begin_mask")?, ints("end_mask")?, ints("squeeze_mask")?);
    if [&begin, &end, &stride, &begins, &ends, &squeezed].iter().any(|list| list.len() != xs.dim()) {
        return Err(tch::TchError::Kind("a list of a slice has another length than the tensor has axes".to_owned()));
    }
    let mut result = xs.shallow_clone();
    for axis in (0..xs.dim()).rev() {
        let at = axis as i64;
        let from = if begins[axis] != 0 { 0 } else { begin[axis] };
        let to = if ends[axis] != 0 { i64::MAX } else { end[axis] };
        result = match squeezed[axis] != 0 {
            true => result.f_select(at, from)?,
            false => result.f_slice(at, from, to, stride[axis])?,
        };
    }
    Ok(result)
}
