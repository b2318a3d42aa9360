//! JSON files read with the place of a problem, and files written so that a reader sees the old one or the complete new one.

use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use annotation_files::{coco, text};
use atomic_write_file::AtomicWriteFile;
use serde::de::DeserializeOwned;

use crate::{Error, Place};

/// Reads a JSON file that starts with the bracket `opening`; `expected` describes the file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path, opening: u8, expected: &'static str) -> Result<T, Error> {
    let text = text::read(path).map_err(|error| Error::read(Place::file(path), error))?.content;
    if text.trim_ascii_start().bytes().next().is_some_and(|first| first != opening) {
        return Err(Error::read(Place::file(path), format!("it is not {expected}")));
    }
    serde_json::from_str(&text).map_err(|error| {
        let text = error.to_string();
        let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
        let problem = if error.is_eof() { format!("the JSON is cut short ({problem})") } else { problem.to_owned() };
        let (line, column) = (Some(error.line()), Some(error.column()));
        Error::read(Place::File { path: path.to_owned(), line, column }, problem)
    })
}

/// Why one of COCO's files cannot be read, with the place.
pub(crate) fn unreadable(path: &Path, error: coco::Error) -> Error {
    match error {
        coco::Error::Io(error) => Error::read(Place::file(path), error),
        coco::Error::Format(reason) => Error::read(Place::file(path), reason),
        coco::Error::Json { line, column, reason } => {
            let (line, column) = (Some(line), Some(column));
            Error::read(Place::File { path: path.to_owned(), line, column }, reason)
        }
    }
}

/// A file that gets its name only when [`commit`](Self::commit) has synced it. Dropped before that, it leaves nothing behind.
pub(crate) struct PendingFile {
    path: PathBuf,
    writer: BufWriter<AtomicWriteFile>,
}

impl PendingFile {
    pub(crate) fn create(path: &Path) -> Result<PendingFile, Error> {
        let path = path.to_owned();
        match AtomicWriteFile::open(&path) {
            Ok(file) => Ok(PendingFile { path, writer: BufWriter::with_capacity(1 << 16, file) }),
            Err(source) => Err(Error::Write { path, source }),
        }
    }

    /// Runs `write` on the file's buffer, and names the file in its error.
    pub(crate) fn write(
        &mut self,
        write: impl FnOnce(&mut BufWriter<AtomicWriteFile>) -> io::Result<()>,
    ) -> Result<(), Error> {
        write(&mut self.writer).map_err(|source| Error::Write { path: self.path.clone(), source })
    }

    /// Syncs the file to disk and gives it its name.
    pub(crate) fn commit(self) -> Result<(), Error> {
        let PendingFile { path, writer } = self;
        let synced = writer.into_inner().map_err(io::IntoInnerError::into_error).and_then(AtomicWriteFile::commit);
        synced.map_err(|source| Error::Write { path, source })
    }
}
