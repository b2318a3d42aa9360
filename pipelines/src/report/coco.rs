//! Detection as COCO scores it: the twelve statistics, and the analysis of errors.

use eval::coco::{AnalysisReport, CocoReport, OperatingPoint};

use super::plot::{ConfusionMap, PrecisionRecall};
use super::{MAX_CONFUSION_CLASSES, Report, Tables, cell, provenance};
use crate::console::Table;
use crate::failure::Failure;

impl Report for CocoReport {
    const HEADLINE: &'static str = "ap";

    fn headline(&self) -> f64 {
        self.ap()
    }

    fn scalars(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("ap", self.ap()),
            ("ap50", self.ap50()),
            ("ap75", self.ap75()),
            ("ap_small", self.ap_small()),
            ("ap_medium", self.ap_medium()),
            ("ap_large", self.ap_large()),
            ("ar100", self.ar_100()),
        ]
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

    fn headline(&self) -> f64 {
        self.tide.ap50
    }

    fn scalars(&self) -> Vec<(&'static str, f64)> {
        vec![("ap50", self.tide.ap50)]
    }

    fn figures(&self) -> Result<Vec<(&'static str, String)>, Failure> {
        Ok(vec![
            ("precision_recall", PrecisionRecall::new(self, MAX_CURVES).svg()?),
            ("confusion", ConfusionMap::with_background(&self.confusion, MAX_CONFUSION_CLASSES).svg()?),
        ])
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
