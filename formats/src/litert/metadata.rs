//! What a file says about itself.

use std::{collections::BTreeMap, path::Path};

use super::flatbuffer::Table;
use crate::Error;

/// The entries of a file's metadata by name.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::Malformed`] where it is no LiteRT file.
pub fn metadata(path: &Path) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let file = std::fs::read(path).map_err(|cause| Error::Io { action: "read", path: path.to_owned(), cause })?;
    let malformed = |reason: String| Error::Malformed { format: "LiteRT", path: path.to_owned(), reason };
    if file.get(4..8) != Some(b"TFL3") {
        return Err(malformed("it does not begin as one".to_owned()));
    }
    entries(&file).map_err(|error| malformed(error.to_string()))
}

fn entries(file: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let root = Table::root(file)?;
    let buffers = root.tables(4)?;
    let entry = |table: &Table<'_>| -> Result<(String, Vec<u8>), Error> {
        let (name, place) = (String::from_utf8_lossy(table.bytes(0)?).into_owned(), table.unsigned(1)?);
        let buffer = buffers.get(place).ok_or_else(|| {
            Error::value(format!("the place of `{name}`"), format!("below {}", buffers.len()), place.to_string())
        })?;
        Ok((name, buffer.bytes(0)?.to_vec()))
    };
    root.tables(6)?.iter().map(entry).collect()
}
