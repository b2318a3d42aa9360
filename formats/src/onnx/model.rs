//! An ONNX file.
//!
//! Reading checks everything that this crate or its runtime relies on before it is used, and allocates no more than the length of
//! the file. Writing is deterministic and never leaves an incomplete file.

use std::{
    collections::{BTreeMap, HashSet},
    fs::File,
    io::{ErrorKind, Read, Write},
    path::Path,
};

use atomic_write_file::AtomicWriteFile;
use prost::Message;

use crate::onnx::proto::{GraphProto, ModelProto, TensorProto, ValueInfoProto};
use crate::{Element, Error};

/// The limit of protocol buffers.
const MAX_BYTES: usize = i32::MAX as usize;
/// The supported versions.
const OPERATOR_SETS: std::ops::RangeInclusive<i64> = 13..=18;

/// A model that fits into a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    proto: ModelProto,
}

impl Model {
    pub(crate) fn new(proto: ModelProto) -> Result<Self, Error> {
        let bytes = proto.encoded_len();
        if bytes > MAX_BYTES { Err(Error::TooLarge { bytes }) } else { Ok(Self { proto }) }
    }

    /// Reads a file and checks it.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read. [`Error::Malformed`] where it is not an ONNX model of the operator sets 13 to 18,
    /// where it has weights outside the file, functions or nested graphs, or where names, shapes and lengths do not agree.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let io = |cause| Error::Io { action: "read", path: path.to_owned(), cause };
        let malformed = |reason: String| Error::Malformed { format: "ONNX", path: path.to_owned(), reason };
        let file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        if length > MAX_BYTES as u64 {
            return Err(malformed(format!("it has {length} bytes, and an ONNX file must be smaller than 2 GiB")));
        }
        let mut bytes = Vec::with_capacity(length as usize);
        file.take(MAX_BYTES as u64).read_to_end(&mut bytes).map_err(io)?;
        let proto = ModelProto::decode(bytes.as_slice()).map_err(|cause| malformed(cause.to_string()))?;
        check(&proto).map_err(malformed)?;
        Ok(Self { proto })
    }

    /// Writes the file completely or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder cannot be written to.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let write = || {
            // `AtomicWriteFile` leaves its temporary file where renaming fails.
            if path.is_dir() {
                return Err(ErrorKind::IsADirectory.into());
            }
            let mut file = AtomicWriteFile::open(path)?;
            file.write_all(&self.to_bytes())?;
            file.commit()
        };
        write().map_err(|cause| Error::Io { action: "write", path: path.to_owned(), cause })
    }

    /// The bytes of the file, which depend on the model alone.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.proto.encode_to_vec()
    }

    /// The messages of the file.
    pub fn proto(&self) -> &ModelProto {
        &self.proto
    }

    /// The metadata, by key.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        self.proto.metadata_props.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect()
    }

    /// The number of elements of all weights and constants.
    pub fn parameters(&self) -> usize {
        let volume = |tensor: &TensorProto| tensor.dims.iter().map(|&side| side as usize).product::<usize>();
        self.proto.graph.iter().flat_map(|graph| &graph.initializer).map(volume).sum()
    }
}

/// What is wrong with a model, and where.
fn check(model: &ModelProto) -> Result<(), String> {
    let graph = model.graph.as_ref().ok_or("it has no graph")?;
    let set = model.opset_import.iter().find(|set| set.domain.is_empty() || set.domain == "ai.onnx");
    match set {
        Some(set) if OPERATOR_SETS.contains(&set.version) => {}
        Some(set) => return Err(format!("it uses operator set {}: expected 13 to 18", set.version)),
        None => return Err("it has no version of ONNX's operators".to_owned()),
    }
    if !model.functions.is_empty() {
        return Err("it has functions of its own, which are not supported".to_owned());
    }
    if graph.output.is_empty() {
        return Err("it has no output".to_owned());
    }
    graph.input.iter().chain(&graph.output).try_for_each(check_info)?;
    graph.initializer.iter().try_for_each(|tensor| check_tensor(tensor, &tensor.name))?;
    check_names(graph)
}

fn check_info(info: &ValueInfoProto) -> Result<(), String> {
    let name = &info.name;
    let tensor = info.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let tensor = tensor.ok_or_else(|| format!("`{name}` is not a tensor"))?;
    if tensor.shape.is_none() {
        return Err(format!("`{name}` has no shape"));
    }
    element(tensor.elem_type, name).map(|_| ())
}

fn element(code: i32, name: &str) -> Result<Element, String> {
    let expected = "expected float, uint8, int8, int32, int64 or bool";
    Element::from_code(code).ok_or_else(|| format!("`{name}` has elements of the kind {code}: {expected}"))
}

/// The elements must fit the shape; the format has two places for them.
fn check_tensor(tensor: &TensorProto, name: &str) -> Result<(), String> {
    let element = element(tensor.data_type, name)?;
    if tensor.data_location != 0 || !tensor.external_data.is_empty() {
        return Err(format!("the values of `{name}` are outside the file, which is not supported"));
    }
    let volume = tensor.dims.iter().try_fold(1_usize, |volume, &side| volume.checked_mul(usize::try_from(side).ok()?));
    let volume = volume.ok_or_else(|| format!("`{name}` has the impossible shape {:?}", tensor.dims))?;
    let apart = match element {
        Element::F32 => tensor.float_data.len(),
        Element::I64 => tensor.int64_data.len(),
        Element::U8 | Element::I8 | Element::I32 | Element::Bool => tensor.int32_data.len(),
    };
    let found =
        if tensor.raw_data.is_empty() { apart.checked_mul(element.bytes()) } else { Some(tensor.raw_data.len()) };
    if found.is_none() || found != volume.checked_mul(element.bytes()) {
        let shape = &tensor.dims;
        return Err(format!("`{name}` has {} bytes of {} {shape:?}", found.unwrap_or(usize::MAX), element.name()));
    }
    // Rust's `bool`, as which outputs are read, is undefined with another byte.
    let is_truth = tensor.raw_data.iter().all(|&byte| byte <= 1);
    if element == Element::Bool && !is_truth {
        return Err(format!("`{name}` has other values than 0 and 1, but is of the kind bool"));
    }
    Ok(())
}

/// Every value is computed once, before it is used.
fn check_names(graph: &GraphProto) -> Result<(), String> {
    let mut known: HashSet<&str> = HashSet::new();
    let taken = |name: &str| format!("two values are called `{name}`");
    let given = graph.input.iter().map(|input| &input.name);
    for name in given.chain(graph.initializer.iter().map(|tensor| &tensor.name)) {
        if !known.insert(name) {
            return Err(taken(name));
        }
    }
    for node in &graph.node {
        let place = format!("the node `{}` ({})", node.name, node.op_type);
        if !node.domain.is_empty() && node.domain != "ai.onnx" {
            return Err(format!("{place} is of the operator set `{}`, which is not supported", node.domain));
        }
        for attribute in &node.attribute {
            if attribute.g.is_some() {
                return Err(format!("{place} has a nested graph, which is not supported"));
            }
            if let Some(tensor) = &attribute.t {
                check_tensor(tensor, &format!("{} of {place}", attribute.name))?;
            }
        }
        if let Some(input) = node.input.iter().find(|input| !input.is_empty() && !known.contains(input.as_str())) {
            return Err(format!("{place} uses `{input}`, which does not exist"));
        }
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            if !known.insert(output) {
                return Err(taken(output));
            }
        }
    }
    match graph.output.iter().find(|output| !known.contains(output.name.as_str())) {
        Some(output) => Err(format!("no node computes the output `{}`", output.name)),
        None => Ok(()),
    }
}
