//! A file of class scores: CSV with the header `image,<class names>` and a line for each image.

use std::io::Write;
use std::path::Path;

use super::options::ScoreKind;
use crate::checks::{Names, unique_names};
use crate::csv_file::CsvReader;
use crate::file::PendingFile;
use crate::table::csv_line;
use crate::{Error, Place};

/// The name of the first column.
pub(super) const IMAGE: &str = "image";

/// Writes a file of class scores while predictions are made.
///
/// Written scores read back to the same bits. The file gets its name, synced, only at [`finish`](Self::finish); a file that
/// was there before stays until then, and stays when the writer is dropped.
pub struct PredictionWriter {
    file: PendingFile,
    names: Names,
    written: usize,
}

impl PredictionWriter {
    /// Creates the file; the classes in the order of the scores.
    ///
    /// # Errors
    /// The folder does not exist or cannot be written to; there is no class, two classes have one name.
    pub fn create(
        path: impl AsRef<Path>,
        class_names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<PredictionWriter, Error> {
        let names = unique_names(class_names)?;
        let mut file = PendingFile::create(path.as_ref())?;
        let header: Vec<&str> = [IMAGE].into_iter().chain(names.iter().map(String::as_str)).collect();
        file.write(|out| writeln!(out, "{}", csv_line(header)))?;
        Ok(PredictionWriter { file, names, written: 0 })
    }

    /// Writes an image's scores.
    ///
    /// # Errors
    /// Another number of scores than classes or a score that is not finite, both with the image; the file cannot be written.
    pub fn add(&mut self, image: &str, scores: &[f32]) -> Result<(), Error> {
        let checked = match scores.len() == self.names.len() {
            true => ScoreKind::Logits.check(scores, &self.names),
            false => Err(Error::Count { what: "scores", found: scores.len(), expected: self.names.len() }),
        };
        checked.map_err(|error| error.within(Place::image_name(image)))?;
        let scores = scores.iter().map(|score| format!("{score:?}"));
        let fields: Vec<String> = [image.to_owned()].into_iter().chain(scores).collect();
        self.file.write(|out| writeln!(out, "{}", csv_line(fields)))?;
        self.written += 1;
        Ok(())
    }

    /// Syncs the file and gives it its name; returns the number of images in it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(self) -> Result<usize, Error> {
        self.file.commit()?;
        Ok(self.written)
    }
}

/// Reads a file of class scores, an image at a time.
pub struct PredictionReader {
    csv: CsvReader,
    names: Names,
    image: String,
    scores: Vec<f32>,
}

/// A line of a file of class scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreRow<'a> {
    /// The line's number, from 1; the header is line 1.
    pub line: usize,
    /// The image.
    pub image: &'a str,
    /// A score for each class, all finite.
    pub scores: &'a [f32],
}

impl PredictionReader {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// The file cannot be read, or does not start with a header of `image` and class names.
    pub fn open(path: impl AsRef<Path>) -> Result<PredictionReader, Error> {
        let path = path.as_ref();
        let expected = "a file of class scores, CSV with the header image,<class names>";
        let csv = CsvReader::open(path, expected, |header| header.get(0) == Some(IMAGE))?;
        let names = unique_names(csv.header().iter().skip(1)).map_err(|error| error.within(Place::line(path, 1)))?;
        Ok(PredictionReader { csv, names, image: String::new(), scores: Vec::new() })
    }

    /// The classes, in the order of the scores.
    pub fn class_names(&self) -> &[String] {
        &self.names
    }

    /// The next image's scores, `None` at the end of the file.
    ///
    /// # Errors
    /// The file cannot be read or is cut short; with the line, another number of columns than the header's, a score that
    /// is not a finite number.
    pub fn next_row(&mut self) -> Result<Option<ScoreRow<'_>>, Error> {
        let Some(record) = self.csv.next_record()? else { return Ok(None) };
        self.scores.clear();
        for (class, text) in self.names.iter().zip(record.fields.iter().skip(1)) {
            match text.parse::<f32>() {
                Ok(score) if score.is_finite() => self.scores.push(score),
                _ => {
                    let name = format!("the score of class {class:?}");
                    let error = Error::value(name, format!("{text:?}"), "a finite number");
                    return Err(error.within(record.place()));
                }
            }
        }
        self.image.clear();
        self.image.push_str(&record.fields[0]);
        Ok(Some(ScoreRow { line: record.line, image: &self.image, scores: &self.scores }))
    }

    pub(super) fn path(&self) -> &Path {
        self.csv.path()
    }
}
