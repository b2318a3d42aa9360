//! Reports on detectors as tables.

use super::analysis::AnalysisReport;
use super::report::CocoReport;
use crate::table::{Cell, CsvReport, CsvTable};

impl CsvReport for CocoReport {
    fn summary(&self) -> CsvTable {
        // pycocotools uses -1 for a mean over nothing.
        let rows = self.rows().map(|row| (row.name, Some(row.value).filter(|&value| value >= 0.0).into()));
        CsvTable::of_metrics(rows.chain([("images", self.images.into()), ("detections", self.detections.into())]))
    }

    fn classes(&self) -> CsvTable {
        let columns = ["class", "id", "objects", "ap", "ap50", "ap75", "ar1", "ar10", "ar100"];
        let rows = self.per_class.iter().map(|class| {
            let [ap, ap50, ap75] = [class.ap, class.ap50, class.ap75].map(Cell::from);
            let [ar1, ar10, ar100] = [class.ar1, class.ar10, class.ar100].map(Cell::from);
            [(&class.name).into(), class.id.into(), class.objects.into(), ap, ap50, ap75, ar1, ar10, ar100]
        });
        CsvTable::new(columns, rows)
    }
}

impl CsvReport for AnalysisReport {
    fn summary(&self) -> CsvTable {
        let best = |value: fn(&super::OperatingPoint) -> f64| Cell::from(self.best.as_ref().map(value));
        let mut rows = vec![
            ("threshold".to_owned(), best(|best| best.threshold)),
            ("precision".to_owned(), best(|best| best.precision)),
            ("recall".to_owned(), best(|best| best.recall)),
            ("f1".to_owned(), best(|best| best.f1)),
            ("ap50".to_owned(), self.tide.ap50.into()),
        ];
        for error in &self.tide.errors {
            let name = error.name.to_lowercase();
            rows.push((format!("{name}_count"), error.count.into()));
            rows.push((format!("{name}_delta_ap"), error.delta_ap.into()));
        }
        rows.push(("false_positives_delta_ap".to_owned(), self.tide.false_positives.into()));
        rows.push(("false_negatives_delta_ap".to_owned(), self.tide.false_negatives.into()));
        CsvTable::of_metrics(rows)
    }

    fn classes(&self) -> CsvTable {
        let columns = ["class", "id", "objects", "ap50", "threshold", "precision", "recall", "f1"];
        let rows = self.per_class.iter().map(|class| {
            let best = |value: fn(&super::OperatingPoint) -> f64| Cell::from(class.best.as_ref().map(value));
            [
                (&class.name).into(),
                class.id.into(),
                class.objects.into(),
                class.ap50().into(),
                best(|best| best.threshold),
                best(|best| best.precision),
                best(|best| best.recall),
                best(|best| best.f1),
            ]
        });
        CsvTable::new(columns, rows)
    }
}

impl AnalysisReport {
    /// `class,recall,precision,score`: the points of each class's curve.
    pub fn curves(&self) -> CsvTable {
        let rows = self.per_class.iter().flat_map(|class| {
            let points = class.recalls().zip(class.precision.iter().zip(&class.score));
            points.map(|(recall, (&precision, &score))| {
                [(&class.name).into(), recall.into(), precision.into(), score.into()]
            })
        });
        CsvTable::new(["class", "recall", "precision", "score"], rows)
    }
}
