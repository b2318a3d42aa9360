//! What a file takes and gives, and whether LiteRT can be trusted with it.
//!
//! The library itself finds offsets and numbers of tensors, operators and buffers that are out of range. What is checked here makes it
//! crash, read memory that is not its own, or give wrong results without an error.
//!
//! A file that was made to do harm can still crash the library: it is as safe to run as a program is.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    detection,
    flatbuffer::Table,
    kinds::{self, Kind},
    tensor::{Port, Tensor, within},
};
use crate::{Element, Error};
use tch_ext::litert::MOST_DIMENSIONS;

/// The library does not check longer files, in bytes.
const LONGEST: usize = 1_999_999_999;
const IDENTIFIER: &[u8] = b"TFL3";
const VERSION: usize = 3;
/// Graphs can share their tensors, so that a short file could describe very many.
const MOST_GRAPHS: usize = 64;
/// The fields of an operator for options outside of the structure.
const LARGE_OPTIONS: [u16; 2] = [9, 10];
/// The most pixels that a side of a map grows by, or has: a short file could ask for any memory.
const MOST_PIXELS: i32 = 1 << 15;
/// Kernels end the program where two scales are further apart than 2^19.
const LARGEST_RATIO: f32 = (1 << 18) as f32;

/// What the first signature takes and gives.
#[derive(Debug, Clone)]
pub(super) struct Ends {
    pub(super) inputs: Vec<Port>,
    pub(super) outputs: Vec<Port>,
}

/// Checks a file and reads its first signature.
///
/// # Errors
/// [`Error::Value`]: what is not valid.
pub(super) fn ends(file: &[u8]) -> Result<Ends, Error> {
    if file.get(4..8) != Some(IDENTIFIER) {
        let found = file.get(4..8).map_or("missing".into(), |found| found.escape_ascii().to_string());
        return Err(Error::value("the file's identifier", IDENTIFIER.escape_ascii().to_string(), found));
    }
    within("the file's length", file.len(), LONGEST + 1)?;
    let root = Table::root(file)?;
    equal("the file's version", VERSION, root.unsigned(0)?)?;
    let codes = root.tables(1)?.iter().map(Code::read).collect::<Result<Vec<_>, _>>()?;
    let buffers = root.tables(4)?;
    let graphs = root.tables(2)?;
    within("the number of graphs", graphs.len(), MOST_GRAPHS + 1)?;
    let graphs = graphs.iter().map(|graph| Graph::read(graph, &codes, &buffers)).collect::<Result<Vec<_>, _>>()?;
    let signatures = root.tables(7)?;
    let mut all = signatures.iter().map(|signature| signed(signature, &graphs)).collect::<Result<Vec<_>, _>>()?;
    for entry in root.tables(6)? {
        within("the buffer of a metadata entry", entry.unsigned(1)?, buffers.len())?;
    }
    if all.is_empty() {
        let graph = graphs.first().ok_or_else(|| Error::value("the number of graphs", "1", "0"))?;
        let own = |indices: &[usize]| indices.iter().map(|&index| graph.tensors[index].port.clone()).collect();
        all.push(Ends { inputs: own(&graph.inputs), outputs: own(&graph.outputs) });
    }
    let ends = all.swap_remove(0);
    for ports in [&ends.inputs, &ends.outputs] {
        // The library finds inputs and outputs by their names.
        let names: BTreeSet<&str> = ports.iter().map(|port| port.name.as_str()).collect();
        equal("the number of names of inputs or outputs", ports.len(), names.len())?;
        if names.contains("") || names.iter().any(|name| name.contains('\0')) {
            return Err(Error::value("the name of an input or output", "a text", "empty, or has a zero"));
        }
    }
    Ok(ends)
}

/// The inputs and outputs of a signature, in the order of its graph.
fn signed(signature: &Table<'_>, graphs: &[Graph]) -> Result<Ends, Error> {
    let number = signature.unsigned(4)?;
    let graph = &graphs[within("the graph of a signature", number, graphs.len())?];
    if signature.bytes(2)?.is_empty() {
        return Err(Error::value("the name of a signature", "a text", "empty"));
    }
    let named = |slot: u16, indices: &[usize]| -> Result<Vec<Port>, Error> {
        let entries = signature.tables(slot)?;
        let entry = |entry: &Table<'_>| {
            let name = String::from_utf8(entry.bytes(0)?.to_vec());
            let name = name.map_err(|_| Error::value("the name of an input or output", "a text", "not UTF-8"))?;
            Ok((entry.unsigned(1)?, name))
        };
        let names = entries.iter().map(entry).collect::<Result<BTreeMap<usize, String>, Error>>()?;
        equal("the number of inputs or outputs of a signature", indices.len(), entries.len())?;
        let port = |index: &usize| {
            let missing = || Error::value("the name of an input or output", "in the signature", "missing");
            let name = names.get(index).ok_or_else(missing)?.clone();
            Ok(Port { name, ..graph.tensors[*index].port.clone() })
        };
        indices.iter().map(port).collect()
    };
    Ok(Ends { inputs: named(0, &graph.inputs)?, outputs: named(1, &graph.outputs)? })
}

/// An operator of a file.
struct Code(&'static Kind);

impl Code {
    fn read(code: &Table<'_>) -> Result<Self, Error> {
        // Old files have only the first of the two.
        let number = (code.unsigned(3)? as i32).max(i32::from(code.byte(0)?));
        let unknown = || Error::value("an operator", "one that networks for images have", format!("number {number}"));
        let kind = kinds::ALL.iter().find(|known| known.number == number).ok_or_else(unknown)?;
        let custom = code.bytes(1)?;
        if *kind == kinds::CUSTOM && custom != detection::NAME {
            let expected = String::from_utf8_lossy(detection::NAME);
            return Err(Error::value("a custom operator", expected, String::from_utf8_lossy(custom)));
        }
        Ok(Self(kind))
    }
}

struct Graph {
    tensors: Vec<Tensor>,
    inputs: Vec<usize>,
    outputs: Vec<usize>,
}

impl Graph {
    fn read(graph: &Table<'_>, codes: &[Code], buffers: &[Table<'_>]) -> Result<Self, Error> {
        let tensors =
            graph.tables(0)?.iter().map(|tensor| Tensor::read(tensor, buffers)).collect::<Result<Vec<_>, _>>()?;
        let indices = |slot: u16| -> Result<Vec<usize>, Error> {
            graph.ints(slot)?.into_iter().map(|index| within("a tensor", index as usize, tensors.len())).collect()
        };
        let (inputs, outputs) = (indices(1)?, indices(2)?);
        let mut known: BTreeSet<usize> = (0..tensors.len()).filter(|&index| tensors[index].is_constant).collect();
        for &input in &inputs {
            define(&mut known, input)?;
        }
        let given = known.clone();
        for operator in graph.tables(3)? {
            let code = &codes[within("the code of an operator", operator.unsigned(0)?, codes.len())?];
            let mut takes = Vec::new();
            for index in code.inputs(&operator)? {
                let index = within("a tensor", index as usize, tensors.len())?;
                if !known.contains(&index) {
                    let expected = "a constant, an input of the graph or an earlier result";
                    return Err(Error::value("an input of an operator", expected, "none of these"));
                }
                takes.push(&tensors[index]);
            }
            let mut gives = Vec::new();
            for index in operator.ints(2)? {
                let index = within("a tensor", index as usize, tensors.len())?;
                define(&mut known, index)?;
                gives.push(&tensors[index]);
            }
            code.check(&operator, &takes, &gives)?;
        }
        let mut distinct = BTreeSet::new();
        for output in &outputs {
            // The library gives a tensor that is an input as well, or that is given twice, only one of the two memories.
            if !known.contains(output) || given.contains(output) || !distinct.insert(*output) {
                let found = "a constant, an input or given twice";
                return Err(Error::value("an output", "the result of an operator", found));
            }
        }
        Ok(Self { tensors, inputs, outputs })
    }
}

impl Code {
    /// The inputs of an operator. Of those that need not be there, only a bias may be left out.
    fn inputs(&self, operator: &Table<'_>) -> Result<Vec<i32>, Error> {
        let mut inputs = operator.ints(1)?;
        if *self.0 == kinds::FULLY_CONNECTED && inputs.get(2) == Some(&-1) {
            inputs.truncate(2);
        }
        Ok(inputs)
    }

    fn check(&self, operator: &Table<'_>, inputs: &[&Tensor], outputs: &[&Tensor]) -> Result<(), Error> {
        let kind = self.0;
        if !(kind.inputs.0..=kind.inputs.1).contains(&inputs.len()) || outputs.len() != kind.outputs {
            let (least, most) = kind.inputs;
            let expected = format!("{least} to {most} and {}", kind.outputs);
            let found = format!("{} and {}", inputs.len(), outputs.len());
            return Err(Error::value(format!("the number of inputs and outputs of {}", kind.name), expected, found));
        }
        if inputs.iter().take(kind.alike).any(|input| input.port.element != outputs[0].port.element) {
            let what = format!("the kind of the elements of {}", kind.name);
            return Err(Error::value(what, "the same for inputs and output", "not the same"));
        }
        if LARGE_OPTIONS.iter().any(|&slot| operator.has(slot).unwrap_or(true)) {
            return Err(Error::value("the place of an operator's options", "in the operator", "elsewhere"));
        }
        let values = || inputs.iter().chain(outputs).filter(|tensor| !tensor.is_constant);
        let scales = || values().filter_map(|tensor| tensor.scale);
        let (least, most) = (scales().fold(f32::INFINITY, f32::min), scales().fold(0.0, f32::max));
        if most / least >= LARGEST_RATIO {
            let expected = format!("below {LARGEST_RATIO}");
            return Err(Error::value("the ratio of two scales of an operator", expected, (most / least).to_string()));
        }
        let is_unscaled = |tensor: &&&Tensor| tensor.port.element == Element::U8 && tensor.scale.is_none();
        match *kind {
            kinds::CAST => Ok(()),
            _ if values().any(|tensor| is_unscaled(&tensor)) => {
                Err(Error::value("a uint8 tensor", "with a scale where it is not cast", "without one"))
            }
            kinds::PAD | kinds::PADV2 | kinds::RESIZE_BILINEAR | kinds::RESIZE_NEAREST_NEIGHBOR => {
                match inputs.iter().flat_map(|input| &input.ints).find(|&int| !(0..=MOST_PIXELS).contains(int)) {
                    Some(int) => {
                        let what = format!("a size in {}", kind.name);
                        Err(Error::value(what, format!("from 0 to {MOST_PIXELS}"), int.to_string()))
                    }
                    None => Ok(()),
                }
            }
            kinds::CUSTOM => detection::check(operator.bytes(5)?, inputs, outputs),
            // The options decide, not the tensor.
            kinds::ARG_MAX | kinds::SHAPE => {
                let kind = operator.table(4)?.map_or(Ok(0), |options| options.byte(0))?;
                equal("the kind of the elements of an operator", outputs[0].kind.into(), kind.into())
            }
            // The library has no check of the number of dimensions. Of a constant, the shape is that of its data.
            kinds::RESHAPE => {
                let shape = inputs.get(1);
                if shape.is_some_and(|shape| !shape.is_constant) {
                    return Err(Error::value("the shape of RESHAPE", "a constant", "computed"));
                }
                let options = operator.table(4)?.map_or(Ok(Vec::new()), |options| options.ints(0))?;
                let sides = shape.map_or(0, |shape| shape.port.shape.iter().fold(1_usize, |a, &b| a.saturating_mul(b)));
                within("the number of dimensions", options.len().max(sides), MOST_DIMENSIONS + 1).map(|_| ())
            }
            _ => Ok(()),
        }
    }
}

fn define(known: &mut BTreeSet<usize>, tensor: usize) -> Result<(), Error> {
    match known.insert(tensor) {
        true => Ok(()),
        false => Err(Error::value("a tensor", "written once", "written twice")),
    }
}

fn equal(what: &str, expected: usize, found: usize) -> Result<(), Error> {
    match found == expected {
        true => Ok(()),
        false => Err(Error::value(what, expected.to_string(), found.to_string())),
    }
}
