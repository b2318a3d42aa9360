//! `pipeline report`: several runs side by side, as tables or as a page.

mod differences;

use front::cli::ReportArgs;
use serde::Serialize;
use tch::Device;

use crate::config::Config;
use crate::console::{self, Progress, Table};
use crate::evaluate::ReportOf;
use crate::evaluate::results::{HEADER, csv_row};
use crate::failure::Failure;
use crate::files;
use crate::measure::Engine;
use crate::measure::Footprint;
use crate::model::{known_classes, read_weights};
use crate::report::page::{RunPage, Runs};
use crate::report::plot::{Figure, Point, PointSeries, Scale, ScatterPlot};
use crate::report::{self, Report, Tables};
use crate::run::Checkpoint;
use crate::run::RunFolder;
use crate::task::{Evaluate, for_task};

pub(super) fn run(args: &ReportArgs) -> Result<(), Failure> {
    let pages = args.runs.iter().filter(|_| args.html).map(|run| RunPage::read(RunFolder::open(run)?.path()));
    let pages = pages.collect::<Result<Vec<_>, _>>()?;
    if let ([page], Some(file)) = (&pages[..], &args.output) {
        return Ok(files::write(file, page.html()?.as_bytes())?);
    }
    let mut progress = Progress::new("measuring", args.runs.len() as u64);
    let mut rows = Rows(Vec::new());
    for path in &args.runs {
        let run = RunFolder::open(path)?;
        let file = run.configuration(&[])?;
        rows.0.push(for_task!(file.task()?, T => row::<T>(&run, &file.config()?))?);
        progress.advance(1, || path.display().to_string());
    }
    progress.finish();
    if let (true, Some(file)) = (args.html, &args.output) {
        let (table, scatter) = (table(&rows.0), Figure::Scatter(plot(&rows.0)));
        let page = Runs { runs: &pages, table, scatter, differences: differences::tables(&pages)? };
        files::write(file, page.html()?.as_bytes())?;
    } else if let Some(folder) = &args.output {
        files::create_folder(folder)?;
        files::write(&folder.join("report.csv"), csv(&rows.0).as_bytes())?;
        files::write(&folder.join("report.md"), table(&rows.0).render().as_bytes())?;
        files::write(&folder.join("accuracy_latency.svg"), plot(&rows.0).svg()?.as_bytes())?;
    }
    if args.csv && !args.json { Ok(console::data(&csv(&rows.0))?) } else { Ok(report::print(&rows, args.json)?) }
}

/// The runs in the order of the command line.
#[derive(Serialize)]
#[serde(transparent)]
struct Rows(Vec<Row>);

impl Tables for Rows {
    fn tables(&self) -> Vec<Table> {
        vec![table(&self.0)]
    }
}

/// One run.
#[derive(Serialize)]
struct Row {
    run: String,
    task: &'static str,
    /// The metric that decides which checkpoint is best.
    metric: &'static str,
    /// Of the best checkpoint, on the run's validation set.
    value: Option<f64>,
    #[serde(flatten)]
    footprint: Footprint,
}

fn row<T: Evaluate>(run: &RunFolder, config: &Config<T::Keys>) -> Result<Row, Failure> {
    let best = Checkpoint::best(&run.checkpoints())?
        .ok_or_else(|| Failure::failed(format!("{} has no evaluated checkpoint yet", run.path().display())))?;
    let path = best.weights_file();
    let weights = read_weights(&path, None)?;
    let classes = known_classes(&weights, &path)?;
    let task = T::new(config, &classes)?;
    Ok(Row {
        run: run.path().file_name().unwrap_or_default().to_string_lossy().into_owned(),
        task: T::KIND.name(),
        metric: ReportOf::<T>::HEADLINE,
        value: best.state().position.best.map(|best| best.headline),
        footprint: Footprint::of(&task, config.data.size.sides(), &path, Some(Device::Cpu))?,
    })
}

/// Engines in the table.
const TABLE_ENGINES: [Engine; 3] = [Engine::Train, Engine::Deploy, Engine::Onednn];

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
        let times =
            TABLE_ENGINES.map(|engine| row.footprint.median_ms(engine).map_or("-".to_owned(), |ms| format!("{ms:.2}")));
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
        title: "Accuracy against latency, deploy form, one image",
        axes: ["latency, ms", "accuracy on the validation set"],
        scale: Scale::Linear,
        series,
    }
}
