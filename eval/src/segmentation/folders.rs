//! Scoring without a model: a folder of true label images against a folder of predicted ones.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::evaluator::SegmentationEvaluator;
use super::label_image::LabelImage;
use super::options::SegmentationOptions;
use super::report::SegmentationReport;
use crate::{Error, Place};

/// How many images a thread evaluates at a time, into a matrix of its own.
const IMAGES_PER_THREAD: usize = 8;

/// Scores a folder of predicted label images against a folder of true ones, matched by file name.
///
/// Label images are PNG of palette indices or grey levels (the format of VOC and ADE20K). Other files, and folders, are
/// ignored. Images are read on all of rayon's threads; the number of threads changes no bit of the report.
///
/// # Errors
/// A folder cannot be read; with the file, a true image without prediction or the reverse, a file that is not a label image,
/// a prediction of another size than its truth, a label that is not a class.
pub fn score_folders(
    truth: impl AsRef<Path>,
    predictions: impl AsRef<Path>,
    class_names: impl IntoIterator<Item = impl Into<String>>,
    ignore: Option<u8>,
    options: SegmentationOptions,
) -> Result<SegmentationReport, Error> {
    let mut evaluator = SegmentationEvaluator::new(class_names, ignore, options)?;
    let empty = evaluator.clone();
    let pairs = pairs(truth.as_ref(), predictions.as_ref())?;
    for window in pairs.chunks(IMAGES_PER_THREAD * rayon::current_num_threads()) {
        let part = |pairs: &[(PathBuf, PathBuf)]| {
            let mut part = empty.clone();
            pairs.iter().try_for_each(|(truth, prediction)| read_pair(&mut part, truth, prediction)).map(|()| part)
        };
        let parts: Vec<Result<_, Error>> = window.par_chunks(IMAGES_PER_THREAD).map(part).collect();
        for part in parts {
            evaluator.merge(&part?)?;
        }
    }
    Ok(evaluator.finish())
}

/// The label images of two folders as (truth, prediction), by name.
pub(super) fn pairs(truth: &Path, predictions: &Path) -> Result<Vec<(PathBuf, PathBuf)>, Error> {
    let true_names = label_images(truth)?;
    let predicted_names = label_images(predictions)?;
    if let Some(name) = predicted_names.difference(&true_names).next() {
        let key = format!("{:?}", name.to_string_lossy());
        let list = truth.display().to_string();
        return Err(Error::Unlisted { what: "image", key, list }.within(Place::file(predictions)));
    }
    let mut missing = true_names.difference(&predicted_names);
    if let Some(name) = missing.next() {
        let image = name.to_string_lossy().into_owned();
        return Err(Error::NoPrediction { path: predictions.to_owned(), image, count: 1 + missing.count() });
    }
    Ok(true_names.iter().map(|name| (truth.join(name), predictions.join(name))).collect())
}

/// Reads a true and a predicted label image and adds them.
pub(super) fn read_pair(evaluator: &mut SegmentationEvaluator, truth: &Path, prediction: &Path) -> Result<(), Error> {
    let true_image = LabelImage::read(truth)?;
    let predicted = LabelImage::read(prediction)?;
    if predicted.size != true_image.size {
        let error = Error::SizesDiffer { found: predicted.size, truth: true_image.size };
        return Err(error.within(Place::file(prediction)));
    }
    evaluator.add_files((prediction, &predicted), (truth, &true_image))
}

/// The names of the PNG files of a folder.
fn label_images(folder: &Path) -> Result<BTreeSet<OsString>, Error> {
    let refused = |error| Error::read(Place::file(folder), error);
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(refused)? {
        let name = entry.map_err(refused)?.file_name();
        let extension = Path::new(&name).extension();
        if extension.is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
            names.insert(name);
        }
    }
    if names.is_empty() {
        return Err(Error::read(Place::file(folder), "it is not a folder with label images (PNG)"));
    }
    Ok(names)
}
