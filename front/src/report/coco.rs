//! Detection as COCO scores it: the twelve statistics, and the analysis of errors.

use std::cmp::Reverse;

use eval::coco::{AnalysisReport, ClassAnalysis, CocoReport, OperatingPoint, TideError};

use super::plot::{BarChart, ConfusionMap, Curve, Figure, LineChart, SHARES};
use super::{MAX_CONFUSION_CLASSES, Report, Tables, cell, provenance};
use crate::console::Table;

impl Report for CocoReport {
    const HEADLINE: &'static str = "ap";
    const SCALARS: &'static [&'static str] = &["ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar100"];

    fn headline(&self) -> f64 {
        self.ap()
    }

    fn values(&self) -> Vec<Option<f64>> {
        let of_boxes = [self.ap(), self.ap50(), self.ap75(), self.ap_small(), self.ap_medium(), self.ap_large()];
        of_boxes.into_iter().chain([self.ar_100()]).map(Some).collect()
    }

    fn by_class(&self) -> Vec<(String, Option<f64>)> {
        self.per_class.iter().map(|class| (class.name.clone(), class.ap)).collect()
    }
}

impl Tables for CocoReport {
    fn tables(&self) -> Vec<Table> {
        let number = |value: f64| if value < 0.0 { "-".to_owned() } else { format!("{value:.3}") };
        let mut twelve = Table::new(provenance(&self.rule, &self.comparable), &["metric", "value"]);
        twelve.rows = self.rows().map(|row| vec![row.label.to_owned(), number(row.value)]).collect();
        let mut classes = Table::new("", &["class", "objects", "AP", "AP50", "AP75", "AR100"]);
        for class in &self.per_class {
            let cell = |value: Option<f64>| value.map_or("-".to_owned(), number);
            classes.rows.push(vec![
                class.name.clone(),
                class.objects.to_string(),
                cell(class.ap),
                cell(class.ap50),
                cell(class.ap75),
                cell(class.ar100),
            ]);
        }
        vec![twelve, classes]
    }
}

/// Curves of classes in a figure, beside the mean.
const MAX_CURVES: usize = 9;

impl Report for AnalysisReport {
    const HEADLINE: &'static str = "ap50";
    const SCALARS: &'static [&'static str] = &["ap50"];

    fn headline(&self) -> f64 {
        self.tide.ap50
    }

    fn values(&self) -> Vec<Option<f64>> {
        vec![Some(self.tide.ap50)]
    }

    fn by_class(&self) -> Vec<(String, Option<f64>)> {
        self.per_class.iter().map(|class| (class.name.clone(), class.ap50())).collect()
    }

    fn figures(&self) -> Vec<(&'static str, Figure)> {
        let confusion = ConfusionMap::with_background(&self.confusion, MAX_CONFUSION_CLASSES);
        vec![
            ("precision_recall", Figure::Lines(precision_recall(self, MAX_CURVES))),
            ("thresholds", Figure::Lines(thresholds(self))),
            ("errors", Figure::Bars(errors(self))),
            ("confusion", Figure::Confusions(confusion)),
        ]
    }
}

impl Tables for AnalysisReport {
    fn tables(&self) -> Vec<Table> {
        let numbers = |point: Option<OperatingPoint>| {
            let of = |value: fn(OperatingPoint) -> f64| cell(point.map(value));
            [of(|point| point.threshold), of(|point| point.precision), of(|point| point.recall), of(|point| point.f1)]
        };
        let title = provenance(&self.rule, &self.comparable);
        let header = ["class", "objects", "AP50", "threshold", "precision", "recall", "best F1"];
        let mut classes = Table::new(format!("{title}\nThe threshold of the best F1 of each class"), &header);
        classes.rows.extend(self.per_class.iter().map(|class| {
            let first = [class.name.clone(), class.objects.to_string(), cell(class.ap50())];
            first.into_iter().chain(numbers(class.best)).collect()
        }));
        let all: u64 = self.per_class.iter().map(|class| class.objects).sum();
        let first = ["all, one threshold".to_owned(), all.to_string(), cell(Some(self.tide.ap50))];
        classes.rows.push(first.into_iter().chain(numbers(self.best)).collect());
        let mut errors = Table::new(self.tide.rule.clone(), &["error", "count", "AP50 lost", "what"]);
        errors.rows.extend(self.tide.errors.iter().map(|error| {
            vec![error.name.clone(), error.count.to_string(), format!("{:.4}", error.delta_ap), error.meaning.clone()]
        }));
        for (name, lost) in
            [("all false positives", self.tide.false_positives), ("all missed", self.tide.false_negatives)]
        {
            errors.rows.push(vec![name.to_owned(), "-".to_owned(), format!("{lost:.4}"), String::new()]);
        }
        let mut confused = Table::new(self.confusion.rule.clone(), &["truth", "predicted as", "count"]);
        confused.rows.extend(
            self.confusion
                .most_confused
                .iter()
                .take(10)
                .map(|pair| vec![pair.truth.clone(), pair.predicted.clone(), pair.count.to_string()]),
        );
        vec![classes, errors, confused]
    }
}

/// Precision over recall at IoU .50: the mean over all classes with objects, then the curves of the `limit` classes with the most
/// objects, of equal ones the first.
pub(super) fn precision_recall(report: &AnalysisReport, limit: usize) -> LineChart {
    let mut classes: Vec<&ClassAnalysis> = report.per_class.iter().filter(|class| class.objects > 0).collect();
    classes.sort_by_key(|class| Reverse(class.objects));
    let named = |name: &str, ap50: f64| format!("{name} (AP50 {ap50:.3})");
    let mut curves = Vec::new();
    if let Some(first) = classes.first() {
        let count = classes.len() as f64;
        let mean = |index: usize| classes.iter().filter_map(|class| class.precision.get(index)).sum::<f64>() / count;
        let points: Vec<[f64; 2]> = first.recalls().enumerate().map(|(index, recall)| [recall, mean(index)]).collect();
        let ap50 = points.iter().map(|point| point[1]).sum::<f64>() / points.len() as f64;
        curves.push(Curve { name: named(&format!("mean of {} classes", classes.len()), ap50), points });
    }
    curves.extend(classes.into_iter().take(limit).map(|class| Curve {
        name: named(&class.name, class.ap50().unwrap_or(f64::NAN)),
        points: class.recalls().zip(&class.precision).map(|(recall, &precision)| [recall, precision]).collect(),
    }));
    LineChart {
        title: "Precision and recall at IoU 0.5".to_owned(),
        axes: ["recall", "precision"].map(str::to_owned),
        ranges: [SHARES; 2],
        curves,
    }
}

/// F1, precision and recall of all detections over the threshold of their scores. Precision ends where no detection is left: what the
/// report has there, 1, is a convention that would be drawn as a jump.
pub(super) fn thresholds(report: &AnalysisReport) -> LineChart {
    let curve = |name: &str, value: fn(&OperatingPoint) -> f64| Curve {
        name: name.to_owned(),
        points: report.thresholds.iter().map(|point| [point.threshold, value(point)]).collect(),
    };
    let mut precision = curve("precision", |point| point.precision);
    let kept = report.thresholds.iter().map(|point| point.recall > 0.0 || point.precision < 1.0);
    precision.points =
        precision.points.into_iter().zip(kept).filter_map(|(point, kept)| kept.then_some(point)).collect();
    LineChart {
        title: "F1 against the threshold, all classes, IoU 0.5".to_owned(),
        axes: ["threshold of the score", "share"].map(str::to_owned),
        ranges: [SHARES; 2],
        curves: vec![curve("F1", |point| point.f1), precision, curve("recall", |point| point.recall)],
    }
}

/// What each kind of error costs.
fn errors(report: &AnalysisReport) -> BarChart {
    let bar = |error: &TideError| (format!("{}: {}", error.name, error.meaning), error.delta_ap);
    BarChart {
        title: "AP50 lost to each kind of error (TIDE)".to_owned(),
        bars: report.tide.errors.iter().map(bar).collect(),
        notes: Vec::new(),
    }
}
