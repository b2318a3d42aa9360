//! The report on a classifier as tables.

use super::report::ClassificationReport;
use crate::table::{Cell, CsvReport, CsvTable};

impl CsvReport for ClassificationReport {
    fn summary(&self) -> CsvTable {
        let mut rows: Vec<(String, Cell)> =
            self.top_k.iter().map(|top| (format!("top{}", top.k), top.accuracy.into())).collect();
        rows.extend(
            [
                ("mean_class_accuracy", self.mean_class_accuracy),
                ("negative_log_likelihood", self.negative_log_likelihood),
                ("expected_calibration_error", self.expected_calibration_error),
            ]
            .map(|(metric, value)| (metric.to_owned(), value.into())),
        );
        if let Some(real) = &self.real {
            rows.push(("real_accuracy".to_owned(), real.accuracy.into()));
            rows.push(("real_images".to_owned(), real.images.into()));
        }
        rows.push(("images".to_owned(), self.images.into()));
        CsvTable::of_metrics(rows)
    }

    fn classes(&self) -> CsvTable {
        let columns = ["class", "images", "predicted", "correct", "accuracy", "precision"];
        let rows = self.per_class.iter().map(|class| {
            let counts = [class.images, class.predicted, class.correct].map(Cell::from);
            let [images, predicted, correct] = counts;
            [(&class.name).into(), images, predicted, correct, class.accuracy.into(), class.precision.into()]
        });
        CsvTable::new(columns, rows)
    }
}
