//! `weight.bin`: the large constants of a program, each behind a header that names its kind and length.
//!
//! The layout is that of Core ML's own storage (`MILBlob`): everything begins at multiples of 64 bytes, numbers are little-endian.

use super::value::Kind;
use crate::Error;

/// Where headers and numbers begin.
const STEP: usize = 64;
const VERSION: u32 = 2;
const MARK: u32 = 0xDEAD_BEEF;

/// The number of a kind in this file.
fn number(kind: Kind) -> Option<u32> {
    match kind {
        Kind::F16 => Some(1),
        Kind::F32 => Some(2),
        Kind::I8 => Some(4),
        Kind::I32 => Some(14),
        Kind::U32 | Kind::Bool | Kind::Text => None,
    }
}

/// The file while it is written.
#[derive(Debug, Clone, Default)]
pub(super) struct Weights {
    blobs: Vec<u8>,
    count: u32,
}

impl Weights {
    /// Adds numbers; returns the place of their header.
    ///
    /// # Panics
    /// For kinds that the file cannot hold.
    pub(super) fn add(&mut self, kind: Kind, bytes: &[u8]) -> u64 {
        self.blobs.resize(self.blobs.len().next_multiple_of(STEP), 0);
        let place = STEP + self.blobs.len();
        let kind = number(kind).expect("a kind of numbers");
        self.blobs.extend([MARK, kind].map(u32::to_le_bytes).as_flattened());
        self.blobs.extend([bytes.len() as u64, (place + STEP) as u64].map(u64::to_le_bytes).as_flattened());
        self.blobs.resize(self.blobs.len().next_multiple_of(STEP), 0);
        self.blobs.extend(bytes);
        self.count += 1;
        place as u64
    }

    /// The bytes of the file.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut file = [self.count, VERSION].map(u32::to_le_bytes).as_flattened().to_vec();
        file.resize(STEP, 0);
        file.extend(&self.blobs);
        file
    }
}

/// The bytes of the numbers whose header is at `offset`.
///
/// # Errors
/// [`Error::Value`]: what is not valid.
pub(super) fn blob(file: &[u8], offset: u64, kind: Kind, length: usize) -> Result<&[u8], Error> {
    let word = |at: usize| -> Result<u32, Error> {
        let bytes = file.get(at..at.saturating_add(4)).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_le_bytes).ok_or_else(|| {
            Error::value("a place in weight.bin", format!("within its {} bytes", file.len()), at.to_string())
        })
    };
    let long = |at: usize| -> Result<u64, Error> { Ok(u64::from(word(at)?) | u64::from(word(at + 4)?) << 32) };
    let place = usize::try_from(offset).unwrap_or(usize::MAX - 64);
    equal("the version of weight.bin", VERSION.into(), word(4)?.into())?;
    equal("the mark of a constant in weight.bin", MARK.into(), word(place)?.into())?;
    equal("the kind of a constant in weight.bin", number(kind).unwrap_or(0).into(), word(place + 4)?.into())?;
    equal("the bytes of a constant in weight.bin", length as u64, long(place + 8)?)?;
    let start = usize::try_from(long(place + 16)?).unwrap_or(usize::MAX);
    let bytes = start.checked_add(length).and_then(|end| file.get(start..end));
    bytes.ok_or_else(|| {
        Error::value(
            "the place of a constant in weight.bin",
            format!("within its {} bytes", file.len()),
            start.to_string(),
        )
    })
}

fn equal(what: &str, expected: u64, found: u64) -> Result<(), Error> {
    match expected == found {
        true => Ok(()),
        false => Err(Error::value(what, expected.to_string(), found.to_string())),
    }
}
