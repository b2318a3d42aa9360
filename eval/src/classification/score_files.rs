//! Scoring without a model: a file of true classes against a file of class scores.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use super::evaluator::ClassificationEvaluator;
use super::options::ClassificationOptions;
use super::predictions::{IMAGE, PredictionReader, ScoreRow};
use super::real_labels::RealLabels;
use super::report::ClassificationReport;
use crate::csv_file::CsvReader;
use crate::file::PendingFile;
use crate::table::csv_line;
use crate::{Error, Place};

const CLASS: &str = "class";

/// Writes the file of true classes that [`score_files`] reads: CSV with the header `image,class`, classes by name.
///
/// A reader sees the old file or the complete new one. Returns the number of images.
///
/// # Errors
/// The file cannot be written.
pub fn write_truth<'a>(
    path: impl AsRef<Path>,
    images: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<usize, Error> {
    let mut file = PendingFile::create(path.as_ref())?;
    let mut lines = 0;
    for (image, class) in [(IMAGE, CLASS)].into_iter().chain(images) {
        file.write(|out| writeln!(out, "{}", csv_line([image, class])))?;
        lines += 1;
    }
    file.commit()?;
    Ok(lines - 1)
}

/// Scores a file of class scores (as [`PredictionWriter`](super::PredictionWriter) writes it) against a file of true classes
/// (as [`write_truth`] writes it); the classes are those of the scores' header, in its order.
///
/// Scores are read a line at a time; only the names and classes of the truth's images are kept.
///
/// # Errors
/// As [`PredictionReader`] and [`ClassificationEvaluator::add`]; with the line, an image that occurs twice in either file, a
/// true class that the header does not list, scores of an image that the truth does not list; images of the truth without
/// scores.
pub fn score_files(
    truth: impl AsRef<Path>,
    predictions: impl AsRef<Path>,
    options: ClassificationOptions,
    real: Option<RealLabels>,
) -> Result<ClassificationReport, Error> {
    let mut reader = PredictionReader::open(predictions)?;
    let mut evaluator = ClassificationEvaluator::new(reader.class_names().to_vec(), options)?;
    if let Some(labels) = real {
        evaluator = evaluator.with_real_labels(labels)?;
    }
    score_rows(truth.as_ref(), &mut reader, |row, expected| evaluator.add(row.image, row.scores, expected.class))?;
    Ok(evaluator.finish())
}

/// Calls `score` with each image's scores and its truth, in the order of the scores.
pub(super) fn score_rows(
    truth_path: &Path,
    reader: &mut PredictionReader,
    mut score: impl FnMut(ScoreRow<'_>, &Expected) -> Result<(), Error>,
) -> Result<(), Error> {
    let path = reader.path().to_owned();
    let mut truth = read_truth(truth_path, reader.class_names())?;
    while let Some(row) = reader.next_row()? {
        let image = || format!("{:?}", row.image);
        let scored = match truth.get_mut(row.image) {
            Some(Expected { scored: true, .. }) => Err(Error::repeated_image(image())),
            Some(expected) => {
                expected.scored = true;
                score(row, expected)
            }
            None => Err(Error::unlisted_image(image())),
        };
        scored.map_err(|error| error.within(Place::line(&path, row.line)))?;
    }
    let missing = truth.iter().filter(|(_, expected)| !expected.scored);
    if let Some((image, _)) = missing.clone().min_by_key(|(_, expected)| expected.line) {
        return Err(Error::NoPrediction { path, image: image.clone(), count: missing.count() });
    }
    Ok(())
}

/// What the truth's file says about an image.
pub(super) struct Expected {
    pub(super) class: usize,
    pub(super) line: usize,
    /// Whether its scores were read.
    scored: bool,
}

fn read_truth(path: &Path, names: &[String]) -> Result<HashMap<String, Expected>, Error> {
    let indices: HashMap<&str, usize> = names.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
    let expected = "a file of true classes, CSV with the header image,class";
    let mut csv = CsvReader::open(path, expected, |header| header.iter().eq([IMAGE, CLASS]))?;
    let mut truth = HashMap::new();
    while let Some(record) = csv.next_record()? {
        let (image, class) = (&record.fields[0], &record.fields[1]);
        let Some(&index) = indices.get(class) else {
            let list = "the file of scores".to_owned();
            let unlisted = Error::Unlisted { what: "class", key: format!("{class:?}"), list };
            return Err(unlisted.within(record.place()));
        };
        let expected = Expected { class: index, line: record.line, scored: false };
        if truth.insert(image.to_owned(), expected).is_some() {
            return Err(Error::repeated_image(format!("{image:?}")).within(record.place()));
        }
    }
    Ok(truth)
}
