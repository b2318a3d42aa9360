//! The analysis of a detector: the best threshold of its scores, and the kinds of error it makes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use ::coco::params::IouType;
use ::coco::{COCO, COCOeval, Dataset, TideErrors};
use serde::{Deserialize, Serialize};

use super::background_confusion::{BackgroundConfusion, ConfusionReport};
use super::detected::Shape;
use super::feed::{check_image, object};
use super::finding::Finding;
use super::ground_truth::GroundTruth;
use super::operating_point::OperatingPoint;
use super::predictions::Detection;
use super::results::FileDetections;
use crate::Error;
use crate::checks::finite;

/// The overlap from which a detection is correct, in everything but the confusion matrix.
const IOU: f64 = 0.5;
/// The overlap up to which TIDE counts a detection as one of background.
const BACKGROUND_IOU: f64 = 0.1;
const COMPARABLE: &str = "no: no leaderboard ranks thresholds, confusions or kinds of error; they are for comparing \
                          detectors on these same files";
/// The engine is set to a single overlap, area range and limit of detections.
const ONLY: usize = 0;

/// Options of the confusion matrix.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnalysisOptions {
    /// Detections of this score or less are left out; ultralytics' 0.25.
    pub confidence: f64,
    /// Overlaps of this IoU or less do not count; ultralytics' 0.45.
    pub iou: f64,
}

impl Default for AnalysisOptions {
    fn default() -> AnalysisOptions {
        AnalysisOptions { confidence: 0.25, iou: 0.45 }
    }
}

impl AnalysisOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// The confidence is not finite; the overlap is not from 0 to below 1.
    pub fn validate(&self) -> Result<(), Error> {
        finite("confidence", &[self.confidence])?;
        match (0.0..1.0).contains(&self.iou) {
            true => Ok(()),
            false => Err(Error::value("iou", self.iou, "a number from 0 and below 1")),
        }
    }
}

/// Analyses detections against ground truth: new, add for each image, finish.
///
/// Unlike a [`CocoEvaluator`](super::CocoEvaluator), which matches an image when it is added, this keeps every detection to the
/// end: TIDE's errors depend on the complete set. An image that is never added counts as one without detections.
pub struct CocoAnalysis {
    ground_truth: Arc<GroundTruth>,
    confusion: BackgroundConfusion,
    added: Vec<bool>,
    detections: Vec<(u64, Detection)>,
}

/// The result of an analysis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnalysisReport {
    /// The rule by which detections are correct, for curves, thresholds and errors.
    pub rule: String,
    /// Whether the numbers may be compared with a leaderboard, and if not, why.
    pub comparable: String,
    /// The threshold of the best F1, if all classes share one and their detections are pooled.
    pub best: Option<OperatingPoint>,
    /// At the thresholds 0, .01, ... 1, of the pooled detections; empty without objects.
    pub thresholds: Vec<OperatingPoint>,
    /// Each class, in the ground truth's order.
    pub per_class: Vec<ClassAnalysis>,
    /// Confusions between classes and with background.
    pub confusion: ConfusionReport,
    /// The kinds of error.
    pub tide: TideReport,
    /// Oddities of the files that matter when these numbers are compared with others.
    pub findings: Vec<Finding>,
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
    /// The threshold of the best F1; `None` without objects or detections.
    pub best: Option<OperatingPoint>,
    /// The curve: at recall .00, .01, ... 1, the best precision at that recall or more, 0 for a recall that is not reached.
    /// Its mean is AP50. Empty for a class without objects.
    pub precision: Vec<f64>,
    /// The score that reaches each recall of the curve, 0 for a recall that is not reached.
    pub score: Vec<f64>,
}

/// How much AP50 loses to each kind of error (Bolya et al., TIDE, ECCV 2020, <https://arxiv.org/abs/2008.08115>).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TideReport {
    /// The rule that defines the kinds.
    pub rule: String,
    /// AP at IoU .50, from 0 to 1.
    pub ap50: f64,
    /// Each kind of error.
    pub errors: Vec<TideError>,
    /// AP50 gained without false positives.
    pub false_positives: f64,
    /// AP50 gained without missed objects.
    pub false_negatives: f64,
}

/// One kind of error.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TideError {
    /// TIDE's short name: "Cls", "Loc", "Both", "Dupe", "Bkg", "Miss".
    pub name: String,
    /// An explanation.
    pub meaning: String,
    /// How many there are.
    pub count: u64,
    /// AP50 gained if only these are corrected.
    pub delta_ap: f64,
}

/// TIDE's kinds of error, in its order.
const TIDE_KINDS: [(&str, &str); 6] = [
    ("Cls", "well placed, of the wrong class"),
    ("Loc", "of the right class, badly placed"),
    ("Both", "of the wrong class and badly placed"),
    ("Dupe", "a second detection of an object"),
    ("Bkg", "where there is no object"),
    ("Miss", "an object without a detection"),
];

impl CocoAnalysis {
    /// An empty analysis; ground truth in an [`Arc`] can be used again.
    ///
    /// # Errors
    /// An option is outside its range.
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
    /// As [`CocoEvaluator::add`](super::CocoEvaluator::add).
    pub fn add(&mut self, image_id: u64, detections: &[Detection]) -> Result<(), Error> {
        let position = check_image(&self.ground_truth, &self.added, image_id, detections)?;
        self.added[position] = true;
        self.confusion.add(&self.ground_truth, position, detections);
        self.detections.extend(detections.iter().map(|&detection| (image_id, detection)));
        Ok(())
    }

    /// The report on everything added.
    ///
    /// # Errors
    /// None that detections accepted by [`add`](Self::add) can cause.
    pub fn finish(mut self) -> Result<AnalysisReport, Error> {
        for position in 0..self.added.len() {
            if !self.added[position] {
                self.confusion.add(&self.ground_truth, position, &[]);
            }
        }
        let evaluated = match_all(&self.ground_truth, &self.detections)?;
        let tide = evaluated.tide_errors(IOU, BACKGROUND_IOU)?;
        let Classes { best, thresholds, per_class } = classes(&self.ground_truth, &evaluated)?;
        Ok(AnalysisReport {
            rule: format!("COCO bbox, IoU {IOU}, the best 100 detections of an image and class, as pycocotools 2.0.11"),
            comparable: COMPARABLE.to_owned(),
            best,
            thresholds,
            per_class,
            confusion: self.confusion.report(&self.ground_truth),
            tide: TideReport::new(&tide),
            findings: self.ground_truth.findings().to_vec(),
        })
    }
}

/// Analyses a COCO results file against a COCO annotation file.
///
/// # Errors
/// As [`score_files`](super::score_files); an option outside its range.
pub fn analyze_files(
    annotations: impl AsRef<Path>,
    predictions: impl AsRef<Path>,
    options: AnalysisOptions,
) -> Result<AnalysisReport, Error> {
    let ground_truth = GroundTruth::from_file(annotations)?;
    let file = FileDetections::read(&ground_truth, predictions.as_ref())?;
    let mut analysis = CocoAnalysis::new(ground_truth, options)?;
    file.each_image(|image_id, detections| analysis.add(image_id, detections))?;
    let mut report = analysis.finish()?;
    report.findings.extend(file.findings);
    Ok(report)
}

/// The engine after matching everything at one overlap, over all areas.
fn match_all(ground_truth: &GroundTruth, detections: &[(u64, Detection)]) -> Result<COCOeval, Error> {
    let image = |id| ::coco::Image { id, ..Default::default() };
    let dataset = COCO::from_dataset(Dataset {
        images: ground_truth.images().iter().map(|listed| image(listed.id)).collect(),
        categories: ground_truth.engine_categories(),
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

/// The pooled operating points, and the analysis of each class.
struct Classes {
    best: Option<OperatingPoint>,
    thresholds: Vec<OperatingPoint>,
    per_class: Vec<ClassAnalysis>,
}

fn classes(ground_truth: &GroundTruth, evaluated: &COCOeval) -> Result<Classes, Error> {
    let missing = || ::coco::Error::InvalidState("it gave no curves".to_owned());
    let curves = evaluated.accumulated().ok_or_else(missing)?;
    let slots: HashMap<u64, usize> = curves.cat_ids.iter().enumerate().map(|(slot, &id)| (id, slot)).collect();
    let count = ground_truth.categories().len();
    let mut objects = vec![0u64; count];
    let mut detections: Vec<Vec<(f64, bool)>> = vec![Vec::new(); count];
    for cell in evaluated.eval_imgs().iter().flatten() {
        let Some(class) = ground_truth.category_position(cell.category_id) else { continue };
        objects[class] += cell.num_gt_in_denominator() as u64;
        let outcomes = cell.dt_matched.row(ONLY).iter().zip(cell.dt_ignore.row(ONLY));
        let counted = cell.dt_scores.iter().zip(outcomes).filter(|(_, (_, ignored))| !**ignored);
        detections[class].extend(counted.map(|(&score, (&correct, _))| (score, correct)));
    }
    let mut pooled: Vec<(f64, bool)> = detections.iter().flatten().copied().collect();
    let all = objects.iter().sum();
    let best = OperatingPoint::best(&mut pooled, all);
    let thresholds = OperatingPoint::at_thresholds(&pooled, all);
    let per_class = ground_truth.categories().iter().zip(objects).zip(&mut detections);
    let per_class = per_class.map(|((category, objects), detections)| {
        let slot = slots.get(&category.id).filter(|_| objects > 0);
        let curve = |values: &[f64]| -> Vec<f64> {
            let at = |&slot: &usize| {
                (0..curves.shape.r).map(move |recall| curves.precision_idx(ONLY, recall, slot, ONLY, ONLY))
            };
            slot.into_iter().flat_map(at).map(|index| values[index]).collect()
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
    Ok(Classes { best, thresholds, per_class: per_class.collect() })
}

impl ClassAnalysis {
    /// The recall of each point of the curve.
    pub fn recalls(&self) -> impl Iterator<Item = f64> + use<> {
        let points = self.precision.len();
        (0..points).map(move |index| index as f64 / (points - 1).max(1) as f64)
    }

    /// AP at IoU .50, the mean of the curve; `None` for a class without objects.
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
            rule: format!("TIDE, correct from IoU {IOU}, background to IoU {BACKGROUND_IOU}, as hotcoco 1.3.1"),
            ap50: tide.ap_base,
            errors: TIDE_KINDS.map(error).to_vec(),
            false_positives: delta("FP"),
            false_negatives: delta("FN"),
        }
    }
}
