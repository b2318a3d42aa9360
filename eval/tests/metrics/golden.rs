//! The golden files, which scripts under `tools/golden` make, and numbers compared with them.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use eval::coco::CocoReport;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A golden file.
pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

pub fn read_json<T: DeserializeOwned>(path: impl AsRef<Path>) -> Result<T, Box<dyn Error>> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// Both are undefined, or equal but for rounding.
#[track_caller]
pub fn assert_close(what: &str, ours: impl Into<Option<f64>>, theirs: impl Into<Option<f64>>) {
    assert_within(1e-12, what, ours, theirs);
}

/// Both are undefined, or not further apart than the tolerance.
#[track_caller]
pub fn assert_within(tolerance: f64, what: &str, ours: impl Into<Option<f64>>, theirs: impl Into<Option<f64>>) {
    match (ours.into(), theirs.into()) {
        (None, None) => (),
        (Some(ours), Some(theirs)) if (ours - theirs).abs() <= tolerance => (),
        (ours, theirs) => panic!("{what} is {ours:?}, the reference is {theirs:?}"),
    }
}

/// The twelve statistics are those of pycocotools.
#[track_caller]
pub fn assert_statistics(report: &CocoReport, expected: &Value) {
    assert_eq!(expected.as_array().map(Vec::len), Some(12));
    for (index, row) in report.rows().enumerate() {
        assert_close(row.name, row.value, expected[index].as_f64());
        assert!(expected[index].is_number());
    }
}
