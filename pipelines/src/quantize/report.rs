//! What was found and done when a network was quantised.

use eval::MetricComparison;
use formats::quantize::LayerReport;
use serde::Serialize;

use super::images::Summary;
use crate::console::Table;
use crate::report::{Tables, cell};
use crate::task::Paired;

/// Floating point (A) against int8 (B) on the validation set.
#[derive(Clone, Debug, Serialize)]
pub struct Accuracy {
    /// The metric that decides.
    #[serde(skip)]
    pub headline: &'static str,
    /// What counts as agreement.
    pub agreement_of: &'static str,
    /// The metrics with intervals, and the agreement.
    #[serde(flatten)]
    pub paired: Paired,
}

impl Accuracy {
    /// By how much int8 lowers the metric that decides.
    pub fn drop(&self) -> f64 {
        self.first().and_then(|metric| metric.difference).map_or(0.0, |difference| -difference)
    }

    /// The name of that metric.
    pub fn metric(&self) -> &str {
        self.first().map_or(self.headline, |metric| &metric.name)
    }

    fn first(&self) -> Option<&MetricComparison> {
        self.paired.comparison.metrics.first()
    }
}

/// What was found and done.
#[derive(Clone, Debug, Serialize)]
pub struct QuantizeReport {
    /// The images that it was calibrated with; none where it was trained in int8.
    pub images: Option<Summary>,
    /// What it costs in accuracy, where there is a validation set and it was calibrated.
    pub accuracy: Option<Accuracy>,
    /// The layers, in order.
    pub layers: Vec<LayerReport>,
}

impl QuantizeReport {
    /// What int8 costs in accuracy, where that is known.
    pub fn accuracy_table(&self) -> Option<Table> {
        let Accuracy { agreement_of, paired, .. } = self.accuracy.as_ref()?;
        let comparison = &paired.comparison;
        let title = format!(
            "{} validation images, floating point against int8, with {:.0} % intervals\nagreement {:.4} ({agreement_of})",
            comparison.images,
            comparison.bootstrap.confidence * 100.0,
            paired.agreement
        );
        let mut table = Table::new(title, &["metric", "float", "int8", "difference", "from", "to"]);
        table.rows.extend(comparison.metrics.iter().map(|metric| {
            let values = [metric.a, metric.b, metric.difference, metric.low, metric.high];
            std::iter::once(metric.name.clone()).chain(values.map(cell)).collect()
        }));
        Some(table)
    }

    fn layer_table(&self) -> Table {
        let Self { images, layers, .. } = self;
        let title = match images {
            Some(images) => format!("layers, calibrated with {} images of {}", images.count, images.sources.join(", ")),
            None => "layers, trained in int8".to_owned(),
        };
        let mut table = Table::new(title, &["layer", "operation", "in", "SNR dB", "own dB", "input range", "outliers"]);
        table.rows.extend(layers.iter().map(|layer| {
            let decibels = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
            let range =
                layer.input_range.map_or_else(|| "-".to_owned(), |[low, high]| format!("{low:.2} to {high:.2}"));
            vec![
                layer.name.clone(),
                layer.operation.clone(),
                if layer.int8 { "int8" } else { "float" }.to_owned(),
                decibels(layer.signal_to_noise),
                decibels(layer.own_signal_to_noise),
                range,
                format!("{:.0}", layer.outliers),
            ]
        }));
        table
    }
}

impl Tables for QuantizeReport {
    fn tables(&self) -> Vec<Table> {
        self.accuracy_table().into_iter().chain([self.layer_table()]).collect()
    }
}
