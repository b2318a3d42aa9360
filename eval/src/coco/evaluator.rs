//! The evaluator: detections in, image by image, a [`CocoReport`] out.

use std::path::Path;
use std::sync::Arc;

use ::coco::params::{IouType, Params};
use ::coco::{EvalMode, StreamingEval};

use super::ground_truth::{Annotation, GroundTruth};
use super::predictions::{Detection, read_predictions};
use super::report::CocoReport;
use crate::{Entry, Error};

/// How many boxes are matched in one go: enough to pay for the engine's set-up and to keep every core at work, few enough
/// to weigh two megabytes.
const BATCH: usize = 8192;

/// Evaluates detections against ground truth, in detectron2's shape: new, add for each image, finish.
///
/// An image that is never added counts as one without detections. The order of images changes nothing; the order of an
/// image's detections matters between equal scores alone, where the first ranks first.
pub struct CocoEvaluator {
    ground_truth: Arc<GroundTruth>,
    engine: StreamingEval,
    added: Vec<bool>,
    batch: Batch,
    detections: usize,
}

/// Images that wait to be matched together.
#[derive(Default)]
struct Batch {
    images: Vec<::coco::Image>,
    annotations: Vec<::coco::Annotation>,
    detections: Vec<::coco::Annotation>,
}

impl CocoEvaluator {
    /// An evaluator that has seen nothing; ground truth in an [`Arc`] serves one evaluation after another.
    ///
    /// # Errors
    /// None that ground truth can cause.
    pub fn new(ground_truth: impl Into<Arc<GroundTruth>>) -> Result<CocoEvaluator, Error> {
        let ground_truth = ground_truth.into();
        let categories = ground_truth.categories().iter().map(|category| ::coco::Category {
            id: category.id,
            // The engine prints a warning about empty names, so it gets the ids.
            name: category.id.to_string(),
            ..Default::default()
        });
        let engine = StreamingEval::new(Params::new(IouType::Bbox), EvalMode::Coco, categories.collect())?;
        let added = vec![false; ground_truth.images().len()];
        Ok(CocoEvaluator { ground_truth, engine, added, batch: Batch::default(), detections: 0 })
    }

    /// Adds all detections of one image; of more than 100 of a class the best 100 count.
    ///
    /// # Errors
    /// An image or category that the ground truth does not list, an image added before, a box or score that is not
    /// finite. The evaluator is then as it was.
    pub fn add(&mut self, image_id: u64, detections: &[Detection]) -> Result<(), Error> {
        let position = self.ground_truth.image_position(image_id).ok_or(Error::UnlistedImage { image_id })?;
        for (index, detection) in detections.iter().enumerate() {
            admit(&self.ground_truth, Entry::Detection { image_id, index }, detection)?;
        }
        if std::mem::replace(&mut self.added[position], true) {
            return Err(Error::AddedTwice { image_id });
        }
        self.detections += detections.len();
        self.enqueue(position, detections)
    }

    /// The report on everything added.
    ///
    /// # Errors
    /// None that detections admitted by [`add`](Self::add) can cause.
    pub fn finish(mut self) -> Result<CocoReport, Error> {
        for position in 0..self.added.len() {
            if !self.added[position] {
                self.enqueue(position, &[])?;
            }
        }
        self.flush()?;
        CocoReport::new(&self.ground_truth, self.engine.finalize(), self.detections)
    }

    fn enqueue(&mut self, position: usize, detections: &[Detection]) -> Result<(), Error> {
        let image_id = self.ground_truth.images()[position].id;
        let batch = &mut self.batch;
        batch.images.push(::coco::Image { id: image_id, ..Default::default() });
        batch.annotations.extend(self.ground_truth.annotations_of(position).iter().map(object));
        batch.detections.extend(detections.iter().map(|detection| prediction(image_id, detection)));
        if batch.annotations.len() + batch.detections.len() < BATCH { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let Batch { images, annotations, detections } = std::mem::take(&mut self.batch);
        Ok(self.engine.update(images, annotations, detections)?)
    }
}

/// Scores a COCO results file against a COCO annotation file.
///
/// A results file without predictions scores 0, where pycocotools cannot load it.
///
/// # Errors
/// As [`GroundTruth::from_file`] and [`read_predictions`]; predictions for images or categories that the annotation file
/// does not list, by their place in the results file.
pub fn score_files(annotations: impl AsRef<Path>, predictions: impl AsRef<Path>) -> Result<CocoReport, Error> {
    let ground_truth = GroundTruth::from_file(annotations)?;
    let path = predictions.as_ref();
    let mut predictions = read_predictions(path)?;
    for (index, prediction) in predictions.iter().enumerate() {
        let entry = Entry::Prediction { index };
        let image_id = prediction.image_id;
        let listed = ground_truth.image_position(image_id).ok_or(Error::UnknownImage { entry, image_id });
        listed
            .and_then(|_| admit(&ground_truth, entry, &prediction.detection()))
            .map_err(|error| error.in_file(path))?;
    }

    let mut evaluator = CocoEvaluator::new(ground_truth)?;
    predictions.sort_by_key(|prediction| prediction.image_id);
    let mut detections = Vec::new();
    for of_image in predictions.chunk_by(|a, b| a.image_id == b.image_id) {
        detections.clear();
        detections.extend(of_image.iter().map(|prediction| prediction.detection()));
        evaluator.add(of_image[0].image_id, &detections)?;
    }
    evaluator.finish()
}

/// Whether a detection can be evaluated.
fn admit(ground_truth: &GroundTruth, entry: Entry, detection: &Detection) -> Result<(), Error> {
    let category_id = detection.category_id;
    ground_truth.category_position(category_id).ok_or(Error::UnknownCategory { entry, category_id })?;
    detection.check(entry)
}

fn object(annotation: &Annotation) -> ::coco::Annotation {
    ::coco::Annotation {
        image_id: annotation.image_id,
        category_id: annotation.category_id,
        bbox: Some(annotation.bbox),
        area: Some(annotation.area),
        iscrowd: annotation.crowd,
        ..Default::default()
    }
}

fn prediction(image_id: u64, detection: &Detection) -> ::coco::Annotation {
    ::coco::Annotation {
        image_id,
        category_id: detection.category_id,
        bbox: Some(detection.bbox),
        score: Some(detection.score),
        ..Default::default()
    }
}
