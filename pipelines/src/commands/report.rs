//! `pipeline report`: several runs beside each other.

use eval::csv_field;
use eval::plot::{Axis, Point, PointSeries, ScatterPlot};
use serde::Serialize;
use std::path::Path;
use tch::Device;

use super::{classes_of, for_task, output, run_config, to_json};
use crate::cli::ReportArgs;
use crate::config::Config;
use crate::console::{self, Output, Progress, Table};
use crate::engine::Engine;
use crate::evaluate::ReportOf;
use crate::failure::Failure;
use crate::footprint::Footprint;
use crate::run_folder::{RunFolder, write_whole};
use crate::task::{Report, Task};
use crate::train::checkpoint::Checkpoint;

pub(super) fn run(args: &ReportArgs) -> Result<(), Failure> {
    let mut progress = Progress::new("measuring", args.runs.len() as u64);
    let mut rows = Vec::new();
    for path in &args.runs {
        let run = RunFolder::open(path)?;
        let file = run_config(&run, &[])?;
        rows.push(for_task!(file.task()?, T => row::<T>(&run, &file.config()?))?);
        progress.advance(1, || path.display().to_string());
    }
    progress.finish();
    if let Some(folder) = &args.output {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::failed(format!("{} cannot be made: {error}", folder.display())))?;
        write_whole(&folder.join("report.csv"), csv(&rows).as_bytes())?;
        write_whole(&folder.join("report.md"), table(&rows).render().as_bytes())?;
        write_whole(&folder.join("accuracy_latency.svg"), plot(&rows).svg().as_bytes())?;
    }
    match output(args.json) {
        Output::Json => console::data(&to_json(&rows)?),
        Output::Text if args.csv => console::data(&csv(&rows)),
        Output::Text => console::data(&table(&rows).render()),
    }
}

/// One run.
#[derive(Serialize)]
struct Row {
    run: String,
    task: &'static str,
    /// What decides which checkpoint is best.
    metric: &'static str,
    /// Of the best checkpoint, on the run's validation set.
    value: Option<f64>,
    #[serde(flatten)]
    footprint: Footprint,
}

fn row<T: Task>(run: &RunFolder, config: &Config<T::Keys>) -> Result<Row, Failure> {
    let best = Checkpoint::best(&run.checkpoints())?
        .ok_or_else(|| Failure::failed(format!("{} has no evaluated checkpoint yet", run.path().display())))?;
    let path = best.weights_file();
    let weights = backbone::checkpoint::read(&path)?;
    let classes = classes_of(&weights)
        .ok_or_else(|| Failure::failed(format!("{} does not say which classes it knows", path.display())))?;
    let task = T::new(config, &classes)?;
    Ok(Row {
        run: run.path().file_name().unwrap_or_default().to_string_lossy().into_owned(),
        task: T::KIND.name(),
        metric: ReportOf::<T>::HEADLINE,
        value: best.state().position.best.map(|best| best.headline),
        footprint: Footprint::of(&task, config.data.size.sides(), &path, Some(Device::Cpu))?,
    })
}

/// Engines with a column of their own.
const SHOWN: [Engine; 3] = [Engine::Train, Engine::Deploy, Engine::Onednn];

fn table(rows: &[Row]) -> Table {
    let machine = rows.first().and_then(|row| row.footprint.latency.as_ref()).map(|timing| timing.machine.to_string());
    let title = format!(
        "Best checkpoints; train / deploy form; ms: train form, deploy form, deploy form fused by oneDNN\n{}",
        machine.unwrap_or_default()
    );
    let header = ["run", "metric", "value", "input", "M params", "MMACs", "MB", "median ms"];
    let mut table = Table::new(title, &header);
    table.rows.extend(rows.iter().map(|row| {
        let Footprint { size: [height, width], train, deploy, file_bytes, .. } = &row.footprint;
        let pair = |a: i64, b: i64| format!("{:.2} / {:.2}", a as f64 / 1e6, b as f64 / 1e6);
        let times = SHOWN.map(|engine| row.footprint.median_ms(engine).map_or("-".to_owned(), |ms| format!("{ms:.2}")));
        vec![
            row.run.clone(),
            row.metric.to_owned(),
            row.value.map_or("-".to_owned(), |value| format!("{value:.4}")),
            format!("{height}x{width}"),
            pair(train.parameters, deploy.parameters),
            pair(train.macs, deploy.macs),
            format!("{:.1}", *file_bytes as f64 / 1e6),
            times.join(" / "),
        ]
    }));
    table
}

/// The first line of a CSV of results.
pub(super) const HEADER: &str = "name,task,metric,value,height,width,train_parameters,deploy_parameters,train_multiply_adds,\
                                 deploy_multiply_adds,file_bytes,train_ms,deploy_ms,script_ms,onednn_ms,machine";

/// A line of such a CSV.
pub(super) fn csv_row(name: &str, task: &str, metric: &str, value: Option<f64>, footprint: &Footprint) -> String {
    let Footprint { size: [height, width], train, deploy, file_bytes, latency } = footprint;
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let times = [Engine::Train, Engine::Deploy, Engine::Script, Engine::Onednn]
        .map(|engine| number(footprint.median_ms(engine)));
    let machine = latency.as_ref().map(|timing| timing.machine.to_string()).unwrap_or_default();
    format!(
        "{},{task},{metric},{},{height},{width},{},{},{},{},{file_bytes},{},{}",
        csv_field(name),
        number(value),
        train.parameters,
        deploy.parameters,
        train.macs,
        deploy.macs,
        times.join(","),
        csv_field(&machine)
    )
}

fn csv(rows: &[Row]) -> String {
    let line = |row: &Row| csv_row(&row.run, row.task, row.metric, row.value, &row.footprint) + "\n";
    std::iter::once(format!("{HEADER}\n")).chain(rows.iter().map(line)).collect()
}

/// Accuracy against latency of the deploy form, a series for each metric.
fn plot(rows: &[Row]) -> ScatterPlot {
    let mut series: Vec<PointSeries> = Vec::new();
    for row in rows {
        let (Some(x), Some(y)) = (row.footprint.median_ms(Engine::Deploy), row.value) else { continue };
        let point = Point { label: row.run.clone(), x, y };
        match series.iter_mut().find(|series| series.name == row.metric) {
            Some(series) => series.points.push(point),
            None => series.push(PointSeries { name: row.metric.to_owned(), points: vec![point] }),
        }
    }
    ScatterPlot {
        title: "Accuracy against latency, deploy form, one image".to_owned(),
        x: Axis::linear("latency, ms"),
        y: Axis::linear("accuracy on the validation set"),
        series,
    }
}

/// Adds a line to the CSV of results in `folder`, which is made where it is not there.
pub(super) fn append(folder: &Path, line: &str) -> Result<(), Failure> {
    let path = folder.join("results.csv");
    let failed = |error: std::io::Error| Failure::failed(format!("{} cannot be written: {error}", path.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => format!("{HEADER}\n"),
        Err(error) => return Err(failed(error)),
    };
    if !text.starts_with(HEADER) {
        return Err(Failure::failed(format!("{} has other columns than these results", path.display()))
            .hint("Move it away; a new one is made."));
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    write_whole(&path, format!("{text}{line}\n").as_bytes())
}
