//! The analysis of a detector: where to cut its scores off, and what kinds of error it makes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use ::coco::params::IouType;
use ::coco::{COCO, COCOeval, Dataset, TideErrors};
use serde::{Deserialize, Serialize};

use super::background_confusion::{BackgroundConfusion, ConfusionReport};
use super::detected::Shape;
use super::evaluator::{each_image, read_for};
use super::feed::{admit, object};
use super::ground_truth::GroundTruth;
use super::operating_point::OperatingPoint;
use super::predictions::Detection;
use crate::{Entry, Error};

/// The overlap from which a detection is right, in everything but the confusion matrix.
const IOU: f64 = 0.5;
/// The overlap up to which TIDE takes a detection for one of background.
const BACKGROUND_IOU: f64 = 0.1;
const COMPARABLE: &str = "no: no leaderboard ranks thresholds, confusions or kinds of error; they are for comparing \
                          detectors on these same files";
/// The engine's only overlap and its largest number of detections an image and class.
const FIRST: usize = 0;

/// What is counted in the confusion matrix.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnalysisOptions {
    /// Detections of this score or less are left out of the confusion matrix; ultralytics' 0.25.
    pub confidence: f64,
    /// Overlaps of this IoU or less are none in the confusion matrix; ultralytics' 0.45.
    pub iou: f64,
}

impl Default for AnalysisOptions {
    fn default() -> AnalysisOptions {
        AnalysisOptions { confidence: 0.25, iou: 0.45 }
    }
}

impl AnalysisOptions {
    /// Whether an analysis can be made of these.
    ///
    /// # Errors
    /// A confidence that is not finite, an overlap that is not from 0 to below 1.
    pub fn validate(&self) -> Result<(), Error> {
        if !self.confidence.is_finite() {
            let value = self.confidence.to_string();
            return Err(Error::Setting { key: "confidence", value, expected: "a finite number" });
        }
        if !(0.0..1.0).contains(&self.iou) {
            let value = self.iou.to_string();
            return Err(Error::Setting { key: "iou", value, expected: "a number from 0 and below 1" });
        }
        Ok(())
    }
}

/// Analyses detections against ground truth: new, add for each image, finish.
///
/// Beside the metrics of a [`CocoEvaluator`](super::CocoEvaluator), which match an image when it is added, this keeps every
/// detection to the end: TIDE's errors are a matter of the whole set. An image that is never added counts as one without
/// detections.
pub struct CocoAnalysis {
    ground_truth: Arc<GroundTruth>,
    confusion: BackgroundConfusion,
    added: Vec<bool>,
    detections: Vec<(u64, Detection)>,
}

/// The result of an analysis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnalysisReport {
    /// By which rule right and wrong were told apart for curves, thresholds and errors.
    pub rule: String,
    /// Whether the numbers may be compared with a leaderboard, and why not.
    pub comparable: String,
    /// The threshold of the best F1 when it is one for all classes and their detections are pooled.
    pub best: Option<OperatingPoint>,
    /// Each class, in the ground truth's order.
    pub per_class: Vec<ClassAnalysis>,
    /// Which class was taken for which, or for background.
    pub confusion: ConfusionReport,
    /// The kinds of error.
    pub tide: TideReport,
}

/// The analysis of one class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassAnalysis {
    /// The category's id.
    pub id: u64,
    /// The category's name.
    pub name: String,
    /// Objects to find: annotations that are not crowds.
    pub objects: u64,
    /// The threshold of the best F1; none without objects or detections.
    pub best: Option<OperatingPoint>,
    /// The curve: at recall .00, .01, ... 1, the best precision at that recall or more, 0 where it is not reached. Its mean
    /// is AP50. Empty where the class has no object to find.
    pub precision: Vec<f64>,
    /// The score that reaches each recall of the curve, 0 where it is not reached.
    pub score: Vec<f64>,
}

/// What AP50 loses to each kind of error (Bolya et al., TIDE, ECCV 2020, <https://arxiv.org/abs/2008.08115>).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TideReport {
    /// By which rule.
    pub rule: String,
    /// AP at IoU .50, from 0 to 1.
    pub ap50: f64,
    /// Each kind of error.
    pub errors: Vec<TideError>,
    /// AP50 gained if there were no false positive.
    pub false_positives: f64,
    /// AP50 gained if there were no missed object.
    pub false_negatives: f64,
}

/// One kind of error.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TideError {
    /// TIDE's short name: "Cls", "Loc", "Both", "Dupe", "Bkg", "Miss".
    pub name: String,
    /// What it is.
    pub meaning: String,
    /// How many there are.
    pub count: u64,
    /// AP50 gained if these alone were put right.
    pub delta_ap: f64,
}

/// TIDE's kinds, in its order.
const KINDS: [(&str, &str); 6] = [
    ("Cls", "well placed, of the wrong class"),
    ("Loc", "of the right class, badly placed"),
    ("Both", "of the wrong class and badly placed"),
    ("Dupe", "a second detection of an object"),
    ("Bkg", "where there is no object"),
    ("Miss", "an object that no detection meets"),
];

impl CocoAnalysis {
    /// An analysis that has seen nothing; ground truth in an [`Arc`] serves one after another.
    ///
    /// # Errors
    /// Options outside their range.
    pub fn new(ground_truth: impl Into<Arc<GroundTruth>>, options: AnalysisOptions) -> Result<CocoAnalysis, Error> {
        options.validate()?;
        let ground_truth = ground_truth.into();
        let added = vec![false; ground_truth.images().len()];
        let confusion = BackgroundConfusion::new(options.confidence, options.iou);
        Ok(CocoAnalysis { ground_truth, confusion, added, detections: Vec::new() })
    }

    /// Adds all detections of one image.
    ///
    /// # Errors
    /// As [`CocoEvaluator::add`](super::CocoEvaluator::add). The analysis is then as it was.
    pub fn add(&mut self, image_id: u64, detections: &[Detection]) -> Result<(), Error> {
        let position = self.ground_truth.image_position(image_id).ok_or(Error::UnlistedImage { image_id })?;
        for (index, detection) in detections.iter().enumerate() {
            admit(&self.ground_truth, Entry::Detection { image_id, index }, position, detection)?;
        }
        if std::mem::replace(&mut self.added[position], true) {
            return Err(Error::AddedTwice { image_id });
        }
        self.confusion.add(&self.ground_truth, position, detections);
        self.detections.extend(detections.iter().map(|&detection| (image_id, detection)));
        Ok(())
    }

    /// The report on everything added.
    ///
    /// # Errors
    /// None that detections admitted by [`add`](Self::add) can cause.
    pub fn finish(mut self) -> Result<AnalysisReport, Error> {
        for position in 0..self.added.len() {
            if !self.added[position] {
                self.confusion.add(&self.ground_truth, position, &[]);
            }
        }
        let evaluated = match_all(&self.ground_truth, &self.detections)?;
        let tide = evaluated.tide_errors(IOU, BACKGROUND_IOU)?;
        let (best, per_class) = classes(&self.ground_truth, &evaluated)?;
        Ok(AnalysisReport {
            rule: format!("COCO bbox, IoU {IOU}, the best 100 detections of an image and class, as pycocotools 2.0.11"),
            comparable: COMPARABLE.to_owned(),
            best,
            per_class,
            confusion: self.confusion.report(&self.ground_truth),
            tide: TideReport::new(&tide),
        })
    }
}

/// Analyses a COCO results file against a COCO annotation file.
///
/// # Errors
/// As [`score_files`](super::score_files); options outside their range.
pub fn analyze_files(
    annotations: impl AsRef<Path>,
    predictions: impl AsRef<Path>,
    options: AnalysisOptions,
) -> Result<AnalysisReport, Error> {
    let ground_truth = GroundTruth::from_file(annotations)?;
    let predictions = read_for(&ground_truth, predictions.as_ref())?;
    let mut analysis = CocoAnalysis::new(ground_truth, options)?;
    each_image(&predictions, |image_id, detections| analysis.add(image_id, detections))?;
    analysis.finish()
}

/// The engine, with everything matched at one overlap and over all areas.
fn match_all(ground_truth: &GroundTruth, detections: &[(u64, Detection)]) -> Result<COCOeval, Error> {
    let image = |id| ::coco::Image { id, ..Default::default() };
    // The engine prints a warning about empty names, so it gets the ids.
    let category = |id: u64| ::coco::Category { id, name: id.to_string(), ..Default::default() };
    let dataset = COCO::from_dataset(Dataset {
        images: ground_truth.images().iter().map(|listed| image(listed.id)).collect(),
        categories: ground_truth.categories().iter().map(|listed| category(listed.id)).collect(),
        annotations: (1..)
            .zip(ground_truth.annotations())
            .map(|(id, annotation)| ::coco::Annotation { id, ..object(annotation, None) })
            .collect(),
        ..Default::default()
    });
    let results = detections.iter().map(|(image_id, detection)| detection.engine(*image_id)).collect();
    let results = dataset.load_res_anns(results)?;
    let mut evaluation = COCOeval::new(dataset, results, IouType::Bbox);
    evaluation.params.iou_thrs = vec![IOU];
    evaluation.params.area_ranges.truncate(1);
    evaluation.params.max_dets = vec![evaluation.params.max_det()];
    evaluation.evaluate()?;
    evaluation.accumulate();
    Ok(evaluation)
}

/// The pooled operating point, and each class.
fn classes(
    ground_truth: &GroundTruth,
    evaluated: &COCOeval,
) -> Result<(Option<OperatingPoint>, Vec<ClassAnalysis>), Error> {
    let missing = || ::coco::Error::InvalidState("it gave no curves".to_owned());
    let curves = evaluated.accumulated().ok_or_else(missing)?;
    let slots: HashMap<u64, usize> = curves.cat_ids.iter().enumerate().map(|(slot, &id)| (id, slot)).collect();
    let count = ground_truth.categories().len();
    let mut objects = vec![0u64; count];
    let mut detections: Vec<Vec<(f64, bool)>> = vec![Vec::new(); count];
    for cell in evaluated.eval_imgs().iter().flatten() {
        let Some(class) = ground_truth.category_position(cell.category_id) else { continue };
        objects[class] += cell.num_gt_in_denominator() as u64;
        let outcomes = cell.dt_matched.row(FIRST).iter().zip(cell.dt_ignore.row(FIRST));
        let counted = cell.dt_scores.iter().zip(outcomes).filter(|(_, (_, ignored))| !**ignored);
        detections[class].extend(counted.map(|(&score, (&right, _))| (score, right)));
    }
    let mut pooled: Vec<(f64, bool)> = detections.iter().flatten().copied().collect();
    let best = OperatingPoint::best(&mut pooled, objects.iter().sum());
    let per_class = ground_truth.categories().iter().zip(objects).zip(&mut detections);
    let per_class = per_class.map(|((category, objects), detections)| {
        let slot = slots.get(&category.id).filter(|_| objects > 0);
        let curve = |values: &[f64]| -> Vec<f64> {
            let at = |&slot: &usize| {
                (0..curves.shape.r).map(move |recall| curves.precision_idx(FIRST, recall, slot, FIRST, FIRST))
            };
            slot.into_iter().flat_map(at).map(|place| values[place]).collect()
        };
        ClassAnalysis {
            id: category.id,
            name: category.name.clone(),
            objects,
            best: OperatingPoint::best(detections, objects),
            precision: curve(&curves.precision),
            score: curve(&curves.scores),
        }
    });
    Ok((best, per_class.collect()))
}

impl ClassAnalysis {
    /// AP at IoU .50, the mean of the curve; none where the class has no object to find.
    pub fn ap50(&self) -> Option<f64> {
        let points = self.precision.len();
        (points > 0).then(|| self.precision.iter().sum::<f64>() / points as f64)
    }
}

impl TideReport {
    fn new(tide: &TideErrors) -> TideReport {
        let delta = |name: &str| tide.delta_ap.get(name).copied().unwrap_or(0.0);
        let error = |(name, meaning): (&str, &str)| TideError {
            name: name.to_owned(),
            meaning: meaning.to_owned(),
            count: tide.counts.get(name).copied().unwrap_or(0),
            delta_ap: delta(name),
        };
        TideReport {
            rule: format!("TIDE, right from IoU {IOU}, background to IoU {BACKGROUND_IOU}, as hotcoco 1.3.1"),
            ap50: tide.ap_base,
            errors: KINDS.map(error).to_vec(),
            false_positives: delta("FP"),
            false_negatives: delta("FN"),
        }
    }
}
