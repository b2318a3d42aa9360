//! Compares two sets of detections: `compare_coco ANNOTATIONS A B [RESAMPLES]` prints the comparison as JSON, with the seconds
//! that it took.
#![expect(clippy::print_stdout, reason = "the result of the program")]

use std::time::Instant;

use eval::BootstrapOptions;
use eval::coco::{IouType, compare_files};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [annotations, a, b, rest @ ..] = &arguments[..] else {
        return Err("usage: compare_coco ANNOTATIONS A B [RESAMPLES]".into());
    };
    let mut options = BootstrapOptions::default();
    if let [resamples] = rest {
        options.resamples = resamples.parse()?;
    }
    let start = Instant::now();
    let comparison = compare_files(annotations, a, b, IouType::Bbox, options)?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{:#}", serde_json::json!({ "comparison": comparison, "seconds": seconds }));
    Ok(())
}
