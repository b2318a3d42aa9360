//! The files in int8 in a run's folder, from the reports that were written beside them.

use serde::Deserialize;
use std::path::Path;

use crate::console::Table;
use crate::failure::Failure;
use crate::files;
use crate::report::cell;

/// What follows the name of an exported file in the name of its report.
const ENDING: &str = ".quantization.json";

/// What a report has that a page shows.
#[derive(Deserialize)]
struct Beside {
    #[serde(flatten)]
    int8: Cost,
    float: Option<Cost>,
    accuracy: Option<Accuracy>,
}

#[derive(Deserialize)]
struct Cost {
    bytes: Option<u64>,
    latency_ms: Option<Latency>,
}

#[derive(Deserialize)]
struct Latency {
    median: f64,
}

#[derive(Deserialize)]
struct Accuracy {
    comparison: Comparison,
}

#[derive(Deserialize)]
struct Comparison {
    metrics: Vec<Metric>,
}

#[derive(Deserialize)]
struct Metric {
    name: String,
    a: Option<f64>,
    b: Option<f64>,
    difference: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
}

/// Each file in int8 beside the same network in floating point; nothing where there is none. A report whose file is gone is left out.
///
/// # Errors
/// When the folder or a report cannot be read.
pub(super) fn table(folder: &Path) -> Result<Option<Table>, Failure> {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|error| Failure::cannot("read", folder, &error))?;
    let names = entries.iter().filter_map(|entry| entry.file_name().to_str()?.strip_suffix(ENDING).map(str::to_owned));
    let mut names: Vec<String> = names.filter(|name| folder.join(name).exists()).collect();
    names.sort();
    let header =
        ["file", "MB", "float MB", "median ms", "float ms", "metric", "float", "int8", "difference", "from", "to"];
    let mut table =
        Table::new("Files in int8 beside the same network in floating point; one image, in their own runtime", &header);
    for name in names {
        let path = folder.join(format!("{name}{ENDING}"));
        let beside: Beside = serde_json::from_str(&files::read_text(&path)?)
            .map_err(|error| Failure::failed(format!("cannot read {}: {error}", path.display())))?;
        table.rows.push(beside.row(name));
    }
    Ok((!table.rows.is_empty()).then_some(table))
}

impl Beside {
    fn row(self, name: String) -> Vec<String> {
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
        let megabytes = |cost: Option<&Cost>| number(cost.and_then(|cost| Some(cost.bytes? as f64 / 1e6)));
        let median = |cost: Option<&Cost>| number(cost.and_then(|cost| Some(cost.latency_ms.as_ref()?.median)));
        let (int8, float) = (Some(&self.int8), self.float.as_ref());
        let mut row = vec![name, megabytes(int8), megabytes(float), median(int8), median(float)];
        match self.accuracy.and_then(|accuracy| accuracy.comparison.metrics.into_iter().next()) {
            Some(Metric { name, a, b, difference, low, high }) => {
                row.push(name);
                row.extend([a, b, difference, low, high].map(cell));
            }
            None => row.extend(["-"; 6].map(str::to_owned)),
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_int8_are_listed_with_what_their_reports_say() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let place = |name: &str| folder.path().join(name);
        assert_eq!(table(folder.path())?, None);
        let report = r#"{"images": null, "layers": [], "bytes": 250000, "latency_ms": {"median": 1.5, "p5": 1.0},
            "float": {"bytes": 1000000, "latency_ms": {"median": 3.0}}, "accuracy": {"agreement": 0.9, "comparison":
            {"metrics": [{"name": "AP", "a": 0.5, "b": 0.49, "difference": -0.01, "low": -0.02, "high": 0.0}]}}}"#;
        std::fs::write(place("a.onnx"), "")?;
        std::fs::write(place("a.onnx.quantization.json"), report)?;
        std::fs::write(place("b.pt"), "")?;
        std::fs::write(place("b.pt.quantization.json"), r#"{"images": null, "accuracy": null, "layers": []}"#)?;
        std::fs::write(place("gone.pt.quantization.json"), report)?;
        let rows = table(folder.path())?.ok_or("a table")?.rows;
        let first =
            ["a.onnx", "0.25", "1.00", "1.50", "3.00", "AP", "0.5000", "0.4900", "-0.0100", "-0.0200", "0.0000"];
        assert_eq!((rows.len(), &rows[0][..]), (2, &first.map(str::to_owned)[..]));
        assert!(rows[1][0] == "b.pt" && rows[1][1..].iter().all(|cell| cell == "-"));
        std::fs::write(place("b.pt.quantization.json"), "{")?;
        let failure = table(folder.path()).err().ok_or("damaged")?.to_string();
        assert!(failure.contains("b.pt.quantization.json"), "{failure}");
        Ok(())
    }
}
