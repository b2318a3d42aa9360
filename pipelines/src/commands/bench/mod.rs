//! `pipeline bench`: how long networks take on this machine.

mod analyze;
mod model;
mod published;
mod train;

use backbone::{Design, Form, Spec, Variant};
use clap::ValueEnum;
use eval::CsvTable;
use front::cli::BenchArgs;
use serde::Serialize;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;
use tch::Device;
use tch_ext::system;

use crate::config::ImageSize;
use crate::console::{self, Progress, Table};
use crate::export::ExportedModel;
use crate::failure::Failure;
use crate::files;
use crate::measure::{Engine, form, prepare, random_images, runs_on};
use crate::measure::{Latency, Profile, Run, latency, measure_by_turns, profile};
use crate::model::Network;
use crate::model::device;
use crate::report::{self, Tables};
use crate::run::Machine;
use crate::task::{Task, for_task};
use model::{Model, Named};

pub(super) fn run(args: &BenchArgs) -> Result<(), Failure> {
    if let Some(config) = &args.train {
        return train::run(args, config);
    }
    args.start.only_with("--train")?;
    if !args.pin.is_empty() {
        system::pin_to_processors(&args.pin).map_err(Failure::usage)?;
    }
    let device = device::select(&args.device.device)?;
    system::set_intra_op_threads(NonZeroUsize::try_from(args.threads).map_err(Failure::usage)?)?;
    let machine = Machine::now(device, &args.pin);
    let result = if args.analyze { analyze::run(args, device, machine)? } else { bench(args, device, machine)? };
    for row in result.rows().filter(|row| row.latency_ms.disturbed()) {
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
    report::print(&result, args.json)
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
    batch: i64,
    /// Height and width of the input.
    size: [i64; 2],
    /// Trainable, in the form that the engine runs.
    parameters: i64,
    /// Multiply-adds for one image, in the form that the engine runs.
    macs: i64,
    /// Of one batch.
    latency_ms: Latency,
    images_per_second: f64,
}

fn bench(args: &BenchArgs, device: Device, machine: Machine) -> Result<BenchReport, Failure> {
    let mut report = BenchReport::new(machine, args);
    let mut variants: Vec<Variant> = Vec::new();
    for name in &args.models {
        if ExportedModel::is_at(Path::new(name)) {
            report.rows.extend(file_row(Path::new(name), args)?);
            continue;
        }
        let named = Named::open(name, args)?;
        variants.extend(named.design.as_ref().and_then(Design::mobileone).and_then(Spec::variant));
        for_task!(named.task()?, T => {
            let model: Model<T> = named.model(args, device)?;
            report.rows.extend(rows(&named.name, &model, &engines(args, device)?, args)?);
            if args.profile {
                report.profiles.push(profile(&named.name, &model.task, &model.forms, model.size, args.batch)?);
            }
        });
    }
    if args.reference {
        let shown = if variants.is_empty() { &Variant::ALL[..] } else { &variants };
        report.published = shown.iter().copied().map(published::of).collect();
    }
    Ok(report)
}

/// Measures a model with the requested engines, or with all of the device.
fn rows<T: Task>(name: &str, model: &Model<T>, engines: &[Engine], args: &BenchArgs) -> Result<Vec<Row>, Failure> {
    let images = random_images(&model.forms.train, args.batch, model.size);
    let mut runs: Vec<(Engine, Run<'_>)> = Vec::new();
    for &engine in engines {
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
    let latencies = measure_by_turns(&mut runs, timed(args), |index| progress.advance(1, || engines[index].name()))?;
    progress.finish();
    let row = |(engine, latency_ms): (Engine, Latency)| {
        let form = form(engine);
        let cost = model.task.cost(&model.forms.form(form).model);
        Row {
            model: name.to_owned(),
            engine: engine.name(),
            batch: args.batch,
            size: model.size,
            parameters: cost.total().parameters,
            macs: cost.total().macs,
            latency_ms,
            images_per_second: args.batch as f64 / latency_ms.median * 1e3,
        }
    };
    Ok(engines.into_iter().zip(latencies).map(row).collect())
}

/// Measures an exported file in its own runtime, where there is one.
fn file_row(path: &Path, args: &BenchArgs) -> Result<Option<Row>, Failure> {
    let exported = ExportedModel::open(path)?;
    if let Some(stand_in) = exported.stand_in() {
        console::warning(format!("{}: {stand_in}", path.display()));
        return Ok(None);
    }
    let input = &exported.card.input;
    let size = args.size.map_or(input.size, |size| ImageSize::from(size).sides());
    if !input.takes(size) {
        return Err(Failure::usage(format!("{} takes {} only", path.display(), input.sizes_in_words())));
    }
    let images = exported.random_input(args.batch, size);
    let mut runs: [Run<'_>; 1] = [Box::new(|| exported.run(&images).map(|_| ()))];
    let latency_ms = measure_by_turns(&mut runs, timed(args), |_| ())?[0];
    let file = exported.card.network_configuration(path)?;
    let cost = for_task!(file.task()?, T => {
        let task = T::new(&file.config()?, &exported.card.classes())?;
        task.cost(&Network::<T>::new(&task, Form::Deploy, Device::Cpu)?.model)
    });
    Ok(Some(Row {
        model: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        engine: "file".to_owned(),
        batch: args.batch,
        size,
        parameters: cost.total().parameters,
        macs: cost.total().macs,
        latency_ms,
        images_per_second: args.batch as f64 / latency_ms.median * 1e3,
    }))
}

fn timed(args: &BenchArgs) -> Duration {
    Duration::from_secs_f64(args.seconds)
}

/// The engines to measure.
fn engines(args: &BenchArgs, device: Device) -> Result<Vec<Engine>, Failure> {
    if let Some(engine) = args.engines.iter().find(|&&engine| !runs_on(engine, device)) {
        return Err(Failure::usage(format!("the engine {} runs on a CPU only", engine.name()))
            .hint("Add --device cpu, or leave it out of --engines."));
    }
    if !args.engines.is_empty() {
        return Ok(args.engines.clone());
    }
    Ok(Engine::value_variants().iter().copied().filter(|&engine| runs_on(engine, device)).collect())
}

impl BenchReport {
    fn new(machine: Machine, args: &BenchArgs) -> Self {
        let method = latency::method(timed(args));
        Self { machine, method, rows: Vec::new(), profiles: Vec::new(), published: Vec::new(), study: None }
    }

    /// Everything that was measured.
    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().chain(self.study.iter().flat_map(|study| &study.variants))
    }

    fn measured(&self) -> Table {
        let batch = self.rows().next().map_or(1, |row| row.batch);
        let title = format!("{}\nbatches of {batch}; {}", self.machine, self.method);
        let header = ["model", "engine", "input", "MMACs", "median ms", "p5", "p95", "min", "images/s"];
        let mut table = Table::new(title, &header);
        table.rows.extend(self.rows().map(|row| {
            let Latency { median, p5, p95, minimum, .. } = row.latency_ms;
            let [height, width] = row.size;
            let mut cells = vec![row.model.clone(), row.engine.clone(), format!("{height}x{width}")];
            cells.push(format!("{:.1}", row.macs as f64 / 1e6));
            cells.extend([median, p5, p95, minimum].map(|ms| format!("{ms:.2}")));
            cells.push(format!("{:.1}", row.images_per_second));
            cells
        }));
        table
    }

    /// Writes `bench.json`, `bench.csv` and the study's figures.
    fn write(&self, folder: &Path) -> Result<(), Failure> {
        files::write(&folder.join("bench.json"), report::json(self)?.as_bytes())?;
        let header = "model,engine,batch,height,width,parameters,multiply_adds,median_ms,p5_ms,p95_ms,minimum_ms,runs,\
                      images_per_second";
        let csv = CsvTable::new(header, self.rows());
        files::write(&folder.join("bench.csv"), csv.to_string().as_bytes())?;
        self.study.iter().try_for_each(|study| study.write(folder))
    }
}

impl Tables for BenchReport {
    fn tables(&self) -> Vec<Table> {
        let mut tables = vec![self.measured()];
        tables.extend(self.study.iter().flat_map(analyze::Study::tables));
        tables.extend(self.profiles.iter().map(Profile::table));
        if !self.published.is_empty() {
            tables.push(published::table(&self.published));
        }
        tables
    }
}
