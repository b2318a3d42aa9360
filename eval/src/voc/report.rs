//! What an evaluation found, by both rules.

use serde::Serialize;

use super::average_precision::Curve;
use super::evaluator::{VocEvaluator, VocOptions};
use crate::exact_sum::mean;

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
    /// Whether the number may be compared with a leaderboard, and why not.
    pub comparable: String,
    /// Mean AP over the classes with objects to find; none where no class has any.
    pub map: Option<f64>,
}

/// The result for one class; AP is none where the class has no object to find.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassReport {
    /// The class's name.
    pub name: String,
    /// Objects to find.
    pub objects: u64,
    /// Objects that are difficult, and so not to be found.
    pub difficult: u64,
    /// Detections that are right.
    pub right: u64,
    /// Detections that are wrong.
    pub wrong: u64,
    /// AP by the eleven-point rule of 2007.
    pub ap_2007: Option<f64>,
    /// AP by the every-point rule of 2010.
    pub ap_2010: Option<f64>,
}

/// A set that numbers are published on, whose annotations are public too.
struct Published {
    set: &'static str,
    images: usize,
    besides: &'static str,
}

const VOC_CLASSES: usize = 20;
const VOC2007_TEST: Published = Published { set: "VOC2007 test", images: 4952, besides: "" };
const VOC2012_VAL: Published =
    Published { set: "VOC2012 val", images: 5823, besides: "; VOC's server alone scores the test sets of this rule" };

impl Published {
    fn comparable(&self, evaluator: &VocEvaluator) -> String {
        let Published { set, images, besides } = self;
        let (iou, own) = (evaluator.options.iou, VocOptions::default().iou);
        let truth = &evaluator.ground_truth;
        let found = (truth.images().len(), truth.class_names().len());
        if iou != own {
            format!("no: an overlap of {iou} counts as right here, and {own} in published numbers")
        } else if found == (*images, VOC_CLASSES) {
            format!("with published numbers on {set}, if these are its images and annotations{besides}")
        } else {
            format!(
                "no: published numbers are on all of {set} ({images} images, {VOC_CLASSES} classes), and this is another \
                 set ({} images, {} classes){besides}",
                found.0, found.1
            )
        }
    }
}

impl VocReport {
    pub(super) fn new(evaluator: &VocEvaluator) -> VocReport {
        let ground_truth = &evaluator.ground_truth;
        let class = |(class, (name, (objects, difficult))): (usize, (&String, (u64, u64)))| {
            let outcomes = evaluator.outcomes(class);
            let detections = outcomes.len() as u64;
            let right = evaluator.outcomes(class).filter(|&right| right).count() as u64;
            let curve = (objects > 0).then(|| Curve::new(outcomes, objects));
            ClassReport {
                name: name.clone(),
                objects,
                difficult,
                right,
                wrong: detections - right,
                ap_2007: curve.as_ref().map(Curve::eleven_point),
                ap_2010: curve.as_ref().map(Curve::every_point),
            }
        };
        let classes = ground_truth.class_names().iter().zip(ground_truth.counts());
        let per_class: Vec<ClassReport> = classes.enumerate().map(class).collect();
        let rule = |name: &str, published: Published, ap: fn(&ClassReport) -> Option<f64>| RuleReport {
            rule: format!("{name}, IoU from {}, inclusive pixels, difficult objects ignored", evaluator.options.iou),
            comparable: published.comparable(evaluator),
            map: mean(per_class.iter().filter_map(ap)),
        };
        VocReport {
            voc_2007: rule("VOC2007 AP at eleven points of recall", VOC2007_TEST, |class| class.ap_2007),
            voc_2010: rule("VOC2010 AP at every point of recall", VOC2012_VAL, |class| class.ap_2010),
            images: ground_truth.images().len(),
            detections: evaluator.detections,
            per_class,
        }
    }
}
