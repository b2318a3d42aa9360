//! The report on a detector as tables.

use super::report::VocReport;
use crate::table::{Cell, CsvReport, CsvTable};

impl CsvReport for VocReport {
    fn summary(&self) -> CsvTable {
        CsvTable::of_metrics([
            ("map_2007", Cell::from(self.voc_2007.map)),
            ("map_2010", self.voc_2010.map.into()),
            ("images", self.images.into()),
            ("detections", self.detections.into()),
        ])
    }

    fn classes(&self) -> CsvTable {
        let columns = ["class", "objects", "difficult", "right", "wrong", "ap_2007", "ap_2010"];
        let rows = self.per_class.iter().map(|class| {
            let counts = [class.objects, class.difficult, class.right, class.wrong].map(Cell::from);
            let [objects, difficult, right, wrong] = counts;
            [(&class.name).into(), objects, difficult, right, wrong, class.ap_2007.into(), class.ap_2010.into()]
        });
        CsvTable::new(columns, rows)
    }
}
