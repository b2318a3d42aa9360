//! A tensor of a file, checked.

use tch_ext::litert::MOST_DIMENSIONS;

use super::flatbuffer::Table;
use crate::{Element, Error, MOST_ELEMENTS};

/// Scales of activations are within these; kernels end the program for others.
const SCALES: std::ops::RangeInclusive<f32> = 1e-9..=1e5;

/// The number of the field.
const SPARSITY: u16 = 6;

/// An input or output.
#[derive(Debug, Clone)]
pub(super) struct Port {
    pub(super) name: String,
    pub(super) element: Element,
    /// The dimensions before an input is resized.
    pub(super) shape: Vec<usize>,
    /// Which of them can be resized.
    pub(super) free: Vec<bool>,
}

pub(super) struct Tensor {
    pub(super) port: Port,
    /// The number of the kind of its elements.
    pub(super) kind: u8,
    pub(super) is_constant: bool,
    /// The scale of an activation.
    pub(super) scale: Option<f32>,
    /// The numbers of a constant of 32-bit integers.
    pub(super) ints: Vec<i32>,
}

impl Tensor {
    pub(super) fn read(tensor: &Table<'_>, buffers: &[Table<'_>]) -> Result<Self, Error> {
        let name = String::from_utf8_lossy(tensor.bytes(3)?).into_owned();
        let buffer = tensor.unsigned(2)?;
        within("the buffer of a tensor", buffer, buffers.len())?;
        let is_constant = buffer != 0 && !buffers[buffer].bytes(0)?.is_empty();
        let kind = tensor.byte(1)?;
        let element = match kind {
            0 => Element::F32,
            // Half precision: of constants only, which are never an input or output.
            1 if is_constant => Element::F32,
            2 => Element::I32,
            3 => Element::U8,
            4 => Element::I64,
            6 => Element::Bool,
            9 => Element::I8,
            other => {
                return Err(Error::value(format!("the kind of `{name}`"), "a known one", format!("number {other}")));
            }
        };
        if tensor.has(SPARSITY)? {
            return Err(Error::value(format!("`{name}`"), "dense", "sparse"));
        }
        let (sides, signature) = (tensor.ints(0)?, tensor.ints(7)?);
        within("the number of dimensions", sides.len(), MOST_DIMENSIONS + 1)?;
        let fits = signature.iter().zip(&sides).all(|(&free, &side)| free == -1 || free == side);
        if !(signature.is_empty() || signature.len() == sides.len() && fits) {
            let what = format!("the free shape of `{name}`");
            return Err(Error::value(what, format!("as {sides:?}"), format!("{signature:?}")));
        }
        let side =
            |&side: &i32| usize::try_from(side).map_err(|_| Error::value("a dimension", "0 or more", side.to_string()));
        let shape = sides.iter().map(side).collect::<Result<Vec<_>, _>>()?;
        let count = shape.iter().fold(1_usize, |count, &side| count.saturating_mul(side));
        within(&format!("the number of elements of `{name}`"), count, MOST_ELEMENTS + 1)?;
        let free = (0..shape.len()).map(|axis| signature.get(axis) == Some(&-1)).collect();
        let scale = scale(tensor, &name, element, is_constant)?;
        let ints = match element {
            Element::I32 => {
                buffers[buffer].bytes(0)?.as_chunks().0.iter().map(|&int| i32::from_le_bytes(int)).collect()
            }
            _ => Vec::new(),
        };
        Ok(Self { port: Port { name, element, shape, free }, kind, is_constant, scale, ints })
    }
}

/// Checks how a tensor is quantised: the library does so for some operators only.
fn scale(tensor: &Table<'_>, name: &str, element: Element, is_constant: bool) -> Result<Option<f32>, Error> {
    let range = match element {
        Element::U8 => 0..=255,
        Element::I8 => -128..=127,
        _ => 0..=0,
    };
    let quantization = tensor.table(4)?;
    let vector = |slot: u16| quantization.map_or(Ok(&[][..]), |quantization| quantization.elements::<4>(slot));
    let scales: Vec<f32> = vector(2)?.iter().map(|&scale| f32::from_le_bytes(scale)).collect();
    let zeros = quantization.map_or(Ok(&[][..]), |quantization| quantization.elements::<8>(3))?;
    for &scale in &scales {
        if !(scale.is_normal() && scale > 0.0 && (is_constant || SCALES.contains(&scale))) {
            return Err(Error::value(format!("a scale of `{name}`"), format!("{SCALES:?}"), scale.to_string()));
        }
    }
    for zero in zeros {
        let zero = i64::from_le_bytes(*zero);
        if !range.contains(&zero) {
            return Err(Error::value(format!("a zero point of `{name}`"), format!("{range:?}"), zero.to_string()));
        }
    }
    if element == Element::I8 && !is_constant && (scales.len(), zeros.len()) != (1, 1) {
        let found = format!("{} and {}", scales.len(), zeros.len());
        return Err(Error::value(format!("the scales and zero points of `{name}`"), "one of each", found));
    }
    let is_quantised = matches!(element, Element::I8 | Element::U8) && !is_constant;
    Ok(scales.first().copied().filter(|_| is_quantised))
}

pub(super) fn within(what: &str, found: usize, end: usize) -> Result<usize, Error> {
    match found < end {
        true => Ok(found),
        false => Err(Error::value(what, format!("below {end}"), (found as i64).to_string())),
    }
}
