//! What a network costs: parameters, multiply-adds, file size, and time on this machine.

use backbone::{Complexity, Form};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;
use tch::Device;

use super::{Engine, Forms, prepare, random_images, runs_on};
use super::{Latency, Run, latency, measure_by_turns};
use crate::console::Table;
use crate::failure::Failure;
use crate::files;
use crate::model::Network;
use crate::report::Tables;
use crate::run::Machine;
use crate::task::Task;

/// What a network costs for one image.
#[derive(Clone, Debug, Serialize)]
pub struct Footprint {
    /// Height and width of the input.
    pub size: [i64; 2],
    /// As trained.
    pub train: Complexity,
    /// As deployed.
    pub deploy: Complexity,
    /// Size of the file of weights.
    pub file_bytes: u64,
    /// How long it takes on this machine, where that was measured.
    pub latency: Option<Timing>,
}

/// Times on a machine.
#[derive(Clone, Debug, Serialize)]
pub struct Timing {
    /// The machine.
    pub machine: Machine,
    /// How it was measured, in a sentence.
    pub method: String,
    /// By engine, or by the kind of an exported file; a single image at a time, on random pixels.
    pub engines: Vec<(String, Latency)>,
}

/// The engines of a report, where the device has them.
const ENGINES: [Engine; 4] = [Engine::Train, Engine::Deploy, Engine::Script, Engine::Onednn];
const TIME_PER_ENGINE: Duration = Duration::from_secs(1);

impl Footprint {
    /// The costs of the network that `task` builds for inputs of `size`. Times do not depend on the weights; they are measured on
    /// `device` where one is given.
    ///
    /// # Errors
    /// When the network cannot be built or run, or the file does not exist.
    pub fn of<T: Task>(task: &T, size: [i64; 2], file: &Path, device: Option<Device>) -> Result<Self, Failure> {
        let train = Network::<T>::new(task, Form::Train, device.unwrap_or(Device::Cpu))?;
        let forms = Forms::of(task, train)?;
        let latency = device.map(|device| {
            let images = random_images(&forms.train, 1, size);
            let engines = ENGINES.into_iter().filter(|&engine| runs_on(engine, device));
            // An engine that cannot take the network is left out; `bench --engines` shows why.
            let runs = engines.filter_map(|engine| Some((engine.name(), prepare(engine, task, &forms, &images).ok()?)));
            Timing::of(runs.collect(), device)
        });
        Self::with(task, &forms, size, file, latency.transpose()?)
    }

    /// The costs of an exported file of a network of `task`; `run` is one run of it, where it is to be measured.
    ///
    /// # Errors
    /// When the network cannot be built, the file run, or does not exist.
    pub fn of_file<T: Task>(
        task: &T,
        size: [i64; 2],
        file: &Path,
        run: Option<(String, Run<'_>)>,
    ) -> Result<Self, Failure> {
        let forms = Forms::of(task, Network::<T>::new(task, Form::Train, Device::Cpu)?)?;
        let latency = run.map(|run| Timing::of(vec![run], Device::Cpu)).transpose()?;
        Self::with(task, &forms, size, file, latency)
    }

    fn with<T: Task>(
        task: &T,
        forms: &Forms<T>,
        size: [i64; 2],
        file: &Path,
        latency: Option<Timing>,
    ) -> Result<Self, Failure> {
        let cost = |form| task.cost(&forms.form(form).model).total();
        Ok(Self { size, train: cost(Form::Train), deploy: cost(Form::Deploy), file_bytes: files::size(file)?, latency })
    }

    /// The median time of a single image by that engine, where it was measured.
    pub fn median_ms(&self, engine: Engine) -> Option<f64> {
        let engines = &self.latency.as_ref()?.engines;
        engines.iter().find(|(measured, _)| *measured == engine.name()).map(|(_, latency)| latency.median)
    }
}

impl Tables for Footprint {
    fn tables(&self) -> Vec<Table> {
        let [height, width] = self.size;
        let title = format!("Input {height}x{width}; file {:.2} MB", self.file_bytes as f64 / 1e6);
        let mut weights = Table::new(title, &["form", "parameters", "multiply-adds"]);
        for (form, Complexity { parameters, macs }) in [("train", self.train), ("deploy", self.deploy)] {
            weights.rows.push(vec![form.to_owned(), parameters.to_string(), macs.to_string()]);
        }
        let mut tables = vec![weights];
        if let Some(Timing { machine, method, engines }) = &self.latency {
            let mut times = Table::new(
                format!("One image at a time: {machine}\n{method}"),
                &["engine", "median ms", "p5", "p95", "min", "images/s"],
            );
            times.rows.extend(engines.iter().map(|(engine, Latency { median, p5, p95, minimum, .. })| {
                let numbers = [*median, *p5, *p95, *minimum].map(|ms| format!("{ms:.2}"));
                let rate = format!("{:.1}", 1e3 / median);
                std::iter::once(engine.clone()).chain(numbers).chain([rate]).collect()
            }));
            tables.push(times);
        }
        tables
    }
}

impl Timing {
    fn of(runs: Vec<(String, Run<'_>)>, device: Device) -> Result<Self, Failure> {
        let (names, mut runs): (Vec<String>, Vec<Run<'_>>) = runs.into_iter().unzip();
        let latencies = measure_by_turns(&mut runs, TIME_PER_ENGINE, |_| ())?;
        Ok(Self {
            machine: Machine::now(device, &[]),
            method: latency::method(TIME_PER_ENGINE),
            engines: names.into_iter().zip(latencies).collect(),
        })
    }
}
