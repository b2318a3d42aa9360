//! Where the time of a network goes, layer by layer.

use backbone::profile::{Times, record};
use backbone::{CostRow, Form, Mode};
use serde::Serialize;
use std::time::Instant;
use tch::Device;

use super::{Forms, random_images};
use crate::console::Table;
use crate::failure::Failure;
use crate::task::Task;

/// Runs before the recorded ones, and recorded ones.
const WARM_UP: usize = 5;
const RUNS: usize = 21;

/// Where the time of a network in deploy form goes.
#[derive(Serialize)]
pub struct Profile {
    model: String,
    /// Median of the recorded runs.
    total_ms: f64,
    layers: Vec<Layer>,
    /// Pooling, resizing, decoding: time outside of the layers.
    other_ms: f64,
}

#[derive(Serialize)]
struct Layer {
    name: String,
    /// Median, its activation included.
    ms: f64,
    /// Multiply-adds of the batch.
    macs: i64,
    /// Weights read and outputs written, in fp32.
    bytes: i64,
}

/// Profiles the deploy form on `batch` images of `size` (height, width), operation by operation, on the CPU.
///
/// # Errors
/// When the network is not on the CPU, or does not take the images.
pub fn profile<T: Task>(
    name: &str,
    task: &T,
    forms: &Forms<T>,
    size: [i64; 2],
    batch: i64,
) -> Result<Profile, Failure> {
    let network = forms.form(Form::Deploy);
    if network.device() != Device::Cpu {
        return Err(Failure::usage("--profile measures on a CPU").hint("Add --device cpu."));
    }
    let images = random_images(network, batch, size);
    let forward = || tch::no_grad(|| task.forward(&network.model, &images, Mode::Eval)).map(|_| ());
    (0..WARM_UP).try_for_each(|_| forward())?;
    let mut runs: Vec<(f64, Times)> = Vec::new();
    for _ in 0..RUNS {
        let begun = Instant::now();
        let (done, times) = record(forward);
        done?;
        runs.push((begun.elapsed().as_secs_f64() * 1e3, times));
    }
    let rows = task.cost(&network.model).rows;
    let layers: Vec<Layer> = rows.iter().map(|row| layer(row, &rows, &runs, batch)).collect();
    let total_ms = median(runs.iter().map(|(total, _)| *total).collect());
    let accounted: f64 = layers.iter().map(|layer| layer.ms).sum();
    Ok(Profile { model: name.to_owned(), total_ms, layers, other_ms: (total_ms - accounted).max(0.0) })
}

fn layer(row: &CostRow, rows: &[CostRow], runs: &[(f64, Times)], batch: i64) -> Layer {
    let mine = |times: &Times| -> f64 {
        let parts = times.iter().filter(|(key, _)| owner(key, rows) == Some(row.name.as_str()));
        parts.map(|(_, time)| time.as_secs_f64() * 1e3).sum()
    };
    Layer {
        name: row.name.clone(),
        ms: median(runs.iter().map(|(_, times)| mine(times)).collect()),
        macs: row.complexity.macs * batch,
        bytes: row.activation_bytes * batch + row.complexity.parameters * size_of::<f32>() as i64,
    }
}

/// The row that a layer's time belongs to: the longest name that its key starts with.
fn owner<'a>(key: &str, rows: &'a [CostRow]) -> Option<&'a str> {
    let starts = |name: &&str| key.strip_prefix(*name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    rows.iter().map(|row| row.name.as_str()).filter(starts).max_by_key(|name| name.len())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

impl Profile {
    /// The layers with their shares.
    pub fn table(&self) -> Table {
        let title = format!(
            "{}: deploy form, operation by operation, {:.2} ms; medians of {RUNS} runs. Bytes are weights and outputs in fp32",
            self.model, self.total_ms
        );
        let header = ["layer", "ms", "% of time", "M mult-adds", "% of them", "KiB", "% of bytes"];
        let mut table = Table::new(title, &header);
        let macs: i64 = self.layers.iter().map(|layer| layer.macs).sum();
        let bytes: i64 = self.layers.iter().map(|layer| layer.bytes).sum();
        let percent =
            |part: f64, total: f64| if total > 0.0 { format!("{:.1}", part / total * 100.0) } else { "-".into() };
        table.rows.extend(self.layers.iter().map(|layer| {
            vec![
                layer.name.clone(),
                format!("{:.3}", layer.ms),
                percent(layer.ms, self.total_ms),
                format!("{:.2}", layer.macs as f64 / 1e6),
                percent(layer.macs as f64, macs as f64),
                format!("{:.0}", layer.bytes as f64 / 1024.0),
                percent(layer.bytes as f64, bytes as f64),
            ]
        }));
        let dash = || "-".to_owned();
        let other = percent(self.other_ms, self.total_ms);
        table.rows.push(vec!["other".into(), format!("{:.3}", self.other_ms), other, dash(), dash(), dash(), dash()]);
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_belongs_to_the_longest_name_that_fits() {
        let row = |name: &str| CostRow {
            name: name.to_owned(),
            output: [1, 1, 1],
            complexity: Default::default(),
            activation_bytes: 0,
        };
        let rows = ["stage3.1", "stage3.1.se", "stage3.10"].map(row);
        assert_eq!(owner("stage3.1.reparam_conv", &rows), Some("stage3.1"));
        assert_eq!(owner("stage3.1.se.reduce", &rows), Some("stage3.1.se"));
        assert_eq!(owner("stage3.10", &rows), Some("stage3.10"));
        assert_eq!(owner("stage3", &rows), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}
