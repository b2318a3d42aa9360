//! The report on a segmenter as tables.

use super::report::SegmentationReport;
use crate::table::{Cell, CsvReport, CsvTable};

impl CsvReport for SegmentationReport {
    fn summary(&self) -> CsvTable {
        let mut rows: Vec<(&str, Cell)> = vec![
            ("mean_iou", self.mean_iou.into()),
            ("pixel_accuracy", self.pixel_accuracy.into()),
            ("mean_accuracy", self.mean_accuracy.into()),
            ("frequency_weighted_iou", self.frequency_weighted_iou.into()),
            ("mean_dice", self.mean_dice.into()),
        ];
        if let Some(boundary) = &self.boundary {
            rows.push(("boundary_f_score", boundary.f_score.into()));
            rows.push(("boundary_tolerance", boundary.tolerance.into()));
        }
        rows.extend([("images", self.images.into()), ("pixels", self.pixels.into()), ("ignored", self.ignored.into())]);
        CsvTable::of_metrics(rows)
    }

    fn classes(&self) -> CsvTable {
        let columns =
            ["class", "pixels", "predicted", "correct", "iou", "accuracy", "precision", "dice", "boundary_f_score"];
        let rows = self.per_class.iter().map(|class| {
            let [pixels, predicted, correct] = [class.pixels, class.predicted, class.correct].map(Cell::from);
            let shares = [class.iou, class.accuracy, class.precision, class.dice, class.boundary_f_score];
            let [iou, accuracy, precision, dice, boundary] = shares.map(Cell::from);
            [(&class.name).into(), pixels, predicted, correct, iou, accuracy, precision, dice, boundary]
        });
        CsvTable::new(columns, rows)
    }
}
