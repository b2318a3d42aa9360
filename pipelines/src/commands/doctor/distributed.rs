//! `pipeline doctor --distributed`: the processes of a job, and how fast they exchange tensors.

use front::cli::DoctorArgs;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor};
use tch_ext::distributed::{Group, JoinOptions, Launch, Launcher, Reduction};

use crate::console::Table;
use crate::failure::Failure;
use crate::processes::{self, Processes};
use crate::report::{self, Tables};

/// Exchanges of a single number, whose median is the latency.
const SHORT_EXCHANGES: usize = 50;
/// Exchanges of a large tensor, whose median gives the bandwidth.
const LONG_EXCHANGES: usize = 5;
const LONG_ELEMENTS: i64 = 4 << 20;

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

pub(super) fn run(args: &DoctorArgs) -> Result<(), Failure> {
    processes::run(args.start.processes, |processes| {
        let (Some(launch), Some(group)) = (processes.launch(), processes.group()) else {
            return Err(Failure::usage("this is a single process, which has nobody to exchange tensors with")
                .hint("Add --processes 2, or start it by torchrun --no-python --nproc-per-node 2, srun or mpirun."));
        };
        let report = measured(processes, launch, group)?;
        if processes.is_first() { Ok(report::print(&report, args.json)?) } else { Ok(()) }
    })
}

fn measured(processes: &Processes, launch: &Launch, group: &Group) -> Result<Report, Failure> {
    let own = Process {
        rank: processes.rank(),
        host: processes.hosts()[processes.rank()].clone(),
        local_rank: processes.local_rank(),
        pid: std::process::id(),
        threads: tch::get_num_threads(),
    };
    let bytes = LONG_ELEMENTS as f64 * size_of::<f32>() as f64;
    Ok(Report {
        launcher: match launch.launcher {
            Launcher::Torchrun => "torchrun's variables",
            Launcher::OpenMpi => "mpirun (Open MPI)",
            Launcher::Mpich => "mpirun (MPICH)",
            Launcher::Slurm => "srun",
        },
        master: format!("{}:{}", launch.master_host, launch.master_port),
        processes: processes.gather(own)?,
        backend: "Gloo",
        latency_ms: exchange(group, 1, SHORT_EXCHANGES)?.as_secs_f64() * 1e3,
        bandwidth_mb_per_s: bytes / 1e6 / exchange(group, LONG_ELEMENTS, LONG_EXCHANGES)?.as_secs_f64(),
    })
}

/// The median time to sum a tensor over all processes, whose sum is checked.
fn exchange(group: &Group, elements: i64, count: usize) -> Result<Duration, Failure> {
    let mut times = Vec::new();
    for _ in 0..count {
        let tensor = Tensor::full([elements], (group.rank() + 1) as f64, (Kind::Float, Device::Cpu));
        group.barrier(JoinOptions::default().timeout)?;
        let begun = Instant::now();
        group.all_reduce(&tensor, Reduction::Sum)?;
        times.push(begun.elapsed());
        let expected = (group.size() * (group.size() + 1) / 2) as f64;
        let found = [tensor.min(), tensor.max()].map(|number| number.double_value(&[]));
        if found != [expected; 2] {
            return Err(Failure::failed(format!("the sum over all processes is {found:?} instead of {expected}")));
        }
    }
    times.sort();
    Ok(times[times.len() / 2])
}

impl Tables for Report {
    fn tables(&self) -> Vec<Table> {
        let title = format!(
            "{} processes by {}, at {}; {}: {:.2} ms for one number, {:.0} MB/s",
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
