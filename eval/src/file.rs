//! JSON read with the place of what is wrong, and files written so that a reader sees the old one or the whole new one.

use std::fs;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;
use serde::de::DeserializeOwned;

use crate::Error;

/// Reads a whole JSON file that opens with the bracket `opening`; `expected` says in words what file that is.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path, opening: u8, expected: &'static str) -> Result<T, Error> {
    let bytes = fs::read(path).map_err(|source| Error::Io { action: "read", path: path.to_owned(), source })?;
    if bytes.trim_ascii_start().first().is_some_and(|&first| first != opening) {
        return Err(Error::Layout { path: path.to_owned(), expected });
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        if error.is_eof() {
            return Error::CutShort { path: path.to_owned(), bytes: bytes.len() };
        }
        let text = error.to_string();
        let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
        Error::Json { path: path.to_owned(), line: error.line(), column: error.column(), problem: problem.to_owned() }
    })
}

/// A file that takes its place only when [`commit`](Self::commit) has synced it. Dropped before that, it leaves nothing behind
/// and the place as it was.
pub(crate) struct PendingFile {
    path: PathBuf,
    writer: BufWriter<AtomicWriteFile>,
}

impl PendingFile {
    pub(crate) fn create(path: &Path) -> Result<PendingFile, Error> {
        let file = AtomicWriteFile::open(path).map_err(|source| Error::Io {
            action: "write",
            path: path.to_owned(),
            source,
        })?;
        Ok(PendingFile { path: path.to_owned(), writer: BufWriter::with_capacity(1 << 16, file) })
    }

    /// Runs `write` on the file's buffer, and names the file in its error.
    pub(crate) fn write(
        &mut self,
        write: impl FnOnce(&mut BufWriter<AtomicWriteFile>) -> io::Result<()>,
    ) -> Result<(), Error> {
        write(&mut self.writer).map_err(|source| Error::Io { action: "write", path: self.path.clone(), source })
    }

    /// Syncs the file to disk and gives it its place.
    pub(crate) fn commit(self) -> Result<(), Error> {
        let PendingFile { path, writer } = self;
        writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(AtomicWriteFile::commit)
            .map_err(|source| Error::Io { action: "write", path, source })
    }
}
