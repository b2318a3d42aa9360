//! What a run ran on: `environment.json` of the run folder, and `pipeline doctor`.

use serde::Serialize;
use tch::{Cuda, Device};
use tch_ext::system;

use crate::model::device;
use crate::processes::Processes;

/// Versions, device, revision and command line of a run.
#[derive(Debug, Serialize)]
pub struct Environment {
    /// This program's version.
    pub pipeline: &'static str,
    /// libtorch's version.
    pub libtorch: String,
    /// Where the network trains.
    pub device: String,
    /// The processor's name.
    pub cpu: String,
    /// The instruction set that libtorch uses on it.
    pub cpu_capability: String,
    /// Threads of libtorch.
    pub threads: i32,
    /// CUDA devices that libtorch finds.
    pub cuda_devices: i64,
    /// The host's name.
    pub host: Option<String>,
    /// The revision of the source that the program was built from, where that is a git checkout.
    pub git_revision: Option<&'static str>,
    /// The command line.
    pub command_line: Vec<String>,
    /// The run's seed.
    pub seed: u64,
    /// The host of each process, by rank; empty for a single process.
    pub hosts: Vec<String>,
    /// The launcher's name for the job, where there is a launcher.
    pub job: Option<String>,
}

impl Environment {
    /// As it is now.
    pub fn now(device: Device, seed: u64) -> Self {
        Self {
            pipeline: env!("CARGO_PKG_VERSION"),
            libtorch: system::libtorch_version(),
            device: device::describe(device),
            cpu: cpu_name(),
            cpu_capability: system::cpu_capability(),
            threads: tch::get_num_threads(),
            cuda_devices: if Cuda::is_available() { Cuda::device_count() } else { 0 },
            host: std::fs::read_to_string("/etc/hostname").ok().map(|name| name.trim().to_owned()),
            git_revision: front::REVISION,
            command_line: std::env::args().collect(),
            seed,
            hosts: Vec::new(),
            job: None,
        }
    }

    /// The same, of these processes.
    #[must_use]
    pub fn of_job(self, processes: &Processes) -> Self {
        Self { hosts: processes.hosts().to_vec(), job: processes.job().map(|(name, _)| name), ..self }
    }
}

/// The machine that latencies are measured on.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// The instruction set that libtorch uses on it.
    pub cpu_capability: String,
    /// Processors that the program may use.
    pub processors: usize,
    /// How the kernel chooses the processor's frequency, where that is known.
    pub governor: Option<String>,
    /// What the networks ran on.
    pub device: String,
    /// Threads of libtorch.
    pub threads: i32,
    /// The processors that the threads are bound to; empty where they are not bound.
    pub pinned: Vec<usize>,
    /// libtorch's version.
    pub libtorch: String,
}

impl Machine {
    /// As it is now.
    pub fn now(device: Device, pinned: &[usize]) -> Self {
        let governor = std::fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
        Self {
            cpu: cpu_name(),
            cpu_capability: system::cpu_capability(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            governor: governor.ok().map(|name| name.trim().to_owned()),
            device: device::describe(device),
            threads: tch::get_num_threads(),
            pinned: pinned.to_vec(),
            libtorch: system::libtorch_version(),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let governor = self.governor.as_deref().unwrap_or("unknown");
        write!(out, "{}, {} processors, {}, governor {governor}; ", self.cpu, self.processors, self.cpu_capability)?;
        write!(out, "libtorch {} on {}", self.libtorch, self.device)?;
        match &self.pinned[..] {
            [] => Ok(()),
            processors => write!(out, ", pinned to {processors:?}"),
        }
    }
}

/// The processor's name, as the kernel reports it.
pub fn cpu_name() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("model name").and_then(|rest| rest.split_once(':')))
        .map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}
