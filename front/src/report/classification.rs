//! Classification: top-k accuracy and calibration.

use eval::classification::ClassificationReport;

use super::plot::{ConfusionMap, Curve, Figure, LineChart, SHARES};
use super::{MAX_CONFUSION_CLASSES, Report, Tables, cell, provenance};
use crate::console::Table;

/// The report as JSON has all classes.
const MAX_PRINTED_CLASSES: usize = 100;

impl Report for ClassificationReport {
    const HEADLINE: &'static str = "top1";
    const SCALARS: &'static [&'static str] = &["top1", "top5", "mean_class_accuracy", "nll", "ece", "real_top1"];

    fn headline(&self) -> f64 {
        self.accuracy(1).unwrap_or(0.0)
    }

    fn values(&self) -> Vec<Option<f64>> {
        let real = self.real.as_ref().and_then(|real| real.accuracy);
        let shares = [self.accuracy(1), self.accuracy(5), self.mean_class_accuracy, self.negative_log_likelihood];
        shares.into_iter().chain([self.expected_calibration_error, real]).collect()
    }

    fn by_class(&self) -> Vec<(String, Option<f64>)> {
        self.per_class.iter().map(|class| (class.name.clone(), class.accuracy)).collect()
    }

    fn figures(&self) -> Vec<(&'static str, Figure)> {
        let names: Vec<String> = self.per_class.iter().map(|class| class.name.clone()).collect();
        let map = ConfusionMap::new("Confusions, in images", &self.confusion, &names, MAX_CONFUSION_CLASSES);
        vec![("calibration", Figure::Lines(calibration(self))), ("confusion", Figure::Confusions(map))]
    }
}

/// How often the best class is right, over its probability.
fn calibration(report: &ClassificationReport) -> LineChart {
    let bins = report.calibration.iter().filter_map(|bin| Some([bin.confidence?, bin.accuracy?]));
    let curve = |name: &str, points| Curve { name: name.to_owned(), points };
    LineChart {
        title: "Calibration".to_owned(),
        axes: ["probability of the best class", "share that is right"].map(str::to_owned),
        ranges: [SHARES; 2],
        curves: vec![
            curve("images, by probability", bins.collect()),
            curve("calibrated", vec![[0.0, 0.0], [1.0, 1.0]]),
        ],
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
