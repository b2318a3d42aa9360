//! Classification: top-k accuracy and calibration.

use eval::classification::ClassificationReport;

use super::plot::ConfusionMap;
use super::{MAX_CONFUSION_CLASSES, Report, Tables, cell, provenance};
use crate::console::Table;
use crate::failure::Failure;

/// The report as JSON has all classes.
const MAX_PRINTED_CLASSES: usize = 100;

impl Report for ClassificationReport {
    const HEADLINE: &'static str = "top1";

    fn headline(&self) -> f64 {
        self.accuracy(1).unwrap_or(0.0)
    }

    fn scalars(&self) -> Vec<(&'static str, f64)> {
        let known = [
            ("top1", self.accuracy(1)),
            ("top5", self.accuracy(5)),
            ("mean_class_accuracy", self.mean_class_accuracy),
            ("nll", self.negative_log_likelihood),
            ("ece", self.expected_calibration_error),
            ("real_top1", self.real.as_ref().and_then(|real| real.accuracy)),
        ];
        known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    fn figures(&self) -> Result<Vec<(&'static str, String)>, Failure> {
        let names: Vec<String> = self.per_class.iter().map(|class| class.name.clone()).collect();
        let map = ConfusionMap::new("Confusions, in images", &self.confusion, &names, MAX_CONFUSION_CLASSES);
        Ok(vec![("confusion", map.svg()?)])
    }
}

impl Tables for ClassificationReport {
    fn tables(&self) -> Vec<Table> {
        let mut summary = Table::new(provenance(&self.rule, &self.comparable), &["metric", "value"]);
        let top = self.top_k.iter().map(|top| (format!("top-{} accuracy", top.k), top.accuracy));
        let rest = [
            ("mean accuracy of the classes".to_owned(), self.mean_class_accuracy),
            ("negative log likelihood".to_owned(), self.negative_log_likelihood),
            ("expected calibration error".to_owned(), self.expected_calibration_error),
        ];
        let real = self.real.iter().map(|real| ("top-1 accuracy, ReaL labels".to_owned(), real.accuracy));
        summary.rows = top.chain(rest).chain(real).map(|(name, value)| vec![name, cell(value)]).collect();
        summary.rows.insert(0, vec!["images".to_owned(), self.images.to_string()]);
        let mut tables = vec![summary];
        if self.per_class.len() <= MAX_PRINTED_CLASSES {
            let mut classes = Table::new("", &["class", "images", "predicted", "accuracy", "precision"]);
            classes.rows.extend(self.per_class.iter().map(|class| {
                let counts = [class.images.to_string(), class.predicted.to_string()];
                [vec![class.name.clone()], counts.to_vec(), vec![cell(class.accuracy), cell(class.precision)]].concat()
            }));
            tables.push(classes);
        }
        if !self.most_confused.is_empty() {
            let mut confused = Table::new("Most confused", &["truth", "predicted as", "images"]);
            confused.rows.extend(
                self.most_confused
                    .iter()
                    .take(10)
                    .map(|pair| vec![pair.truth.clone(), pair.predicted.clone(), pair.count.to_string()]),
            );
            tables.push(confused);
        }
        tables
    }
}
