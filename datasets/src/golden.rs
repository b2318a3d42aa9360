//! Results of other programs to compare with, made by the scripts in `tools/golden/`.

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::image::{Image, PixelOptions};

pub(crate) fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/golden", name].iter().collect()
}

pub(crate) fn bytes(name: &str) -> Vec<u8> {
    fs::read(path(name)).expect("the golden file")
}

pub(crate) fn json<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&bytes(name)).expect("its fields")
}

pub(crate) fn image(name: &str) -> Image {
    Image::read(&path(name), &PixelOptions::default()).expect("the golden image")
}

/// Mean and standard deviation of each column of a sample.
#[derive(Deserialize)]
pub(crate) struct Moments {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Moments {
    /// Asserts that these rows have the means, within four standard errors of both samples together, and the deviations, within
    /// five per cent; `draws` is the size of the other sample.
    pub(crate) fn assert_equal<const COLUMNS: usize>(&self, rows: &[[f64; COLUMNS]], draws: usize, what: &str) {
        let count = rows.len() as f64;
        for column in 0..COLUMNS {
            let mean = rows.iter().map(|row| row[column]).sum::<f64>() / count;
            let deviation = (rows.iter().map(|row| (row[column] - mean).powi(2)).sum::<f64>() / count).sqrt();
            let (other, spread) = (self.mean[column], self.deviation[column]);
            let error = spread * (1.0 / count + 1.0 / draws as f64).sqrt();
            assert!((mean - other).abs() < 4.0 * error, "{what} {column}: mean {mean}, expected {other}");
            assert!(
                (deviation / spread - 1.0).abs() < 0.05,
                "{what} {column}: deviation {deviation}, expected {spread}"
            );
        }
    }
}
