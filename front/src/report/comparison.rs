//! Two sets of predictions compared.

use eval::{BootstrapOptions, Comparison};

use super::{Tables, cell};
use crate::console::Table;

impl Tables for Comparison {
    fn tables(&self) -> Vec<Table> {
        let BootstrapOptions { resamples, confidence, .. } = self.bootstrap;
        let title = format!(
            "{}; {} images, paired bootstrap of {resamples} resamples, {:.0} % intervals",
            self.rule,
            self.images,
            confidence * 100.0
        );
        let mut table = Table::new(title, &["metric", "A", "B", "B - A", "from", "to", "B better"]);
        table.rows.extend(self.metrics.iter().map(|metric| {
            let values = [metric.a, metric.b, metric.difference, metric.low, metric.high, metric.b_above_a];
            std::iter::once(metric.name.clone()).chain(values.map(cell)).collect()
        }));
        vec![table]
    }
}
