//! What an export has written, as it is printed.

use serde::Serialize;
use std::path::Path;

use crate::console::Table;
use crate::export::{Card, Check, ExportedModel};
use crate::failure::Failure;
use crate::files;
use crate::measure::{Latency, Run, latency, measure_by_turns};
use crate::quantize::QuantizeReport;
use crate::report::Tables;

/// A file that was written.
#[derive(Serialize)]
pub(super) struct Written {
    pub(super) file: String,
    pub(super) card: Card,
    pub(super) bytes: u64,
    /// Why the file's own runtime does not run it here.
    #[serde(skip)]
    pub(super) stand_in: Option<&'static str>,
    /// The oldest system that runs it, where it needs one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) oldest_system: Option<String>,
    pub(super) checks: Vec<Check>,
    /// Of one image, on one thread, in the file's own runtime, where it was measured.
    pub(super) latency_ms: Option<Latency>,
    /// The same network in floating point, beside a file in int8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) float: Option<Float>,
    /// What int8 costs in accuracy, and where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quantization: Option<QuantizeReport>,
}

/// A file of the same format in floating point, measured in the same run.
#[derive(Serialize)]
pub(super) struct Float {
    bytes: u64,
    latency_ms: Option<Latency>,
}

/// The report beside a file in int8.
#[derive(Serialize)]
pub(super) struct Beside<'a> {
    #[serde(flatten)]
    quantization: &'a QuantizeReport,
    bytes: u64,
    latency_ms: Option<Latency>,
    float: Option<&'a Float>,
}

impl Written {
    /// The report beside the file, which was quantised so.
    pub(super) fn beside<'a>(&'a self, quantization: &'a QuantizeReport) -> Beside<'a> {
        Beside { quantization, bytes: self.bytes, latency_ms: self.latency_ms, float: self.float.as_ref() }
    }

    /// Measures the latency of one image, and in turns with it that of the file in floating point where there is one.
    pub(super) fn time(&mut self, path: &Path, float: Option<&Path>) -> Result<(), Failure> {
        let mut times = Vec::new();
        if self.stand_in.is_none() {
            times = self.measured(path, float)?;
        }
        self.latency_ms = times.first().copied();
        if let Some(float) = float {
            self.float = Some(Float { bytes: files::size(float)?, latency_ms: times.get(1).copied() });
        }
        Ok(())
    }

    fn measured(&self, path: &Path, float: Option<&Path>) -> Result<Vec<Latency>, Failure> {
        let open = |path: &Path| ExportedModel::open(path);
        let models = std::iter::once(path).chain(float).map(open).collect::<Result<Vec<_>, _>>()?;
        let images = models[0].random_input(1, self.card.input.size);
        let run = |model| -> Run<'_> {
            let images = &images;
            let model: &ExportedModel = model;
            Box::new(move || model.run(images).map(|_| ()))
        };
        let mut runs: Vec<Run<'_>> = models.iter().map(run).collect();
        measure_by_turns(&mut runs, latency::DEFAULT_TIME, |_| ())
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}

impl Tables for Written {
    fn tables(&self) -> Vec<Table> {
        let mut table = Table::new(format!("{}: {}", self.file, self.card.summary()), &["", ""]);
        let mut row = |name: String, value: String| table.rows.push(vec![name, value]);
        let beside = |text: String, float: Option<String>| match float {
            Some(float) => format!("{text}; in floating point {float}"),
            None => text,
        };
        row("size".into(), beside(megabytes(self.bytes), self.float.as_ref().map(|float| megabytes(float.bytes))));
        if let Some(system) = &self.oldest_system {
            row("oldest system".into(), system.clone());
        }
        for Check { on, images, difference, limit, of_rounding } in &self.checks {
            let difference = format!("{difference:.1e} of the largest number; at most {limit:.1e}");
            row(format!("largest difference on {images} {on}"), difference);
            if let Some(own) = of_rounding {
                row(format!("rounding alone, on {images} {on}"), format!("{own:.1e} of the largest number"));
            }
        }
        let milliseconds =
            |Latency { median, p5, p95, .. }: Latency| format!("{median:.2} ms (p5 {p5:.2}, p95 {p95:.2})");
        if let Some(latency) = self.latency_ms {
            let float = self.float.as_ref().and_then(|float| float.latency_ms).map(milliseconds);
            row("latency, one image, one thread".into(), beside(milliseconds(latency), float));
        }
        for port in &self.card.outputs {
            row(
                format!("output {}", port.name),
                format!("{} [{}]: {}", port.dtype, port.shape.join(", "), port.meaning),
            );
        }
        let mut tables = vec![table];
        tables.extend(self.quantization.as_ref().and_then(QuantizeReport::accuracy_table));
        tables
    }
}

/// Files of several formats.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct All(pub(super) Vec<Written>);

impl Tables for All {
    fn tables(&self) -> Vec<Table> {
        let header = ["file", "size", "largest difference", "ms, one image, one thread"];
        let name = self.0.first().map_or("", |written| written.card.name.as_str());
        let mut table = Table::new(format!("{name}: a file of every format"), &header);
        table.rows.extend(self.0.iter().map(|written| {
            let difference = written.checks.iter().map(|check| check.difference).fold(0.0, f64::max);
            let latency = written.latency_ms.map_or("-".to_owned(), |latency| format!("{:.2}", latency.median));
            vec![written.file.clone(), megabytes(written.bytes), format!("{difference:.1e}"), latency]
        }));
        let mut tables = vec![table];
        tables.extend(self.0.iter().find_map(|written| written.quantization.as_ref()?.accuracy_table()));
        tables
    }
}
