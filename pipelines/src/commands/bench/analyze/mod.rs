//! `pipeline bench --analyze`: the paper's study (section 3.1, tables 1 to 3) on the machine at hand.

mod beside;
mod device;
mod measured;
mod stack;

use backbone::{Architecture, Spec, Variant};
use eval::CsvTable;
use front::cli::BenchArgs;
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;
use tch::Device;

use super::model::{Model, Named};
use super::{BenchReport, Row};
use crate::console::{Progress, Table};
use crate::failure::Failure;
use crate::files;
use crate::measure::{Engine, prepare, random_images};
use crate::measure::{Latency, Run, latency, measure_by_turns};
use crate::run::Machine;
use crate::task::classify::Classify;
use beside::Beside;
use device::DeviceRow;
use measured::Correlation;
use stack::BuildingBlock;

/// The results.
#[derive(Serialize)]
pub(super) struct Study {
    /// Of latency with size.
    correlations: Vec<Correlation>,
    /// Of MobileOne with the networks of other publications.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    beside: Vec<Beside>,
    /// What tools printed on another device.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    device: Vec<DeviceRow>,
    /// The 30-layer network by activation (table 2 of the paper).
    activations: Vec<Alternative>,
    /// The 30-layer network with other building blocks (table 3).
    blocks: Vec<Alternative>,
    /// MobileOne-S0 in train form, by branches of a block.
    branches: Vec<Alternative>,
}

/// One of several ways to build a network, compared with the first.
#[derive(Serialize)]
struct Alternative {
    name: String,
    latency_ms: Latency,
    /// Its median over that of the first.
    ratio: f64,
}

/// Engines whose latency is compared with size.
const ENGINES: [Engine; 3] = [Engine::Train, Engine::Deploy, Engine::Onednn];
/// Convolution branches of a block, as in the paper's table 5 and beyond.
const BRANCHES: [i64; 6] = [1, 2, 3, 4, 5, 6];

pub(super) fn run(args: &BenchArgs, device: Device, machine: Machine) -> Result<BenchReport, Failure> {
    if device != Device::Cpu {
        return Err(Failure::usage("--analyze studies a CPU").hint("Add --device cpu."));
    }
    let device_rows = args.device_results.as_deref().map(device::read).transpose()?.unwrap_or_default();
    let all = Variant::ALL.map(Variant::name).into_iter().chain(Architecture::ALL.map(Architecture::name));
    let models = if args.models.is_empty() { all.map(str::to_owned).collect() } else { args.models.clone() };
    let mut report = BenchReport::new(machine, args);
    for model in &models {
        report.measure(model, &ENGINES, args, device)?;
    }
    super::set_threads(args.threads.first().copied().unwrap_or(1))?;
    let named = |blocks: &[BuildingBlock]| -> Result<Vec<(String, Run<'static>)>, Failure> {
        blocks.iter().map(|block| Ok((block.name().to_owned(), stack::run(*block)?))).collect()
    };
    let activations = parts("activations", named(&BuildingBlock::ACTIVATIONS)?, args)?;
    let blocks = parts("blocks", named(&BuildingBlock::BLOCKS)?, args)?;
    let measured = measured::all(&report.rows, &device_rows);
    let (correlations, beside) = (measured::correlations(&measured), beside::all(&measured));
    let branches = branches(args)?;
    report.study = Some(Study { correlations, beside, device: device_rows, activations, blocks, branches });
    Ok(report)
}

fn branches(args: &BenchArgs) -> Result<Vec<Alternative>, Failure> {
    let of = |name: String, spec: Spec| -> Result<(String, Model<Classify>), Failure> {
        Ok((name.clone(), Named::of_design(name, spec.into())?.model::<Classify>(args, Device::Cpu)?))
    };
    let s0 = Spec::from(Variant::S0);
    let mut models = vec![of("deploy form".to_owned(), s0.clone())?];
    models.push(of("1, no scale, no skip".to_owned(), Spec { branches: 1, scale: false, skip: false, ..s0.clone() })?);
    for branches in BRANCHES {
        models.push(of(branches.to_string(), Spec { branches, ..s0.clone() })?);
    }
    let images = random_images(&models[0].1.forms.train, args.batch, models[0].1.size);
    let mut runs = Vec::new();
    for (index, (name, model)) in models.iter().enumerate() {
        let engine = if index == 0 { Engine::Deploy } else { Engine::Train };
        runs.push((name.clone(), prepare(engine, &model.task, &model.forms, &images)?));
    }
    parts("branches", runs, args)
}

fn parts(label: &str, runs: Vec<(String, Run<'_>)>, args: &BenchArgs) -> Result<Vec<Alternative>, Failure> {
    let (names, mut runs): (Vec<String>, Vec<Run<'_>>) = runs.into_iter().unzip();
    let mut progress = Progress::new(format!("measuring {label}"), (runs.len() * latency::pieces()) as u64);
    let latencies =
        measure_by_turns(&mut runs, super::timed(args), |index| progress.advance(1, || names[index].clone()))?;
    progress.finish();
    let first = latencies.first().map_or(f64::NAN, |latency| latency.median);
    let part =
        |(name, latency_ms): (String, Latency)| Alternative { name, latency_ms, ratio: latency_ms.median / first };
    Ok(names.into_iter().zip(latencies).map(part).collect())
}

impl Study {
    pub(super) fn tables(&self, rows: &[Row], title: String) -> Vec<Table> {
        let mut tables = measured::tables(&measured::all(rows, &self.device), title);
        if !self.beside.is_empty() {
            tables.push(beside::table(&self.beside));
        }
        tables.push(Correlation::table(&self.correlations));
        let table = |title: &str, first: &str, parts: &[Alternative]| {
            let mut table = Table::new(title, &[first, "median ms", "p5", "p95", "ratio"]);
            table.rows.extend(parts.iter().map(|part| {
                let Latency { median, p5, p95, .. } = part.latency_ms;
                let numbers = [median, p5, p95, part.ratio].map(|value| format!("{value:.2}"));
                std::iter::once(part.name.clone()).chain(numbers).collect()
            }));
            table
        };
        tables.extend([
            table("30 3x3 convolutions, 64x28x28, by activation", "activation", &self.activations),
            table("30 3x3 convolutions, 64x28x28, by building block", "block", &self.blocks),
            table("MobileOne-S0 in train form, by convolution branches of a block", "branches", &self.branches),
        ]);
        tables
    }

    /// Writes the figures, and a CSV of the alternatives and the correlations.
    pub(super) fn write(&self, folder: &Path, measured: &[Row]) -> Result<(), Failure> {
        measured::write(&measured::all(measured, &self.device), folder)?;
        let mut rows: Vec<Value> = Vec::new();
        for (study, parts) in [("activation", &self.activations), ("block", &self.blocks), ("branches", &self.branches)]
        {
            for Alternative { name, latency_ms: Latency { median, p5, p95, minimum, runs }, ratio } in parts {
                rows.push(json!([study, name, median, p5, p95, minimum, runs, ratio]));
            }
        }
        rows.extend(self.beside.iter().map(Beside::csv));
        rows.extend(self.correlations.iter().map(Correlation::csv));
        let csv = CsvTable::new("study,name,median_ms,p5_ms,p95_ms,minimum_ms,runs,ratio", rows);
        Ok(files::write(&folder.join("study.csv"), csv.to_string().as_bytes())?)
    }
}
