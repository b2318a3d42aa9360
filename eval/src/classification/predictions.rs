//! A file of class scores: CSV with the header `image,<class names>` and a line for each image.

use std::borrow::Cow;
use std::io::Write;
use std::path::Path;

use crate::Error;
use crate::csv::{CsvReader, Line, quote_on_line};
use crate::file::PendingFile;
use crate::names::{Names, distinct};

/// The name of the first column.
pub(super) const IMAGE: &str = "image";

/// Writes a file of class scores while predictions are made.
///
/// Scores are written in the shortest form that reads back to the same bits. The file takes its place, synced, only at
/// [`finish`](Self::finish); until then, and when the writer is dropped, the place keeps what it had.
pub struct PredictionWriter {
    file: PendingFile,
    names: Names,
    written: usize,
}

impl PredictionWriter {
    /// Opens the file that is to stand at `path`; the classes in the order of the scores.
    ///
    /// # Errors
    /// A folder that is absent or cannot be written to; no class, two of one name, a name with a line break.
    pub fn create(
        path: impl AsRef<Path>,
        class_names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<PredictionWriter, Error> {
        let names = distinct(class_names, usize::MAX)?;
        let mut header = IMAGE.to_owned();
        for name in names.iter() {
            header.push(',');
            header.push_str(&quote_on_line(name)?);
        }
        header.push('\n');
        let mut file = PendingFile::create(path.as_ref())?;
        file.write(|out| out.write_all(header.as_bytes()))?;
        Ok(PredictionWriter { file, names, written: 0 })
    }

    /// Writes an image's scores.
    ///
    /// # Errors
    /// Another number of scores than classes, a score that is not finite, a name with a line break, all with the image;
    /// a file that cannot be written.
    pub fn add(&mut self, image: &str, scores: &[f32]) -> Result<(), Error> {
        let image = self.admit(image, scores).map_err(|error| error.of_image(image))?;
        self.file.write(|out| {
            out.write_all(image.as_bytes())?;
            scores.iter().try_for_each(|score| write!(out, ",{score:?}"))?;
            out.write_all(b"\n")
        })?;
        self.written += 1;
        Ok(())
    }

    /// Syncs the file and puts it in its place; returns the number of images in it.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn finish(self) -> Result<usize, Error> {
        self.file.commit()?;
        Ok(self.written)
    }

    /// The image's name as it is to be written.
    fn admit<'a>(&self, image: &'a str, scores: &[f32]) -> Result<Cow<'a, str>, Error> {
        if scores.len() != self.names.len() {
            return Err(Error::ScoreCount { found: scores.len(), classes: self.names.len() });
        }
        match scores.iter().zip(self.names.iter()).find(|(score, _)| !score.is_finite()) {
            Some((&value, class)) => Err(Error::Score { class: class.clone(), value, expected: "a finite number" }),
            None => quote_on_line(image),
        }
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
    /// A file that cannot be read, or does not begin with a header of `image` and class names, with the place.
    pub fn open(path: impl AsRef<Path>) -> Result<PredictionReader, Error> {
        let path = path.as_ref();
        let mut csv = CsvReader::open(path)?;
        let layout = || Error::Layout {
            path: path.to_owned(),
            expected: "a file of class scores, CSV with the header image,<class names>",
        };
        let header = csv.next_line()?.ok_or_else(layout)?;
        let mut fields = header.fields();
        if fields.next().transpose()?.is_none_or(|field| field.text != IMAGE) {
            return Err(layout());
        }
        let names: Vec<String> = fields.map(|field| Ok(field?.text.into_owned())).collect::<Result<_, Error>>()?;
        let names = distinct(names, usize::MAX).map_err(|error| header.error(1, error.to_string()))?;
        let scores = Vec::with_capacity(names.len());
        Ok(PredictionReader { csv, names, image: String::new(), scores })
    }

    /// The classes, in the order of the scores.
    pub fn class_names(&self) -> &[String] {
        &self.names
    }

    /// The next image's scores, none at the end of the file.
    ///
    /// # Errors
    /// A file that cannot be read or was cut short; with line and column, another number of columns than the header's, a
    /// score that is no number or not finite.
    pub fn next_row(&mut self) -> Result<Option<ScoreRow<'_>>, Error> {
        let Some(line) = self.csv.next_line()? else { return Ok(None) };
        self.image.clear();
        self.scores.clear();
        read_row(line, &self.names, &mut self.image, &mut self.scores)?;
        Ok(Some(ScoreRow { line: line.number, image: &self.image, scores: &self.scores }))
    }

    pub(super) fn path(&self) -> &Path {
        self.csv.path()
    }
}

fn read_row(line: Line<'_>, names: &[String], image: &mut String, scores: &mut Vec<f32>) -> Result<(), Error> {
    let mut fields = line.fields();
    if let Some(field) = fields.next().transpose()? {
        image.push_str(&field.text);
    }
    let mut fields = fields.enumerate();
    for (index, field) in fields.by_ref() {
        let field = field?;
        let Some(class) = names.get(index) else {
            let found = index + 2 + fields.count();
            let problem =
                format!("{found} columns instead of {}, the image and a score for each class", names.len() + 1);
            return Err(line.error(field.column, problem));
        };
        let score: f32 = field.text.parse().map_err(|_| {
            line.error(field.column, format!("the score of class {class:?} is {:?}, which is not a number", field.text))
        })?;
        if !score.is_finite() {
            let problem = format!("the score of class {class:?} is {score}, which is not a finite number");
            return Err(line.error(field.column, problem));
        }
        scores.push(score);
    }
    if scores.len() < names.len() {
        let (found, expected) = (scores.len() + 1, names.len() + 1);
        let problem = format!("{found} columns instead of {expected}, the image and a score for each class");
        return Err(line.error(line.end(), problem));
    }
    Ok(())
}
