//! Scores COCO files: `score_coco ANNOTATIONS PREDICTIONS [bbox|segm]` prints a line of JSON with the twelve statistics and
//! the seconds that reading and scoring took.
#![expect(clippy::print_stdout, reason = "the result of the program")]

use std::time::Instant;

use eval::coco::{IouType, score_files};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = "usage: score_coco ANNOTATIONS PREDICTIONS [bbox|segm]";
    let [annotations, predictions, rest @ ..] = &arguments[..] else { return Err(usage.into()) };
    let iou_type = match rest {
        [] => IouType::Bbox,
        [kind] if kind == "bbox" => IouType::Bbox,
        [kind] if kind == "segm" => IouType::Segm,
        _ => return Err(usage.into()),
    };
    let start = Instant::now();
    let report = score_files(annotations, predictions, iou_type)?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{}", serde_json::json!({ "stats": report.stats, "seconds": seconds }));
    Ok(())
}
