//! Reports as tables, written as CSV (RFC 4180).

use std::fmt;
use std::io::Write;
use std::path::Path;

use csv::WriterBuilder;
use serde::Serialize;
use serde_json::Value;

use crate::Error;
use crate::file::PendingFile;

/// A line of CSV without its line break: the values of a list, tuple or struct. Text is quoted where necessary, a number is
/// written in the fewest digits that read back to the same bits, and `None` is an empty field.
pub fn csv_line(record: impl Serialize) -> String {
    let mut line = lines([record]);
    line.pop();
    line
}

fn lines(rows: impl IntoIterator<Item = impl Serialize>) -> String {
    let mut writer = WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    let written = rows.into_iter().try_for_each(|row| writer.serialize(row));
    debug_assert!(written.is_ok(), "{written:?}");
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
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
pub struct CsvTable(String);

impl CsvTable {
    /// A table of this header (`class,images`) and of rows with a value for each column, as [`csv_line`] writes them.
    pub fn new(header: &str, rows: impl IntoIterator<Item = impl Serialize>) -> CsvTable {
        CsvTable(format!("{header}\n{}", lines(rows)))
    }

    /// A table of metrics and their values.
    pub(crate) fn of_metrics(metrics: impl IntoIterator<Item = (impl Serialize, Value)>) -> CsvTable {
        CsvTable::new("metric,value", metrics)
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
        f.write_str(&self.0)
    }
}
