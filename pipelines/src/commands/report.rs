//! `pipeline report`: several runs beside each other.

use backbone::{Cost, Form, Mode};
use serde::Serialize;
use tch::{Device, Kind, Tensor};

use super::{classes_of, for_task, output, run_config, to_json};
use crate::cli::ReportArgs;
use crate::config::Config;
use crate::console::{self, Output, Progress, Table};
use crate::evaluate::ReportOf;
use crate::failure::Failure;
use crate::latency::{Latency, measure};
use crate::network::Network;
use crate::run_folder::RunFolder;
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
    match output(args.json) {
        Output::Json => console::data(&to_json(&rows)?),
        Output::Text => console::data(&table(&rows).render()),
    }
}

/// One run.
#[derive(Serialize)]
struct Row {
    run: String,
    /// What decides which checkpoint is best.
    metric: &'static str,
    /// Of the best checkpoint, on the run's validation set.
    value: Option<f64>,
    /// Height and width of the input.
    size: [i64; 2],
    train: Side,
    deploy: Side,
}

/// A network in one form.
#[derive(Serialize)]
struct Side {
    parameters: i64,
    macs: i64,
    /// Of the network alone, one image at a time, eagerly.
    latency_ms: Latency,
}

fn row<T: Task>(run: &RunFolder, config: &Config<T::Keys>) -> Result<Row, Failure> {
    let best = Checkpoint::find(&run.checkpoints(), "best")
        .ok_or_else(|| Failure::failed(format!("{} has no evaluated checkpoint yet", run.path().display())))?;
    let path = best.best_weights();
    let weights = backbone::checkpoint::read(&path).map_err(Failure::failed)?;
    let classes = classes_of(&weights)
        .ok_or_else(|| Failure::failed(format!("{} does not say which classes it knows", path.display())))?;
    let task = T::new(config, &classes)?;
    let mut train = Network::<T>::new(&task, Form::Train, Device::Cpu)?;
    train.variables.freeze();
    train.load(&weights.tensors)?;
    let deploy = train.deployed(&task)?;
    let size = config.data.size.sides();
    let side = |network: &Network<T>, form| {
        crate::train::lay_channels_last(network)?;
        Side::of(&task, network, &task.cost(&network.model, form), size)
    };
    Ok(Row {
        run: run.path().file_name().unwrap_or_default().to_string_lossy().into_owned(),
        metric: ReportOf::<T>::HEADLINE,
        value: best.state()?.position.best,
        size,
        train: side(&train, Form::Train)?,
        deploy: side(&deploy, Form::Deploy)?,
    })
}

impl Side {
    fn of<T: Task>(task: &T, network: &Network<T>, cost: &Cost, size: [i64; 2]) -> Result<Self, Failure> {
        let images = Tensor::randn([1, 3, size[0], size[1]], (Kind::Float, Device::Cpu));
        // As images come: rows of interleaved pixels.
        let images = images.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
        let latency_ms = measure(|| tch::no_grad(|| task.forward(&network.model, &images, Mode::Eval)).map(|_| ()))?;
        Ok(Self { parameters: cost.parameters(), macs: cost.macs(), latency_ms })
    }
}

fn table(rows: &[Row]) -> Table {
    let title =
        format!("Best checkpoints; train / deploy form, one image at a time, {} threads", tch::get_num_threads());
    let header = ["run", "metric", "value", "input", "M parameters", "M mult-adds", "median ms"];
    let mut table = Table::new(title, &header);
    table.rows.extend(rows.iter().map(|row| {
        let [height, width] = row.size;
        let pair = |number: fn(&Side) -> f64| format!("{:.2} / {:.2}", number(&row.train), number(&row.deploy));
        vec![
            row.run.clone(),
            row.metric.to_owned(),
            row.value.map_or("-".to_owned(), |value| format!("{value:.4}")),
            format!("{height}x{width}"),
            pair(|side| side.parameters as f64 / 1e6),
            pair(|side| side.macs as f64 / 1e6),
            pair(|side| side.latency_ms.median),
        ]
    }));
    table
}
