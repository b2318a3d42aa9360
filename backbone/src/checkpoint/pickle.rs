//! The tensors of a file that `torch.save` wrote.
//!
//! The pickle inside is read as data: nothing in it runs, and everything but tensors is ignored. Names of nested dictionaries are
//! joined with dots. A file cannot request more memory than a few times its own size.

mod odd;

use std::{fs::File, io::Read, path::Path};

use pytorch_reader::{DType, PytorchError, PytorchReader};
use tch::{Kind, Tensor};

use super::archive::{entry_names, is_zip, unpacked_length, without_zip64_records};
use crate::{error::Error, form::StateDict};

/// Tensors may share storage, for example tied weights; more sharing than this factor is refused.
const MAX_SHARING: u64 = 4;
/// An archive may be compressed, but weights do not compress by more than this factor.
const MAX_UNPACKING: u64 = 4;

const TAR_MAGIC: (usize, &[u8]) = (257, b"ustar");

/// Whether the file is in one of PyTorch's formats: a zip archive, the pickle stream before version 1.6, the tar archive before 0.1.10.
///
/// # Errors
/// A file that cannot be read.
pub fn is_pickle(path: &Path) -> Result<bool, Error> {
    let io = |cause| Error::Io { action: "read", path: path.to_owned(), cause };
    let mut start = Vec::new();
    let (offset, magic) = TAR_MAGIC;
    let length = (offset + magic.len()) as u64;
    File::open(path).map_err(io)?.take(length).read_to_end(&mut start).map_err(io)?;
    // The header of a safetensors file begins at the ninth byte; the first eight can have any value.
    let safetensors = start.get(8) == Some(&b'{');
    let pickle = start.starts_with(b"PK\x03\x04") || start.starts_with(&[0x80]);
    Ok(!safetensors && (pickle || start.get(offset..) == Some(magic)))
}

/// Reads every tensor, on the CPU and in the kind of the file; also what was passed over, a sentence each: tensors of kinds that
/// libtorch or the reader does not have, and objects with tensors in them.
///
/// # Errors
/// A file that cannot be read or is damaged, or tensors that would take far more memory than the file.
pub fn read(path: &Path) -> Result<(StateDict, Vec<String>), Error> {
    let io = |cause| Error::Io { action: "read", path: path.to_owned(), cause };
    let length = std::fs::metadata(path).map_err(io)?.len();
    let malformed = |reason: String| Error::NotPickle { path: path.to_owned(), reason };
    if let Some(unpacked) = unpacked_length(path).map_err(io)?.filter(|&it| it > length.saturating_mul(MAX_UNPACKING)) {
        return Err(malformed(format!("it would unpack to {unpacked} bytes, but the file has {length}")));
    }
    let mut passed_over = Vec::new();
    let read = open(path, &mut passed_over);
    let read = read.map_err(|error| match error {
        // Only errors of the operating system; what a damaged archive causes has no number.
        PytorchError::Io(cause) if cause.raw_os_error().is_some() => io(cause),
        other if is_zip(path) && entry_names(path).is_none() => {
            malformed(format!("the end of its zip archive is missing, so it is cut short or damaged ({other})"))
        }
        other => malformed(other.to_string()),
    })?;
    let mut stored: Vec<_> = read.into_tensors().into_iter().collect();
    stored.sort_by(|(a, _), (b, _)| a.cmp(b));
    let wanted = stored.iter().fold(0u64, |sum, (_, tensor)| sum.saturating_add(tensor.byte_len() as u64));
    if wanted > length.saturating_mul(MAX_SHARING) {
        return Err(malformed(format!("its tensors would take {wanted} bytes, but the file has {length}")));
    }
    let mut tensors = StateDict::new();
    for (name, tensor) in stored {
        let Some(kind) = kind(tensor.dtype()) else {
            passed_over
                .push(format!("`{name}` has the element type {:?}, which libtorch does not support", tensor.dtype()));
            continue;
        };
        let bytes = tensor.read().map_err(|error| malformed(error.to_string()))?;
        let size: Vec<i64> = tensor.shape().iter().map(|&side| side as i64).collect();
        let tensor = Tensor::f_from_data_size(&bytes, &size, kind)
            .map_err(|cause| Error::torch(format!("loading `{name}`"), &cause))?;
        tensors.insert(name, tensor);
    }
    Ok((tensors, passed_over))
}

/// Opens the file as it is; else without what the library cannot read, which is added to `passed_over`.
fn open(path: &Path, passed_over: &mut Vec<String>) -> Result<PytorchReader, PytorchError> {
    let mut error = match PytorchReader::new(path) {
        Ok(reader) => return Ok(reader),
        Err(error) => error,
    };
    let Ok(mut bytes) = std::fs::read(path) else { return Err(error) };
    if matches!(error, PytorchError::Zip(_)) {
        let Some(plain) = without_zip64_records(bytes) else { return Err(error) };
        error = match PytorchReader::from_bytes(plain.clone(), None) {
            Ok(reader) => return Ok(reader),
            Err(error) => error,
        };
        bytes = plain;
    }
    let odd = matches!(error, PytorchError::Pickle(_)).then(|| odd::without_odd_values(&bytes)).flatten();
    let Some((plain, odd)) = odd else { return Err(error) };
    let odd: Vec<String> = odd.into_iter().collect();
    passed_over.push(format!("what cannot be read is left out: {}", odd.join(", ")));
    PytorchReader::from_bytes(plain, None)
}

fn kind(dtype: DType) -> Option<Kind> {
    match dtype {
        DType::F64 => Some(Kind::Double),
        DType::F32 => Some(Kind::Float),
        DType::F16 => Some(Kind::Half),
        DType::BF16 => Some(Kind::BFloat16),
        DType::I64 => Some(Kind::Int64),
        DType::I32 => Some(Kind::Int),
        DType::I16 => Some(Kind::Int16),
        DType::I8 => Some(Kind::Int8),
        DType::U8 => Some(Kind::Uint8),
        DType::Bool => Some(Kind::Bool),
        DType::U64 | DType::U32 | DType::U16 => None,
    }
}
