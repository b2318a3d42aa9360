//! Detections counted as COCO counts them.

use datasets::{DetectionSample, DetectionSet};
use eval::coco::{self, CocoEvaluator, CocoReport, Detection, PredictionWriter};
use heads::ssdlite::Detections;
use std::path::Path;

use super::Detect;
use crate::failure::Failure;
use crate::task::Scorer;

/// Counts detections as COCO does.
pub struct DetectScorer {
    evaluator: CocoEvaluator,
    writer: Option<PredictionWriter>,
}

impl DetectScorer {
    /// A scorer of the images of `set`, which writes predictions and ground truth into `folder` where one is given.
    pub(super) fn new(set: &DetectionSet, folder: Option<&Path>) -> Result<Self, Failure> {
        let truth = truth(set)?;
        let mut writer = None;
        if let Some(folder) = folder {
            truth.write(folder.join("ground_truth.json"))?;
            writer = Some(PredictionWriter::create(folder.join("predictions.json"))?.with_ids(set.ids.clone()));
        }
        Ok(Self { evaluator: CocoEvaluator::new(truth)?, writer })
    }
}

/// An image's id and its detections.
type Detected = (u64, Vec<Detection>);

impl Scorer<Detect> for DetectScorer {
    type Report = CocoReport;
    type Result = Detected;

    const UNREADABLE: &'static str = "they count as images without predictions";

    fn result(&self, task: &Detect, prediction: Detections, sample: &DetectionSample) -> Result<Detected, Failure> {
        let detections = task.in_original_pixels(&prediction, sample).map(|detection| Detection {
            category_id: task.classes[detection.class].id,
            bbox: detection.bbox,
            score: f64::from(detection.score),
        });
        Ok((sample.image_id, detections.collect()))
    }

    fn add(&mut self, (image_id, detections): Detected) -> Result<(), Failure> {
        self.evaluator.add(image_id, &detections)?;
        match &mut self.writer {
            Some(writer) => Ok(writer.add(image_id, &detections)?),
            None => Ok(()),
        }
    }

    fn finish(self) -> Result<CocoReport, Failure> {
        if let Some(writer) = self.writer {
            writer.finish()?;
        }
        self.evaluator.finish().map_err(Failure::failed)
    }
}

/// What the evaluator counts against; an object marked difficult counts as a crowd does, so that finding it is neither
/// right nor wrong.
pub(super) fn truth(set: &DetectionSet) -> Result<coco::GroundTruth, eval::Error> {
    let images = set.records.iter().map(|record| coco::Image {
        id: record.image_id,
        width: record.width,
        height: record.height,
        file_name: record.file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    });
    let categories = set.classes.iter().map(|class| coco::Category { id: class.id, name: class.name.clone() });
    let annotations = set.records.iter().flat_map(|record| {
        record.objects.iter().map(|object| coco::Annotation {
            image_id: record.image_id,
            category_id: set.classes[object.class].id,
            bbox: object.bbox,
            area: object.area,
            crowd: object.crowd || object.difficult,
        })
    });
    let truth = coco::GroundTruth::from_parts(images.collect(), categories.collect(), annotations.collect())?;
    Ok(truth.with_ids(set.ids.clone()))
}
