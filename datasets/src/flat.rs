//! Images in one folder with a file of their labels: ImageNet's validation set, Kaggle's `train.csv`, lists.
//!
//! The file has an image and its label in each line, separated by a comma, a semicolon or a tab (CSV, with or without a first
//! line of column names), or by blanks. A label is a class's name, its WordNet id or its index from 0. (The development kit's
//! `ILSVRC2012_validation_ground_truth.txt` has other numbers and no names.)

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use crate::classification::{ClassificationRecord, ClassificationSet};
use crate::finder::Finder;
use crate::findings::Findings;
use crate::folder::{has_extension, is_image};
use crate::imagenet::Synsets;
use crate::lists::{self, check_once, image_and_rest, lines};
use crate::{Error, ErrorHandler};

/// Names of the column of images, in lower case.
const IMAGE_COLUMNS: [&str; 13] = [
    "filename",
    "file_name",
    "file",
    "image",
    "image_id",
    "imageid",
    "image_name",
    "img",
    "path",
    "filepath",
    "image_path",
    "id",
    "name",
];
/// Names of the column of labels, in lower case.
const LABEL_COLUMNS: [&str; 11] = [
    "label",
    "labels",
    "class",
    "class_name",
    "classname",
    "category",
    "target",
    "class_id",
    "label_id",
    "breed",
    "species",
];

/// A line of the file: its number from 1, the image, the label.
type Row = (usize, String, String);

/// Reads the images that `labels` names in the folder `images`.
///
/// Without `synsets` the classes are those that occur: the names, sorted, or where all labels are indices, 0 to the greatest.
///
/// # Errors
/// [`Error::Io`], [`Error::Empty`], [`Error::ImageList`] where the columns are ambiguous; what `on_error` returns of
/// [`Error::ImageList`] with the line for a label that is not a class and an image that is listed twice, and of
/// [`Error::ImageMissing`].
pub fn read(
    images: &Path,
    labels: &Path,
    synsets: Option<&Synsets>,
    on_error: ErrorHandler<'_>,
) -> Result<ClassificationSet, Error> {
    let mut findings = Findings::default();
    let text = lists::read(labels, &mut findings)?;
    let rows = rows(&text, labels, on_error)?;
    let collected = match synsets {
        Some(_) => None,
        None => Some(Synsets { ids: Vec::new(), names: collected(&rows) }),
    };
    let Some(synsets) = synsets.or(collected.as_ref()).filter(|synsets| !synsets.names.is_empty()) else {
        return Err(Error::Empty { path: labels.to_path_buf(), what: "images" });
    };
    let (mut finder, mut records, mut seen) = (Finder::default(), Vec::new(), HashSet::new());
    for (line, image, label) in &rows {
        let listed = |reason| Error::ImageList { path: labels.to_path_buf(), line: *line, reason };
        let record = check_once(image, &mut seen).and_then(|()| synsets.class(label)).map_err(listed);
        let record = record.and_then(|class| {
            let file = finder.image(images, image, &mut findings)?;
            Ok(ClassificationRecord { file, class })
        });
        match record {
            Ok(record) => records.push(record),
            Err(error) => on_error(error)?,
        }
    }
    if records.is_empty() {
        return Err(Error::Empty { path: labels.to_path_buf(), what: "images" });
    }
    Ok(ClassificationSet { classes: synsets.classes(), records, findings })
}

fn collected(rows: &[Row]) -> Vec<String> {
    let labels: BTreeSet<&str> = rows.iter().map(|(_, _, label)| label.as_str()).collect();
    let indices: Option<Vec<u16>> = labels.iter().map(|label| label.parse().ok()).collect();
    match indices.and_then(|indices| indices.into_iter().max()) {
        Some(greatest) => (0..=greatest).map(|index| index.to_string()).collect(),
        None => labels.into_iter().map(str::to_owned).collect(),
    }
}

fn rows(text: &str, path: &Path, on_error: ErrorHandler<'_>) -> Result<Vec<Row>, Error> {
    let first = lines(text).next().map_or("", |(_, line)| line);
    let by_ending = if has_extension(path, &["tsv"]) { Some(b'\t') } else { None };
    let separator = by_ending.or_else(|| {
        let candidates = [b',', b'\t', b';'].into_iter();
        // A blank list may have a comma in a name, but not behind an image.
        candidates.filter(|&separator| first.contains(char::from(separator))).find(|&separator| {
            let fields: Vec<&str> = first.split(char::from(separator)).map(str::trim).collect();
            has_extension(path, &["csv"]) || is_image(Path::new(fields[0])) || is_header(&fields)
        })
    });
    match separator {
        Some(separator) => separated(text, path, separator, on_error),
        None => {
            let mut rows = Vec::new();
            for (line, text) in lines(text) {
                match image_and_rest(text) {
                    Some((image, label)) => rows.push((line, image.to_owned(), label.to_owned())),
                    None => {
                        let reason = format!("{text:?} is not an image and its label");
                        on_error(Error::ImageList { path: path.to_path_buf(), line, reason })?;
                    }
                }
            }
            Ok(rows)
        }
    }
}

fn is_header(fields: &[&str]) -> bool {
    let has = |names: &[&str]| fields.iter().any(|field| names.contains(&field.to_lowercase().as_str()));
    has(&IMAGE_COLUMNS) || has(&LABEL_COLUMNS)
}

fn separated(text: &str, path: &Path, separator: u8, on_error: ErrorHandler<'_>) -> Result<Vec<Row>, Error> {
    let failed = |line: u64, reason: String| Error::ImageList { path: path.to_path_buf(), line: line as usize, reason };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut columns = None;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record =
            record.map_err(|error| failed(error.position().map_or(0, csv::Position::line), error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let fields: Vec<&str> = record.iter().collect();
        if fields.iter().all(|field| field.is_empty()) || fields[0].starts_with('#') {
            continue;
        }
        let Some((image, label)) = columns else {
            let found = columns_of(&fields).map_err(|reason| failed(line, reason))?;
            columns = Some(found);
            if !is_header(&fields) {
                rows.push((line as usize, fields[found.0].to_owned(), fields[found.1].to_owned()));
            }
            continue;
        };
        match (fields.get(image), fields.get(label)) {
            (Some(image), Some(label)) if !image.is_empty() && !label.is_empty() => {
                rows.push((line as usize, (*image).to_owned(), (*label).to_owned()));
            }
            _ => on_error(failed(line, "the line has no image or no label".to_owned()))?,
        }
    }
    Ok(rows)
}

/// The columns of images and labels, by their names or, without names, the first two.
///
/// # Errors
/// Why the first line does not say.
fn columns_of(fields: &[&str]) -> Result<(usize, usize), String> {
    let named =
        |names: &[&str]| names.iter().find_map(|name| fields.iter().position(|field| field.to_lowercase() == *name));
    let first = fields.join(", ");
    match (named(&IMAGE_COLUMNS), named(&LABEL_COLUMNS)) {
        (Some(image), Some(label)) => Ok((image, label)),
        (image, None) if fields.len() == 2 => Ok(image.map_or((0, 1), |image| (image, 1 - image))),
        (None, Some(label)) if fields.len() == 2 => Ok((1 - label, label)),
        _ if fields.len() < 2 => Err(format!("{first:?} is not an image and its label")),
        _ => Err(format!(
            "the columns ({first}) do not say which is the image and which the label; call them filename and label"
        )),
    }
}
