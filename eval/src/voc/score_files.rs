//! Scoring without a model: a results file in COCO's format against VOC's objects.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use annotation_files::coco::{Geometry, Prediction};

use super::evaluator::{Detection, VocEvaluator};
use super::ground_truth::GroundTruth;
use super::options::VocOptions;
use super::report::VocReport;
use crate::checks::{finite, positions};
use crate::coco::read_results;
use crate::{Error, Place};

/// The ids of images and classes in a results file.
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

/// VOC's `xmin, ymin, xmax, ymax`, which counts pixels from 1 and includes the last, from COCO's `x, y, width, height`, which
/// counts from 0; as in detectron2.
pub fn inclusive([x, y, width, height]: [f64; 4]) -> [f64; 4] {
    [x + 1.0, y + 1.0, x + width, y + height]
}

/// Scores a file in COCO's results format, an array of `{image_id, category_id, bbox, score}`, by VOC's rules.
///
/// An `image_id` is a number in `ids` or an image's name, for example `"2007_000027"`; a `category_id` is a number in `ids`.
/// Boxes are COCO's `x, y, width, height`, and are converted with [`inclusive`]. Other keys than the four are ignored.
///
/// # Errors
/// There is not one id for each image and class, or ids repeat; the file cannot be read, is cut short, or is not an array of
/// predictions, with the place; with its place in the file, a prediction for an unknown image or class, or with numbers that
/// overflow; an option is outside its range.
pub fn score_files(
    truth: impl Into<Arc<GroundTruth>>,
    ids: &FileIds,
    predictions: impl AsRef<Path>,
    options: VocOptions,
) -> Result<VocReport, Error> {
    let (ground_truth, path) = (truth.into(), predictions.as_ref());
    let mut evaluator = VocEvaluator::new(ground_truth.clone(), options)?;
    let (image_count, class_count) = (ground_truth.images().len(), ground_truth.class_names().len());
    let images = id_positions("image", "image ids", &ids.images, image_count)?;
    let classes = id_positions("category", "category ids", &ids.classes, class_count)?;
    let predictions = read_results(path, Geometry::Boxes)?.predictions;
    let mut detections = vec![Vec::new(); image_count];
    for (index, Prediction { image_id, category_id, bbox, score, .. }) in predictions.into_iter().enumerate() {
        let checked = || {
            let bbox = inclusive(bbox.ok_or_else(|| Error::read(Place::file(path), "it has masks instead of boxes"))?);
            let image = if image_id.is_quoted() {
                ground_truth.position(&image_id.text())?
            } else {
                let position = image_id.number().and_then(|id| images.get(&id).copied());
                position.ok_or_else(|| Error::unlisted_image(&image_id))?
            };
            let class = category_id.number().and_then(|id| classes.get(&id).copied());
            let class = class.ok_or_else(|| Error::unlisted_category(&category_id))?;
            // The numbers of a file are finite, but the sum of two of them can be infinite.
            finite("bbox", &bbox)?;
            Ok((image, class, bbox))
        };
        let place = |error: Error| error.within(Place::element("predictions", index)).within(Place::file(path));
        let (image, class, bbox) = checked().map_err(place)?;
        detections[image].push(Detection { class, bbox, score });
    }
    for (image, detections) in ground_truth.images().iter().zip(&detections) {
        evaluator.add(image, detections)?;
    }
    Ok(evaluator.finish())
}

/// The position of each of `expected` ids; `what` they are the ids of.
fn id_positions(
    what: &'static str,
    ids_of_what: &'static str,
    ids: &[u64],
    expected: usize,
) -> Result<HashMap<u64, usize>, Error> {
    if ids.len() != expected {
        return Err(Error::Count { what: ids_of_what, found: ids.len(), expected });
    }
    positions(what, ids.iter().copied())
}
