//! Tensors and text in a safetensors file (<https://github.com/huggingface/safetensors>).
//!
//! Reading trusts nothing: the header must match the size of the file, and the tensors must cover the rest of it exactly, before
//! memory is allocated for them; only one tensor at a time is in memory twice. Writing is deterministic, and a file is always complete.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, BufWriter, ErrorKind, Read, Write},
    path::Path,
};

use atomic_write_file::AtomicWriteFile;
use safetensors::{
    Dtype,
    tensor::{Metadata as Header, TensorInfo},
};
use serde_json::{Map, Value, json};
use tch::{Device, Kind, Tensor};

use crate::{error::Error, form::StateDict};

/// Text by key, from the header of a file.
pub type Text = BTreeMap<String, String>;

/// The limit of the reference implementation.
const MAX_HEADER_BYTES: u64 = 100_000_000;
const LENGTH_BYTES: u64 = 8;

const KINDS: [(Kind, Dtype); 10] = [
    (Kind::Bool, Dtype::BOOL),
    (Kind::Uint8, Dtype::U8),
    (Kind::Int8, Dtype::I8),
    (Kind::Int16, Dtype::I16),
    (Kind::Int, Dtype::I32),
    (Kind::Int64, Dtype::I64),
    (Kind::Half, Dtype::F16),
    (Kind::BFloat16, Dtype::BF16),
    (Kind::Float, Dtype::F32),
    (Kind::Double, Dtype::F64),
];

/// Reads every tensor, on the CPU and in the kind of the file, and the text.
///
/// # Errors
/// A file that cannot be read or is not a valid safetensors file, or a kind of tensor that libtorch does not have.
pub fn read(path: &Path) -> Result<(StateDict, Text), Error> {
    let (tensors, text, passed_over) = read_known(path)?;
    match passed_over.into_iter().next() {
        Some(reason) => Err(malformed(path, reason)),
        None => Ok((tensors, text)),
    }
}

/// As [`read`], but passes over tensors of kinds that libtorch does not have, and says so in a sentence each.
pub(super) fn read_known(path: &Path) -> Result<(StateDict, Text, Vec<String>), Error> {
    let io = |cause| Error::Io { action: "read", path: path.to_owned(), cause };
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let mut reader = BufReader::new(file);
    let header = read_header(&mut reader, length, path)?;
    let text = header.metadata().clone().unwrap_or_default().into_iter().collect();

    let (mut tensors, mut passed_over) = (StateDict::new(), Vec::new());
    let mut bytes = Vec::new();
    for name in header.offset_keys() {
        let Some(info) = header.info(&name) else { continue };
        bytes.resize(info.data_offsets.1 - info.data_offsets.0, 0);
        reader.read_exact(&mut bytes).map_err(io)?;
        let Some((kind, _)) = KINDS.iter().find(|(_, dtype)| *dtype == info.dtype) else {
            passed_over.push(format!("`{name}` has the element type {}, which libtorch does not support", info.dtype));
            continue;
        };
        let tensor = tensor(&bytes, info, *kind).map_err(|reason| malformed(path, format!("`{name}` {reason}")))?;
        tensors.insert(name, tensor);
    }
    Ok((tensors, text, passed_over))
}

fn malformed(path: &Path, reason: impl Into<String>) -> Error {
    Error::NotSafetensors { path: path.to_owned(), reason: reason.into() }
}

fn read_header(reader: &mut impl Read, file_length: u64, path: &Path) -> Result<Header, Error> {
    let io = |cause| Error::Io { action: "read", path: path.to_owned(), cause };
    if file_length < LENGTH_BYTES {
        return Err(malformed(path, format!("it has {file_length} bytes")));
    }
    let mut start = [0; LENGTH_BYTES as usize];
    reader.read_exact(&mut start).map_err(io)?;
    let header_length = u64::from_le_bytes(start);
    let rest = file_length - LENGTH_BYTES;
    if header_length > rest.min(MAX_HEADER_BYTES) {
        return Err(malformed(path, format!("its header length is {header_length}, but {rest} bytes follow")));
    }
    let mut header = vec![0; header_length as usize];
    reader.read_exact(&mut header).map_err(io)?;
    let header: Header = serde_json::from_slice(&header).map_err(|error| malformed(path, error.to_string()))?;
    let (expected, found) = (header.data_len() as u64, rest - header_length);
    if expected != found {
        return Err(malformed(path, format!("its header describes {expected} bytes of tensors but {found} follow")));
    }
    Ok(header)
}

fn tensor(bytes: &[u8], info: &TensorInfo, kind: Kind) -> Result<Tensor, String> {
    let size: Result<Vec<i64>, _> = info.shape.iter().map(|&side| i64::try_from(side)).collect();
    let size = size.map_err(|_| format!("has the invalid shape {:?}", info.shape))?;
    Tensor::f_from_data_size(bytes, &size, kind).map_err(|error| format!("cannot be loaded: {error}"))
}

/// Writes tensors from any device and text. The bytes depend only on these.
///
/// # Errors
/// A folder that cannot be written to, or a tensor of a kind that safetensors does not have.
pub fn write(path: &Path, tensors: &StateDict, text: &Text) -> Result<(), Error> {
    let io = |cause| Error::Io { action: "write", path: path.to_owned(), cause };
    let mut order: Vec<(&String, &Tensor)> = tensors.iter().collect();
    order.sort_by_key(|(_, tensor)| std::cmp::Reverse(tensor.kind().elt_size_in_bytes()));
    let header = header(&order, text)?;

    // If renaming failed, the temporary file would remain.
    if path.is_dir() {
        return Err(io(ErrorKind::IsADirectory.into()));
    }
    let file = AtomicWriteFile::open(path).map_err(io)?;
    let mut writer = BufWriter::with_capacity(1 << 20, file);
    writer.write_all(&(header.len() as u64).to_le_bytes()).map_err(io)?;
    writer.write_all(&header).map_err(io)?;
    let mut bytes = Vec::new();
    for (name, tensor) in order {
        copy_bytes(tensor, &mut bytes)
            .map_err(|cause| Error::torch(format!("copying `{name}` out of libtorch"), &cause))?;
        writer.write_all(&bytes).map_err(io)?;
    }
    writer.into_inner().map_err(|error| io(error.into_error()))?.commit().map_err(io)
}

fn header(tensors: &[(&String, &Tensor)], text: &Text) -> Result<Vec<u8>, Error> {
    let mut header = Map::new();
    if !text.is_empty() {
        header.insert("__metadata__".to_owned(), json!(text));
    }
    let mut offset = 0;
    for (name, tensor) in tensors {
        let kind = tensor.kind();
        let dtype = KINDS.iter().find(|(known, _)| *known == kind).map(|(_, dtype)| dtype);
        let dtype = dtype.ok_or_else(|| Error::Kind { name: name.to_string(), kind })?;
        let end = offset + tensor.numel() * kind.elt_size_in_bytes();
        header.insert(
            name.to_string(),
            json!({ "dtype": dtype.to_string(), "shape": tensor.size(), "data_offsets": [offset, end] }),
        );
        offset = end;
    }
    let mut bytes = Value::Object(header).to_string().into_bytes();
    // Tensors start at a multiple of eight bytes, for readers that map the file into memory.
    bytes.resize(bytes.len().next_multiple_of(LENGTH_BYTES as usize), b' ');
    Ok(bytes)
}

fn copy_bytes(tensor: &Tensor, bytes: &mut Vec<u8>) -> Result<(), tch::TchError> {
    let tensor = tensor.detach().f_to_device(Device::Cpu)?.f_contiguous()?;
    let count = tensor.numel();
    bytes.resize(count * tensor.kind().elt_size_in_bytes(), 0);
    tensor.f_copy_data_u8(bytes, count)
}
