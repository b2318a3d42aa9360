//! Scoring without a model: predictions in COCO's results file against VOC's objects.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::evaluator::{Detection, VocEvaluator, VocOptions};
use super::ground_truth::{GroundTruth, check};
use super::report::VocReport;
use crate::file::read_json;
use crate::ids::positions;
use crate::{Entry, Error};

/// The numbers by which a results file names images and classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileIds {
    /// The id of each image, in the ground truth's order.
    pub images: Vec<u64>,
    /// The id of each class, in the ground truth's order: a results file's `category_id`.
    pub classes: Vec<u64>,
}

impl FileIds {
    /// Images and classes numbered from 1 in the ground truth's order.
    pub fn from_one(ground_truth: &GroundTruth) -> FileIds {
        let count = |count: usize| (1..=count as u64).collect();
        FileIds { images: count(ground_truth.images().len()), classes: count(ground_truth.class_names().len()) }
    }
}

/// VOC's `xmin, ymin, xmax, ymax`, which counts pixels from 1 and includes the last, of COCO's `x, y, width, height`, which
/// counts from 0; as detectron2 turns one into the other.
pub fn inclusive([x, y, width, height]: [f64; 4]) -> [f64; 4] {
    [x + 1.0, y + 1.0, x + width, y + height]
}

/// Scores a file in COCO's results layout, an array of `{image_id, category_id, bbox, score}`, by VOC's rules.
///
/// An `image_id` that is a number is one of `ids`; one that is a text is an image's name, such as `"2007_000027"`. A
/// `category_id` is one of `ids`. Boxes are COCO's `x, y, width, height` and are scored as [`inclusive`] makes them. Keys
/// beside the four are passed over; an image without predictions has none.
///
/// # Errors
/// Ids that are not one for each image and class, or that repeat; a file that cannot be read, is cut short, or is no array
/// of predictions, with the place; predictions that name an unknown image or class or whose numbers overflow, by their place in
/// the file; options outside their range.
pub fn score_files(
    truth: impl Into<Arc<GroundTruth>>,
    ids: &FileIds,
    predictions: impl AsRef<Path>,
    options: VocOptions,
) -> Result<VocReport, Error> {
    let (ground_truth, path) = (truth.into(), predictions.as_ref());
    let mut evaluator = VocEvaluator::new(ground_truth.clone(), options)?;
    let (image_count, class_count) = (ground_truth.images().len(), ground_truth.class_names().len());
    let images = places("images", &ids.images, image_count, |id| Error::RepeatedImage { id })?;
    let classes = places("classes", &ids.classes, class_count, |id| Error::RepeatedCategory { id })?;
    let read: Vec<Read> = read_json(path, b'[', "a COCO results file, an array of predictions")?;
    let mut detections = vec![Vec::new(); image_count];
    for (index, Read { image_id, category_id, bbox, score }) in read.into_iter().enumerate() {
        let entry = Entry::Prediction { index };
        let image = match image_id {
            ImageId::Number(image_id) => images.get(&image_id).copied().ok_or(Error::UnknownImage { entry, image_id }),
            ImageId::Name(image) => ground_truth.position(&image).ok_or(Error::UnknownImageName { entry, image }),
        };
        let image = image.map_err(|error| error.in_file(path))?;
        let class = classes.get(&category_id).copied();
        let class = class.ok_or_else(|| Error::UnknownCategory { entry, category_id }.in_file(path))?;
        let bbox = inclusive(bbox);
        // JSON has no number that is not finite, but a sum of two of its numbers may be one.
        check(entry, class, class_count, &bbox).map_err(|error| error.in_file(path))?;
        detections[image].push(Detection { class, bbox, score });
    }
    for (image, detections) in ground_truth.images().iter().zip(&detections) {
        evaluator.add(image, detections).map_err(|error| error.in_file(path))?;
    }
    Ok(evaluator.finish())
}

/// Where each of `expected` ids stands.
fn places(
    what: &'static str,
    ids: &[u64],
    expected: usize,
    repeated: fn(u64) -> Error,
) -> Result<HashMap<u64, usize>, Error> {
    if ids.len() != expected {
        return Err(Error::IdCount { what, found: ids.len(), expected });
    }
    positions(ids.iter().copied(), repeated)
}

/// A prediction as it stands in the file.
#[derive(Deserialize)]
struct Read {
    image_id: ImageId,
    category_id: u64,
    bbox: [f64; 4],
    score: f64,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "image_id must be a number from 0 or an image's name")]
enum ImageId {
    Number(u64),
    Name(String),
}
