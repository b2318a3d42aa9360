//! Results as CSV: a row for each network, accuracy beside cost.

use eval::csv_line;
use std::path::Path;

use crate::failure::Failure;
use crate::files;
use crate::measure::{Engine, Footprint};

/// The first line of a CSV of results.
pub const HEADER: &str = "name,task,metric,value,height,width,train_parameters,deploy_parameters,train_multiply_adds,\
                                 deploy_multiply_adds,file_bytes,train_ms,deploy_ms,script_ms,onednn_ms,machine";

/// A line of the CSV.
pub fn csv_row(name: &str, task: &str, metric: &str, value: Option<f64>, footprint: &Footprint) -> String {
    let Footprint { size, train, deploy, file_bytes, latency } = footprint;
    let times =
        [Engine::Train, Engine::Deploy, Engine::Script, Engine::Onednn].map(|engine| footprint.median_ms(engine));
    let machine = latency.as_ref().map(|timing| timing.machine.to_string());
    let (parameters, macs) = ([train.parameters, deploy.parameters], [train.macs, deploy.macs]);
    csv_line((name, task, metric, value, size, parameters, macs, file_bytes, times, machine))
}

/// Adds a line to the CSV of results in `folder`, created where it does not exist.
pub fn append(folder: &Path, line: &str) -> Result<(), Failure> {
    let path = folder.join("results.csv");
    let failed = |error: std::io::Error| Failure::cannot("write", &path, &error);
    files::create_folder(folder)?;
    let mut text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => format!("{HEADER}\n"),
        Err(error) => return Err(failed(error)),
    };
    if !text.starts_with(HEADER) {
        return Err(Failure::failed(format!("{} has other columns than these results", path.display()))
            .hint("Move it away, and a new one is created."));
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(files::write(&path, format!("{text}{line}\n").as_bytes())?)
}
