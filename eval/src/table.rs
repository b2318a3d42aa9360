//! Reports as tables, written as CSV (RFC 4180).

use std::fmt;
use std::io::Write;
use std::path::Path;

use crate::Error;
use crate::file::PendingFile;

/// A line of CSV without its line break; fields are quoted where necessary.
pub fn csv_line(fields: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = fields.into_iter().try_for_each(|field| writer.write_field(field.as_ref()));
    let ended = written.and_then(|()| writer.write_record(None::<&[u8]>));
    debug_assert!(ended.is_ok(), "writing to memory does not fail");
    let mut line = String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default();
    line.pop();
    line
}

/// A report that can be written as CSV.
pub trait CsvReport {
    /// `metric,value`: each number on the complete set.
    fn summary(&self) -> CsvTable;

    /// `class,...`: a line for each class.
    fn classes(&self) -> CsvTable;
}

/// A table, which [`to_string`](ToString::to_string) writes as CSV: a header, then the rows, each ended by a line feed.
#[derive(Debug, Clone, PartialEq)]
pub struct CsvTable {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A count.
    Count(u64),
    /// A number, in the fewest digits that read back to the same bits; empty where it is not defined.
    Number(Option<f64>),
}

impl CsvTable {
    /// A table of these columns.
    pub fn new<const N: usize>(columns: [&'static str; N], rows: impl IntoIterator<Item = [Cell; N]>) -> CsvTable {
        CsvTable { columns: columns.to_vec(), rows: rows.into_iter().map(Vec::from).collect() }
    }

    /// A table of metrics and their values.
    pub(crate) fn of_metrics(metrics: impl IntoIterator<Item = (impl Into<String>, Cell)>) -> CsvTable {
        let row = |(metric, value): (_, Cell)| [Cell::Text(Into::into(metric)), value];
        CsvTable::new(["metric", "value"], metrics.into_iter().map(row))
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[&'static str] {
        &self.columns
    }

    /// The rows, each with a cell for every column.
    pub fn rows(&self) -> &[Vec<Cell>] {
        &self.rows
    }

    /// Writes the table to a file; a reader sees the old file or the complete new one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let mut file = PendingFile::create(path.as_ref())?;
        file.write(|out| write!(out, "{self}"))?;
        file.commit()
    }
}

impl fmt::Display for CsvTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", csv_line(&self.columns))?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{}", csv_line(row.iter().map(Cell::to_string))))
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Text(text) => f.write_str(text),
            Cell::Count(count) => write!(f, "{count}"),
            Cell::Number(Some(number)) if !number.is_nan() => write!(f, "{number:?}"),
            Cell::Number(_) => Ok(()),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Cell {
        Cell::Text(text.clone())
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Cell {
        Cell::Count(count)
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Cell {
        Cell::Count(count as u64)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Cell {
        Cell::Number(Some(number))
    }
}

impl From<Option<f64>> for Cell {
    fn from(number: Option<f64>) -> Cell {
        Cell::Number(number)
    }
}
