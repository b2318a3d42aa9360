//! The evaluator: detections in, image by image, a [`CocoReport`] out.

use std::path::Path;
use std::sync::Arc;

use ::coco::params::Params;
use ::coco::{EvalMode, StreamingEval};

use super::detected::{Detected, IouType};
use super::feed::{Cut, Fed, Feed};
use super::finding::Finding;
use super::ground_truth::GroundTruth;
use super::predictions::{Detection, MaskDetection};
use super::report::CocoReport;
use super::results::FileDetections;
use crate::Error;

/// How many detections of an image and class COCO evaluates, best first.
pub(super) const MAX_DETECTIONS: usize = 100;

/// The numbers of detections of AR1 and AR10.
const FEW_DETECTIONS: [usize; 2] = [1, 10];

/// Evaluates detections against ground truth: new, add for each image, finish.
///
/// An image that is never added counts as one without detections. The order of images changes nothing; the order of an
/// image's detections only matters between equal scores, of which the first ranks first.
pub struct CocoEvaluator<D: Detected = Detection> {
    feed: Feed<D, StreamingEval>,
    max_detections: usize,
    /// What is found in a file of detections.
    findings: Vec<Finding>,
}

impl CocoEvaluator {
    /// An empty evaluator of boxes; ground truth in an [`Arc`] can be used again.
    ///
    /// # Errors
    /// None that ground truth can cause.
    pub fn new(ground_truth: impl Into<Arc<GroundTruth>>) -> Result<CocoEvaluator, Error> {
        CocoEvaluator::of(ground_truth.into(), MAX_DETECTIONS)
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
        CocoEvaluator::of(ground_truth.into(), MAX_DETECTIONS)
    }
}

impl<D: Detected> CocoEvaluator<D> {
    fn of(ground_truth: Arc<GroundTruth>, max_detections: usize) -> Result<CocoEvaluator<D>, Error> {
        if max_detections <= FEW_DETECTIONS[1] {
            return Err(Error::value("max_dets", max_detections, "a number above 10"));
        }
        let mut params = Params::new(D::IOU_TYPE.engine());
        params.max_dets = [&FEW_DETECTIONS[..], &[max_detections]].concat();
        let engine = StreamingEval::new(params, EvalMode::Coco, ground_truth.engine_categories())?;
        Ok(CocoEvaluator {
            feed: Feed::new(ground_truth, engine, max_detections)?,
            max_detections,
            findings: Vec::new(),
        })
    }

    /// Adds all detections of one image; of more than 100 of a class, or the given maximum, the best count.
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
        let limit = self.max_detections;
        let Fed { matcher, detections, cut } = self.feed.finish()?;
        let mut report = CocoReport::new(&ground_truth, D::IOU_TYPE, matcher.finalize(), detections, limit)?;
        report.findings.extend(self.findings);
        let Cut { detections, images } = cut;
        if detections > 0 {
            report.findings.push(Finding::BeyondLimit { detections, images, limit });
        }
        Ok(report)
    }
}

/// Scores a COCO results file against a COCO annotation file, by boxes or by masks, with the best 100 detections of an image and
/// class.
///
/// As in pycocotools' `loadRes`, the first prediction decides whether the file is one of boxes, whose area is the predictions'
/// and which are masks where there are none, or one of masks, whose boxes are the masks'. A results file without predictions
/// scores 0; pycocotools cannot load it. Predictions of categories that the annotation file does not list are left out, which the
/// report's findings say, as they say where images are matched by something other than their ids.
///
/// # Errors
/// As [`GroundTruth::from_file`] or [`GroundTruth::from_file_with_masks`]; a results file that cannot be read, is cut short, or is
/// not an array of predictions; with their place in it, predictions that cannot be used, for images that the annotation file does
/// not list, or with masks that do not fit their image.
pub fn score_files(
    annotations: impl AsRef<Path>,
    predictions: impl AsRef<Path>,
    iou_type: IouType,
) -> Result<CocoReport, Error> {
    score_files_with(annotations, predictions, iou_type, MAX_DETECTIONS)
}

/// As [`score_files`], with the best `max_detections` detections of an image and class: pycocotools' `maxDets` of
/// `[1, 10, max_detections]`, and every statistic but AR1 and AR10 at the last of these. (pycocotools 2.0.11 itself prints -1 for
/// the first statistic then, since it looks for 100.)
///
/// # Errors
/// As [`score_files`]; `max_detections` is not above 10.
pub fn score_files_with(
    annotations: impl AsRef<Path>,
    predictions: impl AsRef<Path>,
    iou_type: IouType,
    max_detections: usize,
) -> Result<CocoReport, Error> {
    let predictions = predictions.as_ref();
    match iou_type {
        IouType::Bbox => score::<Detection>(GroundTruth::from_file(annotations)?, predictions, max_detections),
        IouType::Segm => {
            score::<MaskDetection>(GroundTruth::from_file_with_masks(annotations)?, predictions, max_detections)
        }
    }
}

fn score<D: Detected>(ground_truth: GroundTruth, path: &Path, max_detections: usize) -> Result<CocoReport, Error> {
    let mut evaluator = CocoEvaluator::<D>::of(ground_truth.into(), max_detections)?;
    let file = FileDetections::read(&evaluator.feed.ground_truth, path)?;
    file.each_image(|image_id, detections| evaluator.add(image_id, detections))?;
    evaluator.findings = file.findings;
    evaluator.finish()
}
