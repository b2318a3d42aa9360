//! Tables for machines.

use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use std::path::Path;

use super::csv_field;
use crate::Error;
use crate::file::PendingFile;

/// A report that can be written as CSV.
pub trait CsvReport {
    /// `metric,value`: each number on the whole set.
    fn summary(&self) -> CsvTable;

    /// `class,...`: a line for each class.
    fn classes(&self) -> CsvTable;
}

/// A table, which [`to_string`](ToString::to_string) gives as CSV: a header, then the rows, quoted as in RFC 4180, each
/// ended by a line feed.
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
    /// A number, in the fewest digits that read back to the same bits; nothing where it is not defined.
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

    /// Writes the table to a file, which is written aside, synced and renamed.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let mut file = PendingFile::create(path.as_ref())?;
        file.write(|out| write!(out, "{self}"))?;
        file.commit()
    }
}

impl fmt::Display for CsvTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = self.columns.iter().map(|&column| csv_field(column)).collect::<Vec<_>>();
        writeln!(f, "{}", header.join(","))?;
        for row in &self.rows {
            let cells: Vec<Cow<'_, str>> = row.iter().map(Cell::written).collect();
            writeln!(f, "{}", cells.join(","))?;
        }
        Ok(())
    }
}

impl Cell {
    fn written(&self) -> Cow<'_, str> {
        match self {
            Cell::Text(text) => csv_field(text),
            Cell::Count(count) => Cow::Owned(count.to_string()),
            Cell::Number(number) => match number {
                Some(number) if !number.is_nan() => Cow::Owned(format!("{number:?}")),
                _ => Cow::Borrowed(""),
            },
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
