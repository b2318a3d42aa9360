//! Detections counted as COCO counts them.

use datasets::{DetectionSample, DetectionSet};
use eval::coco::{
    self, AnalysisOptions, CocoAnalysis, CocoEvaluator, CocoInterval, CocoReport, Detection, GroundTruth,
    PredictionWriter,
};
use heads::ssdlite::Detections;
use std::path::Path;
use std::sync::Arc;

use super::Detect;
use crate::failure::Failure;
use crate::report::page::Insight;
use crate::report::{Report, Tables};
use crate::task::Scorer;
use crate::task::evaluate::INTERVAL;

/// Counts detections as COCO does.
pub struct DetectScorer {
    truth: Arc<GroundTruth>,
    evaluator: CocoEvaluator,
    kept: Option<Kept>,
}

/// What is done with detections that are kept.
struct Kept {
    writer: PredictionWriter,
    analysis: CocoAnalysis,
    interval: CocoInterval,
}

impl DetectScorer {
    /// A scorer of the images of `set`, which writes predictions and ground truth into `folder` where one is given.
    pub(super) fn new(set: &DetectionSet, folder: Option<&Path>) -> Result<Self, Failure> {
        let truth = Arc::new(truth(set)?);
        let kept = |folder: &Path| -> Result<Kept, Failure> {
            truth.write(folder.join("ground_truth.json"))?;
            Ok(Kept {
                writer: PredictionWriter::create(folder.join("predictions.json"))?.with_ids(set.ids.clone()),
                analysis: CocoAnalysis::new(truth.clone(), AnalysisOptions::default())?,
                interval: CocoInterval::new(truth.clone())?,
            })
        };
        let kept = folder.map(kept).transpose()?;
        Ok(Self { evaluator: CocoEvaluator::new(truth.clone())?, truth, kept })
    }
}

/// An image's id and its detections.
type Detected = (u64, Vec<Detection>);

impl Scorer<Detect> for DetectScorer {
    type Report = CocoReport;
    type Result = Detected;

    const UNREADABLE: &'static str = "they count as images without predictions";
    const QUALITY: &'static str = "Images are ranked by AP of the image alone, all classes in one ranking, over IoU .50:.05:.95; images without objects are not ranked";

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
        if let Some(Kept { writer, analysis, interval }) = &mut self.kept {
            writer.add(image_id, &detections)?;
            analysis.add(image_id, &detections)?;
            interval.add(image_id, &detections)?;
        }
        Ok(())
    }

    fn quality(&self, (image_id, detections): &Detected) -> Result<Option<f64>, Failure> {
        Ok(self.truth.image_ap(*image_id, detections)?)
    }

    fn finish(self) -> Result<(CocoReport, Insight), Failure> {
        let report = self.evaluator.finish()?;
        let Some(Kept { writer, analysis, interval }) = self.kept else { return Ok((report, Insight::default())) };
        writer.finish()?;
        let analysis = analysis.finish()?;
        let insight = Insight {
            interval: Some(interval.finish(INTERVAL)?),
            threshold: analysis.best.map(|best| best.threshold),
            ignored: None,
            figures: analysis.figures(),
            tables: analysis.tables(),
        };
        Ok((report, insight))
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
