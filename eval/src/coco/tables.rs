//! Reports on detectors as tables.

use serde_json::{Value, json};

use super::OperatingPoint;
use super::analysis::AnalysisReport;
use super::report::CocoReport;
use crate::table::{CsvReport, CsvTable};

impl CsvReport for CocoReport {
    fn summary(&self) -> CsvTable {
        // pycocotools uses -1 for a mean over nothing.
        let rows = self.rows().map(|row| (row.name, json!(Some(row.value).filter(|&value| value >= 0.0))));
        CsvTable::of_metrics(rows.chain([("images", json!(self.images)), ("detections", json!(self.detections))]))
    }

    fn classes(&self) -> CsvTable {
        let rows = self.per_class.iter().map(|class| {
            (&class.name, class.id, class.objects, class.ap, class.ap50, class.ap75, class.ar1, class.ar10, class.ar100)
        });
        CsvTable::new("class,id,objects,ap,ap50,ap75,ar1,ar10,ar100", rows)
    }
}

impl CsvReport for AnalysisReport {
    fn summary(&self) -> CsvTable {
        let names = ["threshold", "precision", "recall", "f1"].map(str::to_owned);
        let mut rows: Vec<(String, Value)> =
            names.into_iter().zip(numbers(self.best).map(|value| json!(value))).collect();
        rows.push(("ap50".to_owned(), json!(self.tide.ap50)));
        for error in &self.tide.errors {
            let name = error.name.to_lowercase();
            rows.push((format!("{name}_count"), json!(error.count)));
            rows.push((format!("{name}_delta_ap"), json!(error.delta_ap)));
        }
        rows.push(("false_positives_delta_ap".to_owned(), json!(self.tide.false_positives)));
        rows.push(("false_negatives_delta_ap".to_owned(), json!(self.tide.false_negatives)));
        CsvTable::of_metrics(rows)
    }

    fn classes(&self) -> CsvTable {
        let header = "class,id,objects,ap50,threshold,precision,recall,f1";
        let rows = self
            .per_class
            .iter()
            .map(|class| (&class.name, class.id, class.objects, class.ap50(), numbers(class.best)));
        CsvTable::new(header, rows)
    }
}

impl AnalysisReport {
    /// `class,recall,precision,score`: the points of each class's curve.
    pub fn curves(&self) -> CsvTable {
        let rows = self.per_class.iter().flat_map(|class| {
            let points = class.recalls().zip(class.precision.iter().zip(&class.score));
            points.map(|(recall, (&precision, &score))| (&class.name, recall, precision, score))
        });
        CsvTable::new("class,recall,precision,score", rows)
    }
}

/// Threshold, precision, recall and F1.
fn numbers(point: Option<OperatingPoint>) -> [Option<f64>; 4] {
    let values = point.map(|point| [point.threshold, point.precision, point.recall, point.f1]);
    values.map_or([None; 4], |values| values.map(Some))
}
