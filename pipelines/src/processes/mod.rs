//! The processes of a job: one in most runs, several where `torchrun`, `srun`, `mpirun` or `--processes` started them.
//!
//! Everything is written for several processes and holds for a single one, which exchanges nothing. Rank 0 owns the files and
//! speaks; the others print their own errors and warnings only.
//!
//! | module | what it holds |
//! |---|---|
//! | here | who is there, and what they tell each other |
//! | [`job`] | a command's work among the processes: joining, ending for all alike |
//! | [`processors`] | the threads of each process |
//! | [`mod@start`] | starting the processes of this host |

mod job;
mod processors;
mod start;

use datasets::Shard;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::Cell;
use std::time::Duration;
use tch::{Cuda, Device, Tensor};
use tch_ext::distributed::{Group, Launch, Listener, World};

use crate::failure::Failure;
use crate::interruption::Interruption;

pub use job::run;
pub use start::output_of;

/// For work of one process that the others wait for: reading data, saving, measuring. A process that is killed is noticed at once
/// all the same.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// The share of `train.timeout` that an exchange may take. The rest is for finding out who is missing, and for ending.
const EXCHANGE_SHARE: f64 = 0.6;

/// The processes of a job, seen from one of them.
#[derive(Debug)]
pub struct Processes {
    launch: Option<Launch>,
    /// None for a single process.
    world: Option<World>,
    /// How long an exchange may take.
    limit: Cell<Duration>,
}

impl Default for Processes {
    /// A single process.
    fn default() -> Self {
        Self::new(None, None)
    }
}

/// What processes tell each other before a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// The images of each process.
    pub images: Vec<usize>,
    /// Samples that could not be read.
    pub skipped: usize,
    /// The signal that asked a process to end.
    pub signal: Option<i32>,
}

impl Processes {
    fn new(launch: Option<Launch>, world: Option<World>) -> Self {
        Self { launch, world, limit: Cell::new(PATIENCE) }
    }

    /// The rank of this process.
    pub fn rank(&self) -> usize {
        self.world.as_ref().map_or(0, World::rank)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.world.as_ref().map_or(1, World::size)
    }

    /// Whether this process owns the files and prints.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// How a launcher started this process, if one did.
    pub fn launch(&self) -> Option<&Launch> {
        self.launch.as_ref()
    }

    /// The rank among the processes of this host.
    pub fn local_rank(&self) -> usize {
        self.world.as_ref().map_or(0, World::local_rank)
    }

    /// The host of each process; empty for a single one.
    pub fn hosts(&self) -> &[String] {
        self.world.as_ref().map_or(&[], World::hosts)
    }

    /// The part of every batch that this process reads.
    pub fn shard(&self) -> Shard {
        Shard { rank: self.rank(), count: self.count() }
    }

    /// The connections to the others, where there are others.
    pub fn group(&self) -> Option<&Group> {
        self.world.as_ref().map(World::group)
    }

    /// Further connections, for exchanges that go on beside others.
    ///
    /// # Errors
    /// When a process is lost.
    pub fn new_group(&self, name: &str) -> Result<Option<Group>, Failure> {
        Ok(self.world.as_ref().map(|world| world.new_group(name)).transpose()?)
    }

    /// The name of the job, the same when the launcher starts it again after a failure, and whether it did. None where no launcher
    /// started this process.
    pub fn job(&self) -> Option<(String, bool)> {
        let launch = self.launch.as_ref()?;
        // Without a name of its own, `torchrun` is known by what its store remembers, or by its process, which stays.
        let agent = || format!("{}, started by process {}", launch.master_host, std::os::unix::process::parent_id());
        let name = match &self.world {
            _ if launch.is_named() => launch.job.clone(),
            Some(world) if launch.listener == Listener::Agent => world.first_start().to_owned(),
            _ => agent(),
        };
        Some((name, self.world.as_ref().map_or(launch.restarted, World::is_restart)))
    }

    /// The device of this process, where `device` was chosen without an index: one each, as far as there are.
    ///
    /// # Errors
    /// When tensors on it cannot be exchanged.
    pub fn device(&self, device: Device) -> Result<Device, Failure> {
        match (device, &self.world) {
            (Device::Cuda(_), Some(world)) => {
                let index = self.local_rank() % Cuda::device_count().max(1) as usize;
                world.use_cuda(index)?;
                Ok(Device::Cuda(index))
            }
            _ => Ok(device),
        }
    }

    /// From now on an exchange, in groups that were made beside as well, fails in time for the job to end within `timeout`, instead
    /// of being waited for.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn be_prompt<'g>(
        &'g self,
        beside: impl IntoIterator<Item = &'g Group>,
        timeout: Duration,
    ) -> Result<(), Failure> {
        let limit = timeout.mul_f64(EXCHANGE_SHARE);
        self.limit.set(limit);
        Ok(self.group().into_iter().chain(beside).try_for_each(|group| group.set_timeout(limit))?)
    }

    /// Waits for all, of which rank 0 may have work that the others have not: they wait for it long, and it for them no longer than
    /// for an exchange.
    ///
    /// # Errors
    /// When a process is lost.
    pub fn wait_for_all(&self) -> Result<(), Failure> {
        match self.group() {
            Some(group) => Ok(group.barrier(if self.is_first() { self.limit.get() } else { PATIENCE })?),
            None => Ok(()),
        }
    }

    /// Fails on all processes where one has another text, with the line that differs.
    ///
    /// # Errors
    /// When texts differ, or a process is lost.
    pub fn require_equal(&self, what: &str, text: &str) -> Result<(), Failure> {
        match self.group() {
            Some(group) => Ok(group.require_equal(what, text)?),
            None => Ok(()),
        }
    }

    /// The value of rank 0; the others' own are ignored.
    ///
    /// # Errors
    /// When a process is lost.
    pub fn of_the_first<V: Serialize + DeserializeOwned>(&self, value: V) -> Result<V, Failure> {
        let Some(group) = self.group() else { return Ok(value) };
        let bytes = if self.is_first() { encoded(&value)? } else { Vec::new() };
        decoded(&group.broadcast_bytes(&bytes, 0)?)
    }

    /// The values of all, by rank.
    ///
    /// # Errors
    /// When a process is lost.
    pub fn gather<V: Serialize + DeserializeOwned>(&self, value: V) -> Result<Vec<V>, Failure> {
        let Some(group) = self.group() else { return Ok(vec![value]) };
        group.all_gather_bytes(&encoded(&value)?)?.iter().map(|bytes| decoded(bytes)).collect()
    }

    /// Tells the others how many images this process has for a step, how many it could not read, and whether a signal came.
    ///
    /// # Errors
    /// When a process is lost or has failed.
    pub fn round(&self, images: usize, skipped: usize, interruption: &Interruption) -> Result<Round, Failure> {
        let signal = interruption.signal();
        let Some(world) = &self.world else {
            return Ok(Round { images: vec![images], skipped, signal });
        };
        if let Some(reason) = world.failed_elsewhere() {
            return Err(Failure::of_another(reason));
        }
        let own = [images as i64, skipped as i64, signal.unwrap_or(0).into()];
        let all = world.group().all_gather(&Tensor::from_slice(&own))?;
        let column = |index: i64| Vec::<i64>::try_from(all.select(1, index).contiguous()).unwrap_or_default();
        let (images, skipped, signals) = (column(0), column(1), column(2));
        Ok(Round {
            images: images.into_iter().map(|images| images as usize).collect(),
            skipped: skipped.iter().sum::<i64>() as usize,
            signal: signals.into_iter().find(|&signal| signal != 0).map(|signal| signal as i32),
        })
    }

    /// Overwrites tensors on the other processes with those of rank 0.
    ///
    /// # Errors
    /// When a process is lost.
    pub fn copy_from_the_first(&self, tensors: &[Tensor]) -> Result<(), Failure> {
        match self.group() {
            Some(group) => Ok(tch::no_grad(|| group.broadcast(tensors, 0))?),
            None => Ok(()),
        }
    }

    /// A seed for what differs between processes, after `step` steps.
    pub fn own_seed(&self, seed: u64, step: u64) -> i64 {
        /// Spreads neighbouring numbers over all 64 bits (Knuth's multiplicative hashing, by the golden ratio).
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let own = (self.rank() as u64).wrapping_add(step << 32).wrapping_mul(SPREAD);
        i64::from_ne_bytes((seed ^ own).to_ne_bytes())
    }
}

fn encoded(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    postcard::to_stdvec(value).map_err(|error| Failure::failed(format!("cannot tell the other processes: {error}")))
}

fn decoded<V: DeserializeOwned>(bytes: &[u8]) -> Result<V, Failure> {
    postcard::from_bytes(bytes)
        .map_err(|error| Failure::failed(format!("another process sent something else: {error}")))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;
    use std::time::Instant;
    use tch_ext::distributed::{JoinOptions, Launcher};

    use super::*;

    fn join(rank: usize, master_port: u16) -> Processes {
        let launch = Launch {
            launcher: Launcher::Torchrun,
            rank,
            world_size: 2,
            local_rank: Some(rank),
            master_host: "127.0.0.1".to_owned(),
            master_port,
            listener: Listener::RankZero,
            job: "test".to_owned(),
            restarted: false,
            error_file: None,
        };
        let world = World::join(&launch, &JoinOptions { timeout: PATIENCE, ..JoinOptions::default() }).unwrap();
        Processes::new(Some(launch), Some(world))
    }

    #[test]
    fn rank_0_does_not_wait_long_for_who_should_wait_for_it() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let other = thread::spawn(move || join(1, port));
        let processes = join(0, port);
        let _does_not_come = other.join().unwrap();
        processes.be_prompt(None, Duration::from_secs(1)).unwrap();
        let begun = Instant::now();
        let failure = processes.wait_for_all().unwrap_err();
        assert!(begun.elapsed() < PATIENCE / 10, "{:?}", begun.elapsed());
        assert!(failure.to_string().contains("rank 1 did not arrive within"), "{failure}");
    }
}
