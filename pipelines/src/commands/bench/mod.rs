//! `pipeline bench`: how long networks take on this machine.

mod analyze;
mod exporting;
mod file;
mod loader;
mod model;
mod published;
mod train;

use backbone::{Complexity, Cost, Design, Form, Spec, Variant};
use clap::ValueEnum;
use eval::CsvTable;
use front::cli::BenchArgs;
use serde::Serialize;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;
use tch::Device;
use tch_ext::system;

use crate::console::{self, Progress, Table};
use crate::export::ExportedModel;
use crate::failure::Failure;
use crate::files;
use crate::measure::{Engine, form, prepare, random_images, runs_on};
use crate::measure::{Latency, Profile, Run, latency, measure_by_turns, profile};
use crate::model::{device, graph_of};
use crate::report::{self, Tables};
use crate::run::Machine;
use crate::task::{Task, for_task};
use model::{Model, Named};

pub(super) fn run(args: &BenchArgs) -> Result<(), Failure> {
    if let Some(config) = &args.train {
        return train::run(args, config);
    }
    args.start.only_with("--train")?;
    if let Some(config) = &args.loader {
        return loader::run(args, config);
    }
    if !args.pin.is_empty() {
        system::pin_to_processors(&args.pin).map_err(Failure::usage)?;
    }
    let device = device::select(&args.device.device)?;
    set_threads(args.threads.first().copied().unwrap_or(1))?;
    let machine = Machine::now(device, &args.pin);
    let result = if args.analyze { analyze::run(args, device, machine)? } else { bench(args, device, machine)? };
    for row in result.rows.iter().filter(|row| row.latency_ms.disturbed()) {
        console::warning(format!(
            "{} ({}): one run in twenty took {:.0} % longer than the median; the machine was busy",
            row.model,
            row.engine,
            (row.latency_ms.p95 / row.latency_ms.median - 1.0) * 100.0
        ));
    }
    if let Some(folder) = &args.output {
        files::create_folder(folder)?;
        result.write(folder)?;
    }
    Ok(report::print(&result, args.json)?)
}

/// What is printed.
#[derive(Serialize)]
struct BenchReport {
    machine: Machine,
    /// How it was measured, in a sentence.
    method: String,
    rows: Vec<Row>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    profiles: Vec<Profile>,
    /// As published; not measured here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    published: Vec<published::Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    study: Option<analyze::Study>,
}

/// A network run by an engine.
#[derive(Clone, Debug, Serialize)]
struct Row {
    model: String,
    /// The engine's name; `file` for an exported file in its own runtime.
    engine: String,
    threads: usize,
    batch: i64,
    /// Height and width of the input.
    size: [i64; 2],
    /// In the form that the engine runs.
    #[serde(flatten)]
    sizes: Sizes,
    /// ImageNet top-1 in percent as its paper reports it, where the network is published; not measured here.
    #[serde(skip_serializing_if = "Option::is_none")]
    published_top1: Option<f64>,
    /// Of one batch.
    latency_ms: Latency,
    images_per_second: f64,
}

/// What a network costs for one image, as far as it is known.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Sizes {
    /// Trainable.
    parameters: Option<i64>,
    /// Multiply-adds.
    macs: Option<i64>,
    /// Of the outputs of all layers, in fp32.
    activation_bytes: Option<i64>,
    /// What operations read and write, each by itself ([`Graph::traffic`](formats::graph::Graph::traffic)); known of the deploy form.
    traffic_bytes: Option<i64>,
}

impl Sizes {
    fn of(cost: &Cost) -> Self {
        let Complexity { parameters, macs } = cost.total();
        let activation_bytes = Some(cost.rows.iter().map(|row| row.activation_bytes).sum());
        Self { parameters: Some(parameters), macs: Some(macs), activation_bytes, traffic_bytes: None }
    }
}

/// Sets the threads of one operation.
fn set_threads(count: usize) -> Result<(), Failure> {
    Ok(system::set_intra_op_threads(NonZeroUsize::try_from(count).map_err(Failure::usage)?)?)
}

fn bench(args: &BenchArgs, device: Device, machine: Machine) -> Result<BenchReport, Failure> {
    let mut report = BenchReport::new(machine, args);
    let mut variants: Vec<Variant> = Vec::new();
    for name in &args.models {
        let design = report.measure(name, &args.engines, args, device)?;
        variants.extend(design.as_ref().and_then(Design::mobileone).and_then(Spec::variant));
    }
    if args.reference {
        let shown = if variants.is_empty() { &Variant::ALL[..] } else { &variants };
        report.published = shown.iter().copied().map(published::of).collect();
    }
    Ok(report)
}

/// Measures a model with the requested engines, or with all of the device, at each number of threads.
fn rows<T: Task>(named: &Named, model: &Model<T>, wanted: &[Engine], args: &BenchArgs) -> Result<Vec<Row>, Failure> {
    let name = &named.name;
    let device = model.forms.train.device();
    let images = random_images(&model.forms.train, args.batch, model.size);
    let [train, deploy] =
        [Form::Train, Form::Deploy].map(|form| Sizes::of(&model.task.cost(&model.forms.form(form).model)));
    let deploy = Sizes { traffic_bytes: traffic(model)?, ..deploy };
    let mut rows = Vec::new();
    for &threads in &args.threads {
        set_threads(threads)?;
        let mut runs: Vec<(Engine, Run<'_>)> = Vec::new();
        for engine in engines(wanted, device)? {
            match prepare(engine, &model.task, &model.forms, &images) {
                Ok(run) => runs.push((engine, run)),
                Err(_) if args.engines.is_empty() => {
                    let engine = engine.name();
                    console::warning(format!("{name}: {engine} cannot run this network; --engines {engine} shows why"));
                }
                Err(failure) => return Err(failure),
            }
        }
        let (engines, mut runs): (Vec<Engine>, Vec<Run<'_>>) = runs.into_iter().unzip();
        let mut progress = Progress::new(format!("measuring {name}"), (runs.len() * latency::pieces()) as u64);
        let latencies =
            measure_by_turns(&mut runs, timed(args), |index| progress.advance(1, || engines[index].name()))?;
        progress.finish();
        rows.extend(engines.into_iter().zip(latencies).map(|(engine, latency_ms)| Row {
            model: name.to_owned(),
            engine: engine.name(),
            threads,
            batch: args.batch,
            size: model.size,
            sizes: if form(engine) == Form::Train { train } else { deploy },
            published_top1: named.design.as_ref().and_then(published::top1),
            latency_ms,
            images_per_second: args.batch as f64 / latency_ms.median * 1e3,
        }));
    }
    Ok(rows)
}

/// Memory traffic of the deploy form, on a CPU; unknown for a network that has an operation without a place in a graph.
fn traffic<T: Task>(model: &Model<T>) -> Result<Option<i64>, Failure> {
    let network = &model.forms.deploy;
    if network.device() != Device::Cpu {
        return Ok(None);
    }
    let [height, width] = model.size;
    let graph = graph_of(&model.task, network)?;
    Ok(Some(graph.traffic([network.model.backbone.in_channels(), height, width])?))
}

fn timed(args: &BenchArgs) -> Duration {
    Duration::from_secs_f64(args.seconds)
}

/// The engines to measure.
fn engines(wanted: &[Engine], device: Device) -> Result<Vec<Engine>, Failure> {
    if let Some(engine) = wanted.iter().find(|&&engine| !runs_on(engine, device)) {
        return Err(Failure::usage(format!("the engine {} runs on a CPU only", engine.name()))
            .hint("Add --device cpu, or leave it out of --engines."));
    }
    if !wanted.is_empty() {
        return Ok(wanted.to_vec());
    }
    Ok(Engine::value_variants().iter().copied().filter(|&engine| runs_on(engine, device)).collect())
}

impl Row {
    /// The engine, and its threads where there are several: `deploy x2`.
    fn label(&self) -> String {
        if self.threads == 1 { self.engine.clone() } else { format!("{} x{}", self.engine, self.threads) }
    }
}

impl BenchReport {
    fn new(machine: Machine, args: &BenchArgs) -> Self {
        let method = latency::method(timed(args));
        Self { machine, method, rows: Vec::new(), profiles: Vec::new(), published: Vec::new(), study: None }
    }

    /// Measures what has that name; returns the published network that it is, where it is one.
    fn measure(
        &mut self,
        name: &str,
        engines: &[Engine],
        args: &BenchArgs,
        device: Device,
    ) -> Result<Option<Design>, Failure> {
        let path = Path::new(name);
        if ExportedModel::is_at(path) || file::is_foreign(path) {
            self.rows.extend(file::rows(path, args)?);
            return Ok(None);
        }
        let named = Named::open(name, args)?;
        for_task!(named.task()?, T: Export => {
            let model: Model<T> = named.model(args, device)?;
            self.rows.extend(rows(&named, &model, engines, args)?);
            if args.profile {
                self.profiles.push(profile(&named.name, &model.task, &model.forms, model.size, args.batch)?);
            }
            if let Some(folder) = &args.export {
                exporting::write(folder, &named.name, &model)?;
            }
            Ok::<_, Failure>(())
        })?;
        Ok(named.design)
    }

    fn title(&self) -> String {
        let batch = self.rows.first().map_or(1, |row| row.batch);
        format!("{}\nbatches of {batch}; {}", self.machine, self.method)
    }

    fn measured(&self) -> Table {
        let title = self.title();
        let header = ["model", "engine", "input", "MMACs", "median ms", "p5", "p95", "min", "images/s"];
        let mut table = Table::new(title, &header);
        table.rows.extend(self.rows.iter().map(|row| {
            let Latency { median, p5, p95, minimum, .. } = row.latency_ms;
            let [height, width] = row.size;
            let mut cells = vec![row.model.clone(), row.label(), format!("{height}x{width}")];
            cells.push(row.sizes.macs.map_or_else(|| "-".to_owned(), |macs| format!("{:.1}", macs as f64 / 1e6)));
            cells.extend([median, p5, p95, minimum].map(|ms| format!("{ms:.2}")));
            cells.push(format!("{:.1}", row.images_per_second));
            cells
        }));
        table
    }

    /// Writes `bench.json`, `bench.csv` and the study's figures.
    fn write(&self, folder: &Path) -> Result<(), Failure> {
        files::write(&folder.join("bench.json"), report::json(self)?.as_bytes())?;
        let header = "model,engine,threads,batch,height,width,parameters,multiply_adds,activation_bytes,traffic_bytes,\
                      published_top1,median_ms,p5_ms,p95_ms,minimum_ms,runs,images_per_second";
        let rows = self.rows.iter().map(|row| {
            let Row { sizes, latency_ms: Latency { median, p5, p95, minimum, runs }, .. } = row;
            let what = (&row.model, &row.engine, row.threads, row.batch, row.size[0], row.size[1]);
            let costs = (sizes.parameters, sizes.macs, sizes.activation_bytes, sizes.traffic_bytes, row.published_top1);
            (what, costs, (median, p5, p95, minimum, runs, row.images_per_second))
        });
        files::write(&folder.join("bench.csv"), CsvTable::new(header, rows).to_string().as_bytes())?;
        self.study.iter().try_for_each(|study| study.write(folder, &self.rows))
    }
}

impl Tables for BenchReport {
    fn tables(&self) -> Vec<Table> {
        let mut tables = match &self.study {
            Some(study) => study.tables(&self.rows, self.title()),
            None => vec![self.measured()],
        };
        tables.extend(self.profiles.iter().map(Profile::table));
        if !self.published.is_empty() {
            tables.push(published::table(&self.published));
        }
        tables
    }
}
