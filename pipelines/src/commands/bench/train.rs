//! `pipeline bench --train`: how fast a job trains, and what holds it back.

use front::cli::BenchArgs;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::time::Duration;

use crate::config::{Config, ConfigFile};
use crate::console::{self, Table};
use crate::failure::Failure;
use crate::interruption::Interruption;
use crate::model::{Network, device, metadata};
use crate::processes::{self, Processes};
use crate::quantize::Start;
use crate::report::{self, Tables};
use crate::run::Machine;
use crate::task::{Evaluate, Task, Train, for_task};
use crate::train::{Pace, Setup, Trainer};

/// The pace of a job in one number of processes.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    processes: usize,
    images_per_step: usize,
    images_per_second: Pace,
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    rows: Vec<Row>,
}

/// Measures the job `name`: in the processes of a launcher, in this one alone, or in 1, 2 and so on up to `--processes`.
pub(super) fn run(args: &BenchArgs, name: &str) -> Result<(), Failure> {
    let Some(count) = args.start.processes else {
        return processes::run(None, |processes| {
            let file = ConfigFile::open(name, &args.set.overrides)?;
            let row = for_task!(file.task()?, T => measured::<T>(args, &file.config()?, processes))?;
            if processes.is_first() { print(args, vec![row]) } else { Ok(()) }
        });
    };
    let count = usize::from(count);
    let file = ConfigFile::open(name, &args.set.overrides)?;
    let whole = for_task!(file.task()?, T => {
        let config: Config<<T as Task>::Keys> = file.config()?;
        Ok::<_, Failure>(config.for_processes(count).train.batch_size)
    })?;
    let own = whole / count;
    if own == 0 {
        return Err(Failure::usage(format!(
            "train.batch_size is {whole}, which is less than an image for each process"
        )));
    }
    let mut rows = Vec::new();
    for processes in 1..=count {
        console::status(format!("measuring {processes} of {count} processes"));
        let output = processes::output_of(processes, &arguments(args, name, own))?;
        let report: Measured = serde_json::from_slice(&output)?;
        rows.extend(report.rows);
    }
    print(args, rows)
}

/// What a measurement in another process prints.
#[derive(Deserialize)]
struct Measured {
    rows: Vec<Row>,
}

/// This command for a fixed number of images in each process.
fn arguments(args: &BenchArgs, name: &str, own: usize) -> Vec<OsString> {
    let mut words = vec!["bench".to_owned(), "--train".to_owned(), name.to_owned(), "--json".to_owned()];
    words.extend(["--seconds".to_owned(), args.seconds.to_string(), "--device".to_owned(), args.device.device.clone()]);
    let own = format!("train.batch_per_process={own}");
    words.extend(args.set.overrides.iter().chain([&own]).flat_map(|change| ["--set".to_owned(), change.clone()]));
    words.into_iter().map(OsString::from).collect()
}

fn measured<T: Train + Evaluate>(
    args: &BenchArgs,
    config: &Config<T::Keys>,
    processes: &Processes,
) -> Result<Row, Failure> {
    let config = &config.clone().for_processes(processes.count());
    let device = processes.device(device::select(&args.device.device)?)?;
    let training = T::training_data(config)?;
    let validation = T::validation_data(config, Some(&training.classes))?;
    let task = T::new(config, &training.classes)?;
    let Start { network, teacher } = match &config.train.quantize {
        Some(int8) => Start::of(config, int8, (&task, &training.classes), device, processes, None)?,
        None => Start { network: Network::new(&task, backbone::Form::Train, device)?, teacher: None },
    };
    let metadata = metadata::<T>(config, network.form, &training.classes)?;
    let interruption = &Interruption::default();
    let run = None;
    let setup =
        Setup { task: &task, config, run, processes, interruption, training, validation, network, teacher, metadata };
    let mut trainer = Trainer::new(setup)?;
    trainer.begin(None)?;
    let images_per_second = trainer.pace(Duration::from_secs_f64(args.seconds))?;
    Ok(Row { processes: processes.count(), images_per_step: config.train.batch_size, images_per_second })
}

fn print(args: &BenchArgs, rows: Vec<Row>) -> Result<(), Failure> {
    let machine = Machine::now(device::select(&args.device.device)?, &[]);
    Ok(report::print(&Report { machine, rows }, args.json)?)
}

impl Tables for Report {
    fn tables(&self) -> Vec<Table> {
        let alone = self.rows.first().filter(|row| row.processes == 1).map(|row| row.images_per_second.steps);
        let title =
            format!("{}\nimages per second of the loader alone, and of steps that wait for no image", self.machine);
        let mut table =
            Table::new(title, &["processes", "images/step", "loader", "steps", "efficiency", "holds the job back"]);
        table.rows.extend(self.rows.iter().map(|Row { processes, images_per_step, images_per_second: pace }| {
            let efficiency = alone.map(|alone| pace.steps / alone / *processes as f64);
            vec![
                processes.to_string(),
                images_per_step.to_string(),
                format!("{:.1}", pace.loader),
                format!("{:.1}", pace.steps),
                efficiency.map_or_else(|| "-".to_owned(), |share| format!("{share:.2}")),
                if pace.loader < pace.steps { "the loader" } else { "the steps" }.to_owned(),
            ]
        }));
        vec![table]
    }
}
