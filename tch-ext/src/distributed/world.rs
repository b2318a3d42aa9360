//! All processes of a job, from joining to leaving.

use std::{cell::OnceCell, io::Write, path::PathBuf, time::Duration};

use super::{
    group::{Group, Membership},
    join::{JoinOptions, Joined, join},
    launch::{Launch, Listener},
    sentinel::{News, Sentinel},
    store::Store,
};
use crate::{Error, cuda, library::library_folder};

unsafe extern "C" {
    fn tch_ext_dist_quiet_logging();
}

/// The processes of a job. Dropping it closes the connections; [`World::leave`] also waits for the others.
#[derive(Debug)]
pub struct World {
    pub(super) launch: Launch,
    pub(super) store: Store,
    pub(super) hosts: Vec<String>,
    first_start: String,
    restarted: bool,
    /// None in a world of one.
    sentinel: Option<Sentinel>,
    group: Group,
    member: Membership,
    /// The device whose tensors are exchanged, beside those of the CPU, and NCCL's library.
    cuda: OnceCell<(usize, PathBuf)>,
}

/// Beside libtorch's own libraries.
const NCCL: &str = "libtch_ext_nccl.so";

/// How long the process that hosts the store stays for the others to read from it.
pub(super) const LINGER: Duration = Duration::from_secs(3);

impl World {
    /// Waits until all processes of the launch have called this, and connects them. Silences libtorch's log, in which c10d
    /// repeats every error with a backtrace, unless `TORCH_CPP_LOG_LEVEL` is set or the process is alone.
    ///
    /// # Errors
    /// [`Error::Join`] with a sentence: processes that are missing, were started twice or with another world size, a port
    /// in use, a master that does not answer. After it leave by [`exit_at_once`]: a connection may still be waiting.
    pub fn join(launch: &Launch, options: &JoinOptions) -> Result<Self, Error> {
        if launch.world_size > 1 {
            // SAFETY: no arguments; it sets libtorch's log level.
            unsafe { tch_ext_dist_quiet_logging() };
        }
        let Joined { store, second_store, group, member, hosts, first_start, restarted } = join(launch, options)?;
        let sentinel = second_store.map(|store| Sentinel::start(store, launch.rank, options.end_after_failure));
        let (launch, cuda) = (launch.clone(), OnceCell::new());
        Ok(Self { launch, store, hosts, first_start, restarted, sentinel, group, member, cuda })
    }

    /// A world of this process only, without connections to others.
    ///
    /// # Errors
    /// libtorch's own message.
    pub fn alone() -> Result<Self, Error> {
        Self::join(&Launch::local(0, 1, 0), &JoinOptions { interface: None, ..JoinOptions::default() })
    }

    /// From 0 to `size - 1`.
    pub fn rank(&self) -> usize {
        self.launch.rank
    }

    /// The number of processes.
    pub fn size(&self) -> usize {
        self.launch.world_size
    }

    /// The rank among the processes of this host: the launcher's, otherwise by the order of ranks.
    pub fn local_rank(&self) -> usize {
        let host = &self.hosts[self.rank()];
        let before = || self.hosts[..self.rank()].iter().filter(|other| *other == host).count();
        self.launch.local_rank.unwrap_or_else(before)
    }

    /// The number of processes on this host.
    pub fn local_size(&self) -> usize {
        let host = &self.hosts[self.rank()];
        self.hosts.iter().filter(|other| *other == host).count()
    }

    /// The host of each rank.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// How this process was started.
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// The name of the job's first start at its meeting point. Another job has another one.
    pub fn first_start(&self) -> &str {
        &self.first_start
    }

    /// Whether the job was started before: the launcher says so, or the meeting point, which its agent hosts, was used before.
    pub fn is_restart(&self) -> bool {
        self.restarted || self.launch.restarted
    }

    /// The group of all processes.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// Lets all groups, later ones included, also exchange tensors on this CUDA device, by NCCL. All processes call this
    /// together, once.
    ///
    /// # Errors
    /// [`Error::Library`] where `libtch_ext_nccl.so` is not beside libtorch or cannot be loaded; NCCL's own message.
    pub fn use_cuda(&self, device: usize) -> Result<(), Error> {
        let folder = library_folder().unwrap_or_default();
        let path = folder.join(NCCL);
        if !path.exists() {
            return Err(Error::Library { path, reason: "it is not there; tools/nccl builds it".to_owned() });
        }
        cuda::load()?;
        let (device, library) = self.cuda.get_or_init(|| (device, path));
        self.group.use_cuda(*device, library, self.member.timeout)
    }

    /// A second group of all processes with connections of its own, whose collectives may be in flight beside those of the
    /// first in any order. `name` is the same for all, and new. All processes call this together.
    ///
    /// # Errors
    /// A process is lost.
    pub fn new_group(&self, name: &str) -> Result<Group, Error> {
        if name == "world" {
            return Err(Error::Name { what: "a group's name", name: name.to_owned(), rule: "a new one" });
        }
        let group = Group::join(&self.store, name, &self.member)?;
        if let Some((device, library)) = self.cuda.get() {
            group.use_cuda(*device, library, self.member.timeout)?;
        }
        Ok(group)
    }

    /// Waits for the others and gives up the connections, which close with the last [`Group`] that uses them. The process
    /// may then end as it likes.
    ///
    /// # Errors
    /// A process did not arrive within `timeout`, or is lost.
    pub fn leave(mut self, timeout: Duration) -> Result<(), Error> {
        self.group.barrier(timeout)?;
        // Before the store may close, which it would take for a failure.
        self.sentinel = None;
        let key = |rank: usize| format!("left/{rank}");
        if self.hosts_store() {
            let others: Vec<String> = (1..self.size()).map(key).collect();
            // All have arrived, so whoever is late here only loses a connection that it no longer needs.
            let _ = self.store.wait(&others, LINGER);
        } else {
            self.store.set(&key(self.rank()), "")?;
        }
        Ok(())
    }

    pub(super) fn news(&self) -> News {
        self.sentinel.as_ref().map_or(News::None, Sentinel::news)
    }

    /// Whether the store ends with this process.
    pub(super) fn hosts_store(&self) -> bool {
        self.launch.listener == Listener::RankZero && self.rank() == 0
    }
}

/// Ends the process after an error: without waiting for threads, and for connections that have no other end any more.
pub fn exit_at_once(status: i32) -> ! {
    let _ = std::io::stdout().flush();
    let _ = std::io::stderr().flush();
    // SAFETY: ends the process; nothing of it is used after this.
    unsafe { libc::_exit(status) }
}
