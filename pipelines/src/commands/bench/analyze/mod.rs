//! `pipeline bench --analyze`: the paper's study (section 3.1, tables 1 to 3) on the machine at hand.

mod stack;

use backbone::{Form, Spec, Variant};
use eval::CsvTable;
use eval::statistics::spearman;
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
use crate::report::plot::{Point, PointSeries, Scale, ScatterPlot};
use crate::run::Machine;
use crate::task::classify::Classify;
use stack::BuildingBlock;

/// The results.
#[derive(Serialize)]
pub(super) struct Study {
    /// The published variants in both forms.
    pub variants: Vec<Row>,
    /// Of latency with size.
    correlations: Vec<Correlation>,
    /// The 30-layer network by activation (table 2 of the paper).
    activations: Vec<Alternative>,
    /// The 30-layer network with other building blocks (table 3).
    blocks: Vec<Alternative>,
    /// MobileOne-S0 in train form, by branches of a block.
    branches: Vec<Alternative>,
}

/// Spearman's rank correlation.
#[derive(Serialize)]
struct Correlation {
    /// Which networks.
    of: String,
    /// The size that is compared with latency.
    with: &'static str,
    networks: usize,
    coefficient: Option<f64>,
}

/// One of several ways to build a network, compared with the first.
#[derive(Serialize)]
struct Alternative {
    name: String,
    latency_ms: Latency,
    /// Its median over that of the first.
    ratio: f64,
}

/// A measure of a network's size.
type SizeMeasure = fn(&Row) -> f64;

/// Engines whose latency is compared with size.
const ENGINES: [Engine; 3] = [Engine::Train, Engine::Deploy, Engine::Onednn];
/// Convolution branches of a block, as in the paper's table 5 and beyond.
const BRANCHES: [i64; 6] = [1, 2, 3, 4, 5, 6];

pub(super) fn run(args: &BenchArgs, device: Device, machine: Machine) -> Result<BenchReport, Failure> {
    if device != Device::Cpu {
        return Err(Failure::usage("--analyze studies a CPU").hint("Add --device cpu."));
    }
    let mut variants = Vec::new();
    for variant in Variant::ALL {
        let named = Named::of_design(variant.name().to_owned(), Spec::from(variant).into())?;
        variants.extend(super::rows(&named.name, &named.model::<Classify>(args, device)?, &ENGINES, args)?);
    }
    let named = |blocks: &[BuildingBlock]| -> Result<Vec<(String, Run<'static>)>, Failure> {
        blocks.iter().map(|block| Ok((block.name().to_owned(), stack::run(*block)?))).collect()
    };
    let activations = parts("activations", named(&BuildingBlock::ACTIVATIONS)?, args)?;
    let blocks = parts("blocks", named(&BuildingBlock::BLOCKS)?, args)?;
    let study =
        Study { correlations: correlations(&variants), variants, activations, blocks, branches: branches(args)? };
    Ok(BenchReport { study: Some(study), ..BenchReport::new(machine, args) })
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

fn correlations(rows: &[Row]) -> Vec<Correlation> {
    type Choice = (&'static str, fn(&Row) -> bool);
    let choices: [Choice; 4] = [
        ("deploy form, operation by operation", |row| row.engine == Engine::Deploy.name()),
        ("deploy form, fused by oneDNN", |row| row.engine == Engine::Onednn.name()),
        ("train form, operation by operation", |row| row.engine == Engine::Train.name()),
        ("both forms, operation by operation", |row| row.engine != Engine::Onednn.name()),
    ];
    let sizes: [(&str, SizeMeasure); 2] =
        [("multiply-adds", |row| row.macs as f64), ("parameters", |row| row.parameters as f64)];
    let mut correlations = Vec::new();
    for (of, chosen) in choices {
        let chosen: Vec<&Row> = rows.iter().filter(|row| chosen(row)).collect();
        let latencies: Vec<f64> = chosen.iter().map(|row| row.latency_ms.median).collect();
        for (with, size) in sizes {
            let values: Vec<f64> = chosen.iter().map(|row| size(row)).collect();
            let coefficient = spearman(&values, &latencies);
            correlations.push(Correlation { of: of.to_owned(), with, networks: chosen.len(), coefficient });
        }
    }
    correlations
}

impl Study {
    pub(super) fn tables(&self) -> Vec<Table> {
        let mut ranks = Table::new(
            "Spearman's rank correlation of latency (table 1 of the paper: CPU and multiply-adds 0.06, parameters 0.07)",
            &["networks", "count", "latency with", "coefficient"],
        );
        ranks.rows.extend(self.correlations.iter().map(|row| {
            let coefficient = row.coefficient.map_or("-".to_owned(), |value| format!("{value:.2}"));
            vec![row.of.clone(), row.networks.to_string(), row.with.to_owned(), coefficient]
        }));
        let table = |title: &str, first: &str, parts: &[Alternative]| {
            let mut table = Table::new(title, &[first, "median ms", "p5", "p95", "ratio"]);
            table.rows.extend(parts.iter().map(|part| {
                let Latency { median, p5, p95, .. } = part.latency_ms;
                let numbers = [median, p5, p95, part.ratio].map(|value| format!("{value:.2}"));
                std::iter::once(part.name.clone()).chain(numbers).collect()
            }));
            table
        };
        vec![
            ranks,
            table("30 3x3 convolutions, 64x28x28, by activation", "activation", &self.activations),
            table("30 3x3 convolutions, 64x28x28, by building block", "block", &self.blocks),
            table("MobileOne-S0 in train form, by convolution branches of a block", "branches", &self.branches),
        ]
    }

    /// Writes `latency.svg` and a CSV of the alternatives.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Failure> {
        let series = |form: Form, size: SizeMeasure| PointSeries {
            name: format!("{form} form"),
            points: self
                .variants
                .iter()
                .filter(|row| row.engine == if form == Form::Train { Engine::Train } else { Engine::Deploy }.name())
                .map(|row| Point { label: row.model.clone(), x: size(row), y: row.latency_ms.median })
                .collect(),
        };
        let figures: [(&str, &str, SizeMeasure); 2] = [
            ("latency_multiply_adds.svg", "multiply-adds, millions", |row| row.macs as f64 / 1e6),
            ("latency_parameters.svg", "parameters, millions", |row| row.parameters as f64 / 1e6),
        ];
        for (file, axis, size) in figures {
            let plot = ScatterPlot {
                title: "MobileOne, one image, operation by operation",
                axes: [axis, "latency, ms"],
                scale: Scale::Logarithmic,
                series: [Form::Train, Form::Deploy].map(|form| series(form, size)).into(),
            };
            files::write(&folder.join(file), plot.svg()?.as_bytes())?;
        }
        let mut rows: Vec<Value> = Vec::new();
        for (study, parts) in [("activation", &self.activations), ("block", &self.blocks), ("branches", &self.branches)]
        {
            for Alternative { name, latency_ms: Latency { median, p5, p95, minimum, runs }, ratio } in parts {
                rows.push(json!([study, name, median, p5, p95, minimum, runs, ratio]));
            }
        }
        for Correlation { of, with, networks, coefficient } in &self.correlations {
            let of = format!("{of}; latency with {with}");
            rows.push(json!(["spearman", of, null, null, null, null, networks, coefficient]));
        }
        let csv = CsvTable::new("study,name,median_ms,p5_ms,p95_ms,minimum_ms,runs,ratio", rows);
        files::write(&folder.join("study.csv"), csv.to_string().as_bytes())
    }
}
