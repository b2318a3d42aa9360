//! The evaluator: detections in, image by image, a [`CocoReport`] out.

use std::path::Path;
use std::sync::Arc;

use ::coco::params::Params;
use ::coco::{EvalMode, StreamingEval};

use super::detected::{Detected, IouType};
use super::feed::{Feed, admit};
use super::ground_truth::GroundTruth;
use super::predictions::{Detection, MaskDetection};
use super::report::CocoReport;
use crate::{Entry, Error};

/// Evaluates detections against ground truth, in detectron2's shape: new, add for each image, finish.
///
/// An image that is never added counts as one without detections. The order of images changes nothing; the order of an
/// image's detections matters between equal scores alone, where the first ranks first.
pub struct CocoEvaluator<D: Detected = Detection> {
    feed: Feed<D, StreamingEval>,
}

impl CocoEvaluator {
    /// An evaluator of boxes that has seen nothing; ground truth in an [`Arc`] serves one evaluation after another.
    ///
    /// # Errors
    /// None that ground truth can cause.
    pub fn new(ground_truth: impl Into<Arc<GroundTruth>>) -> Result<CocoEvaluator, Error> {
        CocoEvaluator::of(ground_truth.into())
    }
}

impl CocoEvaluator<MaskDetection> {
    /// An evaluator of masks that has seen nothing.
    ///
    /// Objects are small, medium or large by the area that the annotation file gives them, detections by their masks.
    ///
    /// # Errors
    /// Ground truth without masks.
    pub fn with_masks(ground_truth: impl Into<Arc<GroundTruth>>) -> Result<CocoEvaluator<MaskDetection>, Error> {
        CocoEvaluator::of(ground_truth.into())
    }
}

impl<D: Detected> CocoEvaluator<D> {
    fn of(ground_truth: Arc<GroundTruth>) -> Result<CocoEvaluator<D>, Error> {
        let categories = ground_truth.categories().iter().map(|category| ::coco::Category {
            id: category.id,
            // The engine prints a warning about empty names, so it gets the ids.
            name: category.id.to_string(),
            ..Default::default()
        });
        let params = Params::new(D::IOU_TYPE.engine());
        let engine = StreamingEval::new(params, EvalMode::Coco, categories.collect())?;
        Ok(CocoEvaluator { feed: Feed::new(ground_truth, engine)? })
    }

    /// Adds all detections of one image; of more than 100 of a class the best 100 count.
    ///
    /// # Errors
    /// An image or category that the ground truth does not list, an image added before, a box or score that is not
    /// finite, a mask that is none of its image. The evaluator is then as it was.
    pub fn add(&mut self, image_id: u64, detections: &[D]) -> Result<(), Error> {
        self.feed.add(image_id, detections)
    }

    /// The report on everything added.
    ///
    /// # Errors
    /// None that detections admitted by [`add`](Self::add) can cause.
    pub fn finish(self) -> Result<CocoReport, Error> {
        let ground_truth = self.feed.ground_truth.clone();
        let (engine, detections) = self.feed.finish()?;
        CocoReport::new(&ground_truth, D::IOU_TYPE, engine.finalize(), detections)
    }
}

/// Scores a COCO results file against a COCO annotation file, by boxes or by masks.
///
/// A results file without predictions scores 0, where pycocotools cannot load it. A results file with masks may have boxes
/// too: they are passed over, where pycocotools would take the area of a detection from its box.
///
/// # Errors
/// As [`GroundTruth::from_file`] and [`read_predictions`](super::read_predictions), or as
/// [`GroundTruth::from_file_with_masks`] and [`read_mask_predictions`](super::read_mask_predictions); predictions for
/// images or categories that the annotation file does not list and masks that are none of their image, by their place in
/// the results file.
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
    let predictions = read_for::<D>(&evaluator.feed.ground_truth, predictions)?;
    each_image(&predictions, |image_id, detections| evaluator.add(image_id, detections))?;
    drop(predictions);
    evaluator.finish()
}

/// The detections of a results file with their images, those of an image together, all of which the ground truth lists.
pub(super) fn read_for<D: Detected>(ground_truth: &GroundTruth, path: &Path) -> Result<Vec<(u64, D)>, Error> {
    let mut predictions = D::read(path)?;
    for (index, (image_id, detection)) in predictions.iter().enumerate() {
        let (entry, image_id) = (Entry::Prediction { index }, *image_id);
        let position = ground_truth.image_position(image_id).ok_or(Error::UnknownImage { entry, image_id });
        position
            .and_then(|position| admit(ground_truth, entry, position, detection))
            .map_err(|error| error.in_file(path))?;
    }
    predictions.sort_by_key(|(image_id, _)| *image_id);
    Ok(predictions)
}

/// Hands on each image's detections, where those of an image stand together.
pub(super) fn each_image<D: Detected>(
    predictions: &[(u64, D)],
    mut add: impl FnMut(u64, &[D]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut detections = Vec::new();
    for of_image in predictions.chunk_by(|a, b| a.0 == b.0) {
        detections.clear();
        detections.extend(of_image.iter().map(|(_, detection)| detection.clone()));
        add(of_image[0].0, &detections)?;
    }
    Ok(())
}
