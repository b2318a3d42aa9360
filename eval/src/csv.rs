//! CSV files: read line by line with the place of what is wrong, and written as tables.
//!
//! Fields are quoted as in RFC 4180. What is read back here has no line break inside quotes, so that a stray quote cannot
//! swallow the rest of a file. Every line ends with a line break: one that does not tells that the file was cut short, which
//! a number's missing digits would not.

mod table;

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::Error;

pub use table::{Cell, CsvReport, CsvTable};

/// Room for a hundred thousand scores; a file without line breaks stops here.
const LONGEST_LINE: u64 = 1 << 22;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

pub(crate) struct CsvReader {
    path: PathBuf,
    input: BufReader<File>,
    line: Vec<u8>,
    number: usize,
}

impl CsvReader {
    pub(crate) fn open(path: &Path) -> Result<CsvReader, Error> {
        let file = File::open(path).map_err(|source| Error::Io { action: "read", path: path.to_owned(), source })?;
        let input = BufReader::with_capacity(1 << 16, file);
        Ok(CsvReader { path: path.to_owned(), input, line: Vec::new(), number: 0 })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The next line, none at the end of the file.
    pub(crate) fn next_line(&mut self) -> Result<Option<Line<'_>>, Error> {
        self.line.clear();
        let read = self.input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut self.line);
        if read.map_err(|source| Error::Io { action: "read", path: self.path.clone(), source })? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let number = self.number;
        let error = |column, problem| Error::Csv { path: self.path.clone(), line: number, column, problem };
        let Some(text) = self.line.strip_suffix(b"\n") else {
            return Err(if self.line.len() as u64 == LONGEST_LINE {
                error(self.line.len(), format!("the line is longer than {LONGEST_LINE} bytes"))
            } else {
                Error::CutShortLine { path: self.path.clone(), line: number }
            });
        };
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let text = if number == 1 { text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text) } else { text };
        let text = std::str::from_utf8(text)
            .map_err(|problem| error(problem.valid_up_to() + 1, "this is not UTF-8 text".to_owned()))?;
        Ok(Some(Line { path: &self.path, number, text }))
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    path: &'a Path,
    pub(crate) number: usize,
    text: &'a str,
}

impl<'a> Line<'a> {
    /// The line's fields, at least one.
    pub(crate) fn fields(self) -> Fields<'a> {
        Fields { line: self, rest: Some(self.text) }
    }

    /// What is wrong at a column of this line, from 1.
    pub(crate) fn error(self, column: usize, problem: impl Into<String>) -> Error {
        Error::Csv { path: self.path.to_owned(), line: self.number, column, problem: problem.into() }
    }

    /// The column behind the last one.
    pub(crate) fn end(self) -> usize {
        self.text.len() + 1
    }
}

pub(crate) struct Field<'a> {
    /// Where the field begins, in bytes from 1.
    pub(crate) column: usize,
    pub(crate) text: Cow<'a, str>,
}

pub(crate) struct Fields<'a> {
    line: Line<'a>,
    rest: Option<&'a str>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        let column = self.line.end() - rest.len();
        let Some(quoted) = rest.strip_prefix('"') else {
            let text = match rest.split_once(',') {
                Some((text, after)) => {
                    self.rest = Some(after);
                    text
                }
                None => rest,
            };
            return Some(Ok(Field { column, text: Cow::Borrowed(text) }));
        };
        let Some((text, after)) = unquote(quoted) else {
            return Some(Err(self.line.error(column, "a quote is opened here and not closed on the line")));
        };
        match after.strip_prefix(',') {
            Some(after) => self.rest = Some(after),
            None if after.is_empty() => (),
            None => {
                let column = self.line.end() - after.len();
                return Some(Err(self.line.error(column, "a comma must follow the closing quote")));
            }
        }
        Some(Ok(Field { column, text }))
    }
}

/// What stands before the closing quote, and what follows it; a doubled quote is a quote.
fn unquote(quoted: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut from = 0;
    loop {
        let at = from + quoted[from..].find('"')?;
        let after = &quoted[at + 1..];
        if !after.starts_with('"') {
            let text = &quoted[..at];
            let text = if from == 0 { Cow::Borrowed(text) } else { Cow::Owned(text.replace("\"\"", "\"")) };
            return Some((text, after));
        }
        from = at + 2;
    }
}

/// A field's text as it must be written.
pub fn csv_field(text: &str) -> Cow<'_, str> {
    if text.contains([',', '"', '\n', '\r']) {
        return Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")));
    }
    Cow::Borrowed(text)
}

/// A field's text as it must be written to be read back by [`CsvReader`], which a line break cannot be.
pub(crate) fn quote_on_line(text: &str) -> Result<Cow<'_, str>, Error> {
    if text.contains(['\n', '\r']) {
        return Err(Error::LineBreak { name: text.to_owned() });
    }
    Ok(csv_field(text))
}
