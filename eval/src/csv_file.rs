//! CSV files (RFC 4180), read with the line of a problem.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use annotation_files::text;
use csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};

use crate::{Error, Place};

/// Room for a hundred thousand scores; reading a file without line breaks stops here.
const MAX_LINE_BYTES: usize = 1 << 22;

/// How many bytes of a file decide whether it is UTF-8.
const START: u64 = 1 << 16;

/// Reads records with as many fields as the header has; empty lines are ignored.
pub(crate) struct CsvReader {
    path: PathBuf,
    reader: Reader<CompleteLines<Source>>,
    header: StringRecord,
    record: StringRecord,
}

/// A record of a file.
pub(crate) struct Record<'a> {
    path: &'a Path,
    /// Its first line, from 1.
    pub(crate) line: usize,
    pub(crate) fields: &'a StringRecord,
}

impl CsvReader {
    /// Opens a file whose header fulfils `is_header`; `expected` describes the file.
    pub(crate) fn open(
        path: &Path,
        expected: &str,
        is_header: impl Fn(&StringRecord) -> bool,
    ) -> Result<CsvReader, Error> {
        let file = source(path).map_err(|error| Error::read(Place::file(path), error))?;
        let lines = CompleteLines { file, line: 1, bytes: 0 };
        let mut reader = ReaderBuilder::new().buffer_capacity(1 << 16).from_reader(lines);
        let header = reader.headers().map_err(|error| refused(path, error))?.clone();
        if !is_header(&header) {
            return Err(Error::read(Place::file(path), format!("it is not {expected}")));
        }
        Ok(CsvReader { path: path.to_owned(), reader, header, record: StringRecord::new() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn header(&self) -> &StringRecord {
        &self.header
    }

    /// The next record, `None` at the end of the file.
    pub(crate) fn next_record(&mut self) -> Result<Option<Record<'_>>, Error> {
        if !self.reader.read_record(&mut self.record).map_err(|error| refused(&self.path, error))? {
            return Ok(None);
        }
        let line = self.record.position().map_or(0, |position| position.line() as usize);
        Ok(Some(Record { path: &self.path, line, fields: &self.record }))
    }
}

impl Record<'_> {
    pub(crate) fn place(&self) -> Place {
        Place::line(self.path, self.line)
    }
}

fn refused(path: &Path, error: csv::Error) -> Error {
    let place = match error.position() {
        Some(position) => Place::line(path, position.line() as usize),
        None => Place::file(path),
    };
    match error.into_kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Error::Count { what: "columns", found: len as usize, expected: expected_len as usize }.within(place)
        }
        ErrorKind::Utf8 { .. } => Error::read(place, "it is not UTF-8 text"),
        ErrorKind::Io(error) => Error::read(place, error),
        other => Error::read(place, format!("{other:?}")),
    }
}

type Source = Box<dyn Read + Send>;

/// The file's text. A file of scores may be larger than memory: only one that is not UTF-8 is decoded at once.
fn source(path: &Path) -> io::Result<Source> {
    let mut file = File::open(path)?;
    let mut start = Vec::new();
    file.by_ref().take(START).read_to_end(&mut start)?;
    let utf_8 = match std::str::from_utf8(&start) {
        Ok(text) => !text.contains('\0'),
        // Cut within a character.
        Err(error) => error.error_len().is_none(),
    };
    if utf_8 {
        return Ok(Box::new(Cursor::new(start).chain(file)));
    }
    Ok(Box::new(Cursor::new(text::read(path)?.content.into_bytes())))
}

/// A file each of whose lines ends with a line break: one that is cut short within a number would read as another number.
struct CompleteLines<R> {
    file: R,
    /// The current line, from 1.
    line: usize,
    /// How many bytes of it were read.
    bytes: usize,
}

impl<R: Read> Read for CompleteLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        let line = self.line;
        if count == 0 && self.bytes > 0 {
            return Err(io::Error::other(format!("it is cut short: line {line} does not end")));
        }
        for &byte in &buffer[..count] {
            self.bytes += 1;
            if byte == b'\n' {
                self.line += 1;
                self.bytes = 0;
            } else if self.bytes > MAX_LINE_BYTES {
                return Err(io::Error::other(format!("line {} is longer than {MAX_LINE_BYTES} bytes", self.line)));
            }
        }
        Ok(count)
    }
}
