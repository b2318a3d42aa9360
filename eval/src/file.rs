//! JSON read with the place of what is wrong, and files written so that a reader sees the old one or the whole new one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

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

/// A file that is written beside its place and takes that place only when [`commit`](Self::commit) has synced it.
///
/// Dropped before that, it leaves nothing behind and the place as it was.
pub(crate) struct PendingFile {
    path: PathBuf,
    aside: PathBuf,
    writer: BufWriter<File>,
    committed: bool,
}

impl PendingFile {
    pub(crate) fn create(path: &Path) -> Result<PendingFile, Error> {
        let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
        name.push(format!(".{}.tmp", std::process::id()));
        let aside = path.with_file_name(name);
        let file =
            File::create(&aside).map_err(|source| Error::Io { action: "write", path: path.to_owned(), source })?;
        let writer = BufWriter::with_capacity(1 << 16, file);
        Ok(PendingFile { path: path.to_owned(), aside, writer, committed: false })
    }

    /// Runs `write` on the file's buffer, and names the file in its error.
    pub(crate) fn write(&mut self, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<(), Error> {
        write(&mut self.writer).map_err(|source| self.error(source))
    }

    /// Syncs the file to disk and renames it to its place.
    pub(crate) fn commit(mut self) -> Result<(), Error> {
        self.settle().map_err(|source| self.error(source))
    }

    fn settle(&mut self) -> io::Result<()> {
        self.writer.flush()?;
        self.writer.get_ref().sync_all()?;
        fs::rename(&self.aside, &self.path)?;
        self.committed = true;
        Ok(())
    }

    fn error(&self, source: io::Error) -> Error {
        Error::Io { action: "write", path: self.path.clone(), source }
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        if !self.committed {
            // Nobody can be told of a failure here, and the leftover is named *.tmp.
            let _ = fs::remove_file(&self.aside);
        }
    }
}
