//! Detection as the VOC development kits score it.

use eval::voc::{RuleReport, VocReport};

use super::{Report, Tables, cell, provenance};
use crate::console::Table;

impl Report for VocReport {
    const HEADLINE: &'static str = "map_2010";
    const SCALARS: &'static [&'static str] = &["map_2007", "map_2010"];

    fn headline(&self) -> f64 {
        self.voc_2010.map.unwrap_or(0.0)
    }

    fn values(&self) -> Vec<Option<f64>> {
        vec![self.voc_2007.map, self.voc_2010.map]
    }

    fn by_class(&self) -> Vec<(String, Option<f64>)> {
        self.per_class.iter().map(|class| (class.name.clone(), class.ap_2010)).collect()
    }
}

impl Tables for VocReport {
    fn tables(&self) -> Vec<Table> {
        let of_rule = |rule: &RuleReport| {
            let mut table = Table::new(provenance(&rule.rule, &rule.comparable), &["metric", "value"]);
            table.rows = vec![vec!["mean AP".to_owned(), cell(rule.map)]];
            table
        };
        let mut classes = Table::new("", &["class", "objects", "difficult", "right", "wrong", "AP 2007", "AP 2010"]);
        classes.rows.extend(self.per_class.iter().map(|class| {
            let counts = [class.objects, class.difficult, class.right, class.wrong].map(|count| count.to_string());
            let values = [class.ap_2007, class.ap_2010].map(cell);
            std::iter::once(class.name.clone()).chain(counts).chain(values).collect()
        }));
        vec![of_rule(&self.voc_2007), of_rule(&self.voc_2010), classes]
    }
}
