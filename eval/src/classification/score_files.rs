//! Scoring without a model: a file of true classes against a file of class scores.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use super::evaluator::ClassificationEvaluator;
use super::options::ClassificationOptions;
use super::predictions::{IMAGE, PredictionReader, ScoreRow};
use super::real_labels::RealLabels;
use super::report::ClassificationReport;
use crate::Error;
use crate::csv::{CsvReader, Line, quote_on_line};
use crate::file::PendingFile;

const CLASS: &str = "class";

/// Writes the file of true classes that [`score_files`] reads: CSV with the header `image,class`, classes by name.
///
/// The file is written aside, synced and renamed; returns the number of images.
///
/// # Errors
/// A name with a line break, a file that cannot be written.
pub fn write_truth<'a>(
    path: impl AsRef<Path>,
    images: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<usize, Error> {
    let mut file = PendingFile::create(path.as_ref())?;
    file.write(|out| writeln!(out, "{IMAGE},{CLASS}"))?;
    let mut written = 0;
    for (image, class) in images {
        let (image, class) = (quote_on_line(image)?, quote_on_line(class)?);
        file.write(|out| writeln!(out, "{image},{class}"))?;
        written += 1;
    }
    file.commit()?;
    Ok(written)
}

/// Scores a file of class scores (as [`PredictionWriter`](super::PredictionWriter) writes it) against a file of true classes
/// (as [`write_truth`] writes it); the classes are those of the scores' header, in its order.
///
/// Scores are read a line at a time. What is held is the name and class of each image of the truth.
///
/// # Errors
/// As [`PredictionReader`] and [`ClassificationEvaluator::add`]; with line and column, an image that stands twice in either
/// file, a true class that the header does not name, scores of an image that the truth does not list; images of the truth
/// without scores.
pub fn score_files(
    truth: impl AsRef<Path>,
    predictions: impl AsRef<Path>,
    options: ClassificationOptions,
    real: Option<RealLabels>,
) -> Result<ClassificationReport, Error> {
    let mut reader = PredictionReader::open(predictions)?;
    let path = reader.path().to_owned();
    let mut evaluator = ClassificationEvaluator::new(reader.class_names().to_vec(), options)?;
    if let Some(labels) = real {
        evaluator = evaluator.with_real_labels(labels)?;
    }
    score_rows(truth.as_ref(), &mut reader, |row, expected| {
        evaluator.add(row.image, row.scores, expected.class).map_err(|error| error.in_file(&path))
    })?;
    Ok(evaluator.finish())
}

/// Hands on each image's scores with what the truth says of it, in the order of the scores.
pub(super) fn score_rows(
    truth_path: &Path,
    reader: &mut PredictionReader,
    mut score: impl FnMut(ScoreRow<'_>, &Expected) -> Result<(), Error>,
) -> Result<(), Error> {
    let path = reader.path().to_owned();
    let mut truth = read_truth(truth_path, reader.class_names())?;
    while let Some(row) = reader.next_row()? {
        let refused = |problem| Error::Csv { path: path.clone(), line: row.line, column: 1, problem };
        let Some(expected) = truth.get_mut(row.image) else {
            let problem = format!("image {:?} is not listed in {}", row.image, truth_path.display());
            return Err(refused(problem));
        };
        if let Some(line) = expected.scored.replace(row.line) {
            return Err(refused(format!("image {:?} has scores on line {line} already", row.image)));
        }
        score(row, expected)?;
    }
    let missing = truth.iter().filter(|(_, expected)| expected.scored.is_none());
    if let Some((image, _)) = missing.clone().min_by_key(|(_, expected)| expected.line) {
        return Err(Error::NoPrediction { path, image: image.clone(), count: missing.count() });
    }
    Ok(())
}

/// What the truth's file says of an image.
pub(super) struct Expected {
    pub(super) class: usize,
    pub(super) line: usize,
    /// The line of its scores, once they were read.
    scored: Option<usize>,
}

fn read_truth(path: &Path, names: &[String]) -> Result<HashMap<String, Expected>, Error> {
    let indices: HashMap<&str, usize> = names.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
    let mut csv = CsvReader::open(path)?;
    let layout =
        || Error::Layout { path: path.to_owned(), expected: "a file of true classes, CSV with the header image,class" };
    let header = csv.next_line()?.ok_or_else(layout)?;
    let header: Vec<_> = header.fields().collect::<Result<_, Error>>()?;
    if !header.iter().map(|field| &*field.text).eq([IMAGE, CLASS]) {
        return Err(layout());
    }
    let mut truth: HashMap<String, Expected> = HashMap::new();
    while let Some(line) = csv.next_line()? {
        let (image, class) = read_pair(line, &indices)?;
        let expected = Expected { class, line: line.number, scored: None };
        if let Some(first) = truth.insert(image.clone(), expected) {
            return Err(line.error(1, format!("image {image:?} stands on line {} already", first.line)));
        }
    }
    Ok(truth)
}

fn read_pair(line: Line<'_>, indices: &HashMap<&str, usize>) -> Result<(String, usize), Error> {
    let fields: Vec<_> = line.fields().collect::<Result<_, Error>>()?;
    let [image, class] = &fields[..] else {
        let column = fields.get(2).map_or(line.end(), |field| field.column);
        return Err(line.error(column, format!("{} columns instead of 2, the image and its class", fields.len())));
    };
    let unknown = || line.error(class.column, format!("the file of scores has no class {:?}", class.text));
    let index = *indices.get(&*class.text).ok_or_else(unknown)?;
    Ok((image.text.to_string(), index))
}
