//! `pipeline doctor --distributed`: the processes of a job, and how fast they exchange tensors.

use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor};
use tch_ext::Error;
use tch_ext::distributed::{JoinOptions, Launch, Launcher, Reduction, World, exit_at_once};

use crate::console::{self, Table};
use crate::failure::Failure;
use crate::report::{self, Tables};
use crate::run::Environment;

/// Exchanges of a single number, whose median is the latency.
const SHORT_EXCHANGES: usize = 50;
/// Exchanges of a large tensor, whose median gives the bandwidth.
const LONG_EXCHANGES: usize = 5;
const LONG_ELEMENTS: i64 = 4 << 20;
const LEAVING: Duration = Duration::from_secs(30);

/// A process of the job.
#[derive(Debug, Serialize, Deserialize)]
struct Process {
    rank: usize,
    host: String,
    local_rank: usize,
    pid: u32,
    threads: i32,
}

/// What is printed by rank 0.
#[derive(Debug, Serialize)]
struct Report {
    launcher: &'static str,
    master: String,
    processes: Vec<Process>,
    backend: &'static str,
    /// Median time to sum one number over all processes.
    latency_ms: f64,
    /// Megabytes of a tensor of 16.8 MB that are summed per second, over all processes.
    bandwidth_mb_per_s: f64,
}

pub(super) fn run(json: bool) -> Result<(), Failure> {
    let launch = Launch::from_env().map_err(Failure::usage)?.ok_or_else(|| {
        Failure::usage(
            "no launcher started this process: neither RANK and WORLD_SIZE nor those of mpirun or srun are set",
        )
        .hint("torchrun --no-python --nproc-per-node 2 pipeline doctor --distributed")
    })?;
    let world = match World::join(&launch, &JoinOptions::default()) {
        Ok(world) => world,
        Err(error) => end(&error.to_string()),
    };
    match measured(&world) {
        Ok(report) if world.rank() == 0 => report::print(&report, json)?,
        Ok(_) => {}
        Err(error) => {
            let failure = world.explain(&error);
            match failure.reporter == world.rank() {
                true => end(&failure.reason),
                false => exit_at_once(1),
            }
        }
    }
    world.leave(LEAVING).map_err(Failure::from)
}

/// Ends the process, which may have threads that wait for a connection.
fn end(reason: &str) -> ! {
    console::failure(&Failure::failed(reason));
    exit_at_once(1)
}

fn measured(world: &World) -> Result<Report, Error> {
    let launch = world.launch();
    let own = Process {
        rank: world.rank(),
        host: world.hosts()[world.rank()].clone(),
        local_rank: world.local_rank(),
        pid: std::process::id(),
        threads: Environment::now(Device::Cpu, 0).threads,
    };
    let lines = world.group().all_gather_bytes(&serde_json::to_vec(&own).unwrap_or_default())?;
    let processes = lines.iter().filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let latency = exchange(world, 1, SHORT_EXCHANGES)?;
    let bytes = LONG_ELEMENTS as f64 * size_of::<f32>() as f64;
    Ok(Report {
        launcher: match launch.launcher {
            Launcher::Torchrun => "torchrun",
            Launcher::OpenMpi => "mpirun",
            Launcher::Slurm => "srun",
        },
        master: format!("{}:{}", launch.master_host, launch.master_port),
        processes,
        backend: "Gloo",
        latency_ms: latency.as_secs_f64() * 1e3,
        bandwidth_mb_per_s: bytes / 1e6 / exchange(world, LONG_ELEMENTS, LONG_EXCHANGES)?.as_secs_f64(),
    })
}

/// The median time to sum a tensor over all processes, whose sum is checked.
fn exchange(world: &World, elements: i64, count: usize) -> Result<Duration, Error> {
    let group = world.group();
    let mut times = Vec::new();
    for _ in 0..count {
        let tensor = Tensor::full([elements], (world.rank() + 1) as f64, (Kind::Float, Device::Cpu));
        group.barrier(JoinOptions::default().timeout)?;
        let begun = Instant::now();
        group.all_reduce(&tensor, Reduction::Sum)?;
        times.push(begun.elapsed());
        let expected = (world.size() * (world.size() + 1) / 2) as f64;
        let found = [tensor.min(), tensor.max()].map(|number| number.double_value(&[]));
        if found != [expected; 2] {
            let message = format!("the sum over all processes is {found:?} instead of {expected}");
            return Err(Error::Libtorch { call: "sum a tensor over all processes", message });
        }
    }
    times.sort();
    Ok(times[times.len() / 2])
}

impl Tables for Report {
    fn tables(&self) -> Vec<Table> {
        let title = format!(
            "{} processes by {}, meeting at {}; {}: {:.2} ms for one number, {:.0} MB/s",
            self.processes.len(),
            self.launcher,
            self.master,
            self.backend,
            self.latency_ms,
            self.bandwidth_mb_per_s
        );
        let mut table = Table::new(title, &["rank", "host", "local rank", "pid", "threads"]);
        table.rows.extend(self.processes.iter().map(|process| {
            let Process { rank, host, local_rank, pid, threads } = process;
            vec![rank.to_string(), host.clone(), local_rank.to_string(), pid.to_string(), threads.to_string()]
        }));
        vec![table]
    }
}
