//! The report on a detector, by both rules.

use serde::Serialize;
use serde_json::json;

use super::average_precision::Curve;
use super::ground_truth::GroundTruth;
use super::options::VocOptions;
use crate::exact_sum::mean;
use crate::table::{CsvReport, CsvTable};

/// The result of an evaluation; numbers lie between 0 and 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VocReport {
    /// The rule of 2007, for comparison with numbers on VOC2007.
    pub voc_2007: RuleReport,
    /// The rule of 2010, for comparison with numbers on VOC2010 to VOC2012.
    pub voc_2010: RuleReport,
    /// Each class, in the ground truth's order.
    pub per_class: Vec<ClassReport>,
    /// Images evaluated: all of the ground truth.
    pub images: usize,
    /// Detections added.
    pub detections: u64,
}

/// The mean over the classes by one rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleReport {
    /// The rule.
    pub rule: String,
    /// Whether the number may be compared with a leaderboard, and if not, why.
    pub comparable: String,
    /// Mean AP over the classes with objects to find; `None` if no class has any.
    pub map: Option<f64>,
}

/// The result for one class; AP is `None` for a class without objects to find.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassReport {
    /// The class's name.
    pub name: String,
    /// Objects to find.
    pub objects: u64,
    /// Difficult objects, which need not be found.
    pub difficult: u64,
    /// Correct detections.
    pub right: u64,
    /// Wrong detections.
    pub wrong: u64,
    /// AP by the eleven-point rule of 2007.
    pub ap_2007: Option<f64>,
    /// AP by the every-point rule of 2010.
    pub ap_2010: Option<f64>,
}

/// A set on which numbers are published, with public annotations.
struct Published {
    set: &'static str,
    images: usize,
    remark: &'static str,
}

const VOC_CLASSES: usize = 20;
const VOC2007_TEST: Published = Published { set: "VOC2007 test", images: 4952, remark: "" };
const VOC2012_VAL: Published =
    Published { set: "VOC2012 val", images: 5823, remark: "; VOC's server alone scores the test sets of this rule" };

impl Published {
    fn comparable(&self, truth: &GroundTruth, options: VocOptions) -> String {
        let Published { set, images, remark } = self;
        let (iou, own) = (options.iou, VocOptions::default().iou);
        let found = (truth.images().len(), truth.class_names().len());
        if iou != own {
            format!("no: an overlap of {iou} counts as correct here, and {own} in published numbers")
        } else if found == (*images, VOC_CLASSES) {
            format!("with published numbers on {set}, if these are its images and annotations{remark}")
        } else {
            format!(
                "no: published numbers are on all of {set} ({images} images, {VOC_CLASSES} classes), and this is another \
                 set ({} images, {} classes){remark}",
                found.0, found.1
            )
        }
    }
}

impl VocReport {
    /// A report of each class's detections that count, correct or not, best score first; `detections` were added.
    pub(super) fn new(
        ground_truth: &GroundTruth,
        options: VocOptions,
        outcomes: &[Vec<bool>],
        detections: u64,
    ) -> VocReport {
        let class = |((name, (objects, difficult)), outcomes): ((&String, (u64, u64)), &Vec<bool>)| {
            let right = outcomes.iter().filter(|&&correct| correct).count() as u64;
            let curve = (objects > 0).then(|| Curve::new(outcomes, objects));
            ClassReport {
                name: name.clone(),
                objects,
                difficult,
                right,
                wrong: outcomes.len() as u64 - right,
                ap_2007: curve.as_ref().map(Curve::eleven_point),
                ap_2010: curve.as_ref().map(Curve::every_point),
            }
        };
        let classes = ground_truth.class_names().iter().zip(ground_truth.counts());
        let per_class: Vec<ClassReport> = classes.zip(outcomes).map(class).collect();
        let rule = |name: &str, published: Published, ap: fn(&ClassReport) -> Option<f64>| RuleReport {
            rule: format!("{name}, IoU from {}, inclusive pixels, difficult objects ignored", options.iou),
            comparable: published.comparable(ground_truth, options),
            map: mean(per_class.iter().filter_map(ap)),
        };
        VocReport {
            voc_2007: rule("VOC2007 AP at eleven points of recall", VOC2007_TEST, |class| class.ap_2007),
            voc_2010: rule("VOC2010 AP at every point of recall", VOC2012_VAL, |class| class.ap_2010),
            images: ground_truth.images().len(),
            detections,
            per_class,
        }
    }
}

impl CsvReport for VocReport {
    fn summary(&self) -> CsvTable {
        CsvTable::of_metrics([
            ("map_2007", json!(self.voc_2007.map)),
            ("map_2010", json!(self.voc_2010.map)),
            ("images", json!(self.images)),
            ("detections", json!(self.detections)),
        ])
    }

    fn classes(&self) -> CsvTable {
        CsvTable::new("class,objects,difficult,right,wrong,ap_2007,ap_2010", &self.per_class)
    }
}
