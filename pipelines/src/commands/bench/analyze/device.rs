//! What the runtimes' own benchmark tools print on another device.
//!
//! | tool | a line of it |
//! |---|---|
//! | LiteRT's `benchmark_model` | `Inference timings in us: ... Inference (avg): 4321.5` |
//! | PyTorch's `speed_benchmark_torch` | `Main run finished. Milliseconds per iter: 12.5. Iters per second: 80` |
//! | ONNX Runtime's `onnxruntime_perf_test` | `Average inference time cost: 7.25 ms` |
//!
//! A time belongs to the file that the text named last before it, as `benchmark_model` does itself and `echo FILE` before a run does.

use serde::Serialize;
use std::path::Path;

use crate::failure::Failure;

/// The time of a network on another device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct DeviceRow {
    /// The name of its file without the ending.
    pub model: String,
    /// The runtime whose tool it is.
    pub runtime: &'static str,
    /// Of one run, as the tool reports it.
    pub mean_ms: f64,
}

/// A runtime, what stands before the number in its tool's output, and the number of one millisecond.
const RUNTIMES: [(&str, &str, f64); 3] = [
    ("litert", "Inference (avg): ", 1e3),
    ("torch", "Milliseconds per iter: ", 1.0),
    ("onnx", "Average inference time cost: ", 1.0),
];
const ENDINGS: [&str; 4] = [".tflite", ".ptl", ".pt", ".onnx"];

/// Reads what tools printed into a file.
///
/// # Errors
/// When it cannot be read, has no time, or a time before the name of a file.
pub(super) fn read(path: &Path) -> Result<Vec<DeviceRow>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::cannot("read", path, &error))?;
    let rows = parse(&text).map_err(|line| {
        Failure::failed(format!(
            "cannot read {}: line {line} has a time, but no file is named before it",
            path.display()
        ))
        .hint("Print the name of the file before each run: echo efficientnet_b0.onnx.")
    })?;
    if rows.is_empty() {
        let tools = "benchmark_model, speed_benchmark_torch or onnxruntime_perf_test";
        return Err(Failure::failed(format!("cannot read {}: it has no times of {tools}", path.display())));
    }
    Ok(rows)
}

/// The times; the number of a line whose time belongs to no file is an error.
fn parse(text: &str) -> Result<Vec<DeviceRow>, usize> {
    let (mut rows, mut model) = (Vec::new(), None);
    for (number, line) in text.lines().enumerate() {
        model = named(line).or(model);
        for (runtime, before, millisecond) in RUNTIMES {
            if let Some(time) = line.split_once(before).and_then(|(_, rest)| leading_number(rest)) {
                let model: String = model.clone().ok_or(number + 1)?;
                rows.push(DeviceRow { model, runtime, mean_ms: time / millisecond });
            }
        }
    }
    Ok(rows)
}

/// The name of the network whose file a line has, without folder and ending.
fn named(line: &str) -> Option<String> {
    let words = line.split(|letter: char| letter.is_whitespace() || "[]()\"'=,:".contains(letter));
    let stem = |word: &str| {
        let file = word.rsplit(['/', '\\']).next()?;
        ENDINGS.iter().find_map(|ending| file.strip_suffix(ending)).map(str::to_owned)
    };
    words.filter_map(stem).next_back()
}

fn leading_number(text: &str) -> Option<f64> {
    let end =
        text.find(|letter: char| !letter.is_ascii_digit() && letter != '.' && letter != 'e').unwrap_or(text.len());
    text[..end].trim_end_matches('.').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_tool_belong_to_the_file_named_before_them() {
        let text = "INFO: Graph: [/data/local/tmp/s1.tflite]\n\
                    INFO: Inference timings in us: Init: 81, First inference: 5000, Warmup (avg): 4400, Inference (avg): 4321.5\n\
                    echo efficientnet_b0.ptl\nMain run finished. Milliseconds per iter: 12.5. Iters per second: 80\n\
                    onnxruntime_perf_test -I 'models/mobilenet_v2.onnx'\nAverage inference time cost: 7.25 ms\n";
        let row = |model: &str, runtime, mean_ms| DeviceRow { model: model.to_owned(), runtime, mean_ms };
        let expected =
            [row("s1", "litert", 4.3215), row("efficientnet_b0", "torch", 12.5), row("mobilenet_v2", "onnx", 7.25)];
        assert_eq!(parse(text).unwrap(), expected);
        assert_eq!(parse("\nAverage inference time cost: 7.25 ms"), Err(2));
        assert_eq!(parse("nothing of it"), Ok(Vec::new()));
    }
}
