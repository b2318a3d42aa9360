//! `pipeline bench --loader`: how fast a job reads its training set.

use front::cli::BenchArgs;
use serde::Serialize;
use std::time::Duration;
use tch::Device;

use crate::config::{Config, ConfigFile};
use crate::console::Table;
use crate::failure::Failure;
use crate::processes::Processes;
use crate::report::{self, Tables};
use crate::run::Machine;
use crate::task::{Task, Train, for_task};
use crate::train::{loader, pace_of};

/// What is printed.
#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    batch_size: usize,
    workers: usize,
    images_per_second: f64,
}

pub(super) fn run(args: &BenchArgs, name: &str) -> Result<(), Failure> {
    let file = ConfigFile::open(name, &args.set.overrides)?;
    for_task!(file.task()?, T => {
        let config: Config<<T as Task>::Keys> = file.config()?;
        let training = <T as Train>::training_data(&config)?;
        let loader = loader(&config, &training, &Processes::default())?;
        let (_, images_per_second) = pace_of(&loader, Duration::from_secs_f64(args.seconds), || Ok(()))?;
        let machine = Machine::now(Device::Cpu, &[]);
        let (batch_size, workers) = (config.train.batch_size, config.data.loader().workers);
        Ok(report::print(&Report { machine, batch_size, workers, images_per_second }, args.json)?)
    })
}

impl Tables for Report {
    fn tables(&self) -> Vec<Table> {
        let mut table = Table::new(
            format!("{}\nimages read and transformed for training, with nothing to wait for them", self.machine),
            &["images/batch", "workers (data.workers)", "images/s"],
        );
        let Self { batch_size, workers, images_per_second, .. } = self;
        table.rows.push(vec![batch_size.to_string(), workers.to_string(), format!("{images_per_second:.1}")]);
        vec![table]
    }
}
