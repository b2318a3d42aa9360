//! How this process was started among others: its rank, and where the processes meet.
//!
//! Read from the variables of `torchrun` (or whoever sets `RANK` and `WORLD_SIZE`), of an `mpirun`, or of SLURM, in this order: an
//! `mpirun` within a SLURM job starts its own helpers by `srun`.

use std::path::PathBuf;

use super::variables::Variables;

/// The place of this process in a job, and where the job's processes meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Who started the process.
    pub launcher: Launcher,
    /// From 0 to `world_size - 1`, over all hosts.
    pub rank: usize,
    /// The number of processes, 1 or more.
    pub world_size: usize,
    /// The rank among the processes of this host, if the launcher gives it.
    pub local_rank: Option<usize>,
    /// The host where the processes meet.
    pub master_host: String,
    /// The port there.
    pub master_port: u16,
    /// Who listens on the port.
    pub listener: Listener,
    /// The launcher's name for the job, the same after a restart.
    pub job: String,
    /// Whether the launcher says that it has started the job again. `torchrun` says it on some nodes only: see
    /// [`World::is_restart`](super::World::is_restart).
    pub restarted: bool,
    /// Where `torchrun` expects the reason of a failure, as JSON.
    pub error_file: Option<PathBuf>,
}

/// Who started the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launcher {
    /// `RANK` and `WORLD_SIZE` are set: `torchrun`, or another program by the same contract.
    Torchrun,
    /// `mpirun` of Open MPI.
    OpenMpi,
    /// `mpirun` of MPICH, and of those made from it, such as Intel MPI.
    Mpich,
    /// `srun` of SLURM.
    Slurm,
}

/// Who listens on the port where processes meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// The process of rank 0.
    RankZero,
    /// The launcher's agent, which also outlives the processes.
    Agent,
}

/// Variables of a launcher that do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// One of two variables that belong together is missing.
    #[error("{set} is set, but {missing} is not")]
    Incomplete {
        /// The variable that is set.
        set: &'static str,
        /// The variable that is missing.
        missing: &'static str,
    },

    /// A variable that must be a whole number is something else.
    #[error("{variable} is {value:?}; it must be a number{range}")]
    NotANumber {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// The allowed values, in words after "a number".
        range: &'static str,
    },

    /// A rank beyond the number of processes.
    #[error("{variable} is {rank} of {world_size} processes; ranks go from 0 to {}", .world_size - 1)]
    Rank {
        /// The variable.
        variable: &'static str,
        /// The rank.
        rank: usize,
        /// The number of processes.
        world_size: usize,
    },

    /// Nothing says where the processes meet.
    #[error("{world_size} processes cannot find each other: set {missing} for all of them{hint}")]
    NoMaster {
        /// The number of processes.
        world_size: usize,
        /// The variables that are missing.
        missing: &'static str,
        /// How to set them with this launcher.
        hint: &'static str,
    },
}

pub(super) const LOOPBACK: &str = "127.0.0.1";
/// `torchrun`'s name for a job that was given none.
pub(super) const NO_NAME: &str = "none";

impl Launcher {
    /// The variable by which its processes know their rank.
    pub fn rank_variable(self) -> &'static str {
        match self {
            Self::Torchrun => "RANK",
            Self::OpenMpi => "OMPI_COMM_WORLD_RANK",
            Self::Mpich => "PMI_RANK",
            Self::Slurm => "SLURM_PROCID",
        }
    }
}

impl Launch {
    /// Reads the environment of this process; `None` where no launcher started it.
    ///
    /// # Errors
    /// Variables that do not fit together.
    pub fn from_env() -> Result<Option<Self>, LaunchError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// As [`Launch::from_env`], from variables by name. An empty value is a missing one.
    ///
    /// # Errors
    /// As [`Launch::from_env`].
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, LaunchError> {
        Variables { lookup: &|name| lookup(name).filter(|value| !value.trim().is_empty()) }.launch()
    }

    /// A process of `world_size` on this host that meet at `port` there.
    pub fn local(rank: usize, world_size: usize, port: u16) -> Self {
        Self {
            launcher: Launcher::Torchrun,
            rank,
            world_size,
            local_rank: Some(rank),
            master_host: LOOPBACK.to_owned(),
            master_port: port,
            listener: Listener::RankZero,
            job: NO_NAME.to_owned(),
            restarted: false,
            error_file: None,
        }
    }

    /// Whether the launcher gave the job a name, which `torchrun` does where it is given one.
    pub fn is_named(&self) -> bool {
        self.job != NO_NAME
    }

    /// The variables with which a child process reads this launch.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("RANK", self.rank.to_string()),
            ("WORLD_SIZE", self.world_size.to_string()),
            ("MASTER_ADDR", self.master_host.clone()),
            ("MASTER_PORT", self.master_port.to_string()),
        ];
        variables.extend(self.local_rank.map(|rank| ("LOCAL_RANK", rank.to_string())));
        if self.listener == Listener::Agent {
            variables.push(("TORCHELASTIC_USE_AGENT_STORE", "True".to_owned()));
        }
        if self.is_named() {
            variables.push(("TORCHELASTIC_RUN_ID", self.job.clone()));
        }
        if self.restarted {
            variables.push(("TORCHELASTIC_RESTART_COUNT", "1".to_owned()));
        }
        variables
    }
}

#[cfg(test)]
#[path = "launch_tests.rs"]
mod tests;
