//! The evaluator: detections in, image by image, a [`CocoReport`] out.

use std::path::Path;
use std::sync::Arc;

use ::coco::params::Params;
use ::coco::{EvalMode, StreamingEval};

use super::detected::{Detected, IouType};
use super::feed::{Feed, check_detection};
use super::ground_truth::GroundTruth;
use super::predictions::{Detection, MaskDetection};
use super::report::CocoReport;
use crate::{Error, Place};

/// Evaluates detections against ground truth: new, add for each image, finish.
///
/// An image that is never added counts as one without detections. The order of images changes nothing; the order of an
/// image's detections only matters between equal scores, of which the first ranks first.
pub struct CocoEvaluator<D: Detected = Detection> {
    feed: Feed<D, StreamingEval>,
}

impl CocoEvaluator {
    /// An empty evaluator of boxes; ground truth in an [`Arc`] can be used again.
    ///
    /// # Errors
    /// None that ground truth can cause.
    pub fn new(ground_truth: impl Into<Arc<GroundTruth>>) -> Result<CocoEvaluator, Error> {
        CocoEvaluator::of(ground_truth.into())
    }
}

impl CocoEvaluator<MaskDetection> {
    /// An empty evaluator of masks.
    ///
    /// Objects are small, medium or large by their area in the annotation file, detections by the area of their masks.
    ///
    /// # Errors
    /// The ground truth has no masks.
    pub fn with_masks(ground_truth: impl Into<Arc<GroundTruth>>) -> Result<CocoEvaluator<MaskDetection>, Error> {
        CocoEvaluator::of(ground_truth.into())
    }
}

impl<D: Detected> CocoEvaluator<D> {
    fn of(ground_truth: Arc<GroundTruth>) -> Result<CocoEvaluator<D>, Error> {
        let params = Params::new(D::IOU_TYPE.engine());
        let engine = StreamingEval::new(params, EvalMode::Coco, ground_truth.engine_categories())?;
        Ok(CocoEvaluator { feed: Feed::new(ground_truth, engine)? })
    }

    /// Adds all detections of one image; of more than 100 of a class the best 100 count.
    ///
    /// # Errors
    /// An image or category that the ground truth does not list, an image added before, a box or score that is not
    /// finite, a mask that does not fit its image. Nothing is added then.
    pub fn add(&mut self, image_id: u64, detections: &[D]) -> Result<(), Error> {
        self.feed.add(image_id, detections)
    }

    /// The report on everything added.
    ///
    /// # Errors
    /// None that detections accepted by [`add`](Self::add) can cause.
    pub fn finish(self) -> Result<CocoReport, Error> {
        let ground_truth = self.feed.ground_truth.clone();
        let (engine, detections) = self.feed.finish()?;
        CocoReport::new(&ground_truth, D::IOU_TYPE, engine.finalize(), detections)
    }
}

/// Scores a COCO results file against a COCO annotation file, by boxes or by masks.
///
/// A results file without predictions scores 0; pycocotools cannot load it. Boxes beside masks in a results file are ignored;
/// pycocotools would use a box's area as that of the detection.
///
/// # Errors
/// As [`GroundTruth::from_file`] and [`read_predictions`](super::read_predictions), or as
/// [`GroundTruth::from_file_with_masks`] and [`read_mask_predictions`](super::read_mask_predictions); with their place in
/// the results file, predictions for images or categories that the annotation file does not list and masks that do not fit
/// their image.
pub fn score_files(
    annotations: impl AsRef<Path>,
    predictions: impl AsRef<Path>,
    iou_type: IouType,
) -> Result<CocoReport, Error> {
    let predictions = predictions.as_ref();
    match iou_type {
        IouType::Bbox => score(CocoEvaluator::new(GroundTruth::from_file(annotations)?)?, predictions),
        IouType::Segm => {
            score(CocoEvaluator::with_masks(GroundTruth::from_file_with_masks(annotations)?)?, predictions)
        }
    }
}

fn score<D: Detected>(mut evaluator: CocoEvaluator<D>, predictions: &Path) -> Result<CocoReport, Error> {
    let predictions = read_for(&evaluator.feed.ground_truth, predictions)?;
    each_image(&predictions, |image_id, detections| evaluator.add(image_id, detections))?;
    drop(predictions);
    evaluator.finish()
}

/// The detections of a results file with their images, by image; the ground truth lists all of them.
pub(super) fn read_for<D: Detected>(ground_truth: &GroundTruth, path: &Path) -> Result<Vec<(u64, D)>, Error> {
    let mut predictions = D::read(path)?;
    for (index, (image_id, detection)) in predictions.iter().enumerate() {
        ground_truth
            .image_position(*image_id)
            .and_then(|position| check_detection(ground_truth, position, detection))
            .map_err(|error| error.within(Place::element("predictions", index)).within(Place::file(path)))?;
    }
    predictions.sort_by_key(|(image_id, _)| *image_id);
    Ok(predictions)
}

/// Calls `add` with each image's detections, which are next to each other.
pub(super) fn each_image<D: Detected>(
    predictions: &[(u64, D)],
    mut add: impl FnMut(u64, &[D]) -> Result<(), Error>,
) -> Result<(), Error> {
    predictions.chunk_by(|a, b| a.0 == b.0).try_for_each(|of_image| {
        let detections: Vec<D> = of_image.iter().map(|(_, detection)| detection.clone()).collect();
        add(of_image[0].0, &detections)
    })
}
