//! How this process was started among others: its rank, and where the processes meet.
//!
//! Read from the variables of `torchrun` (or whoever sets `RANK` and `WORLD_SIZE`), Open MPI or SLURM, in this order.

use std::path::PathBuf;

use super::slurm;

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
    /// How often the launcher has started the job again.
    pub restarts: usize,
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

const LOOPBACK: &str = "127.0.0.1";
/// PyTorch's default.
const DEFAULT_PORT: u16 = 29500;
/// `torchrun`'s name for a job that was given none.
const NO_NAME: &str = "none";

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
        let variables = Variables { lookup: &|name| lookup(name).filter(|value| !value.trim().is_empty()) };
        if variables.has("RANK") || variables.has("WORLD_SIZE") {
            variables.torchrun().map(Some)
        } else if variables.has("OMPI_COMM_WORLD_RANK") {
            variables.open_mpi().map(Some)
        } else if variables.has("SLURM_STEP_ID") && variables.has("SLURM_PROCID") {
            variables.slurm().map(Some)
        } else {
            Ok(None)
        }
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
            restarts: 0,
            error_file: None,
        }
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
        if self.job != NO_NAME {
            variables.push(("TORCHELASTIC_RUN_ID", self.job.clone()));
        }
        variables
    }
}

struct Variables<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl Variables<'_> {
    fn torchrun(&self) -> Result<Launch, LaunchError> {
        let (rank, world_size) = self.rank_and_size("RANK", "WORLD_SIZE")?;
        let (host, port) = (self.get("MASTER_ADDR"), self.port()?);
        let missing = match (&host, port) {
            (Some(_), Some(_)) => None,
            (None, Some(_)) => Some("MASTER_ADDR"),
            (Some(_), None) => Some("MASTER_PORT"),
            (None, None) => Some("MASTER_ADDR and MASTER_PORT"),
        };
        if let Some(missing) = missing.filter(|_| world_size > 1) {
            return Err(LaunchError::NoMaster { world_size, missing, hint: "" });
        }
        let agent = self.get("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Ok(Launch {
            launcher: Launcher::Torchrun,
            rank,
            world_size,
            local_rank: self.number("LOCAL_RANK")?,
            master_host: host.unwrap_or_else(|| LOOPBACK.to_owned()),
            master_port: port.unwrap_or(0),
            listener: if agent { Listener::Agent } else { Listener::RankZero },
            job: self.get("TORCHELASTIC_RUN_ID").unwrap_or_else(|| NO_NAME.to_owned()),
            restarts: self.number("TORCHELASTIC_RESTART_COUNT")?.unwrap_or(0),
            error_file: self.get("TORCHELASTIC_ERROR_FILE").map(PathBuf::from),
        })
    }

    fn open_mpi(&self) -> Result<Launch, LaunchError> {
        let (rank, world_size) = self.rank_and_size("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE")?;
        let one_host = self.number("OMPI_COMM_WORLD_LOCAL_SIZE")? == Some(world_size);
        let namespace = self.get("PMIX_NAMESPACE").or_else(|| self.get("OMPI_MCA_ess_base_jobid"));
        let missing = |missing| LaunchError::NoMaster {
            world_size,
            missing,
            hint: ", as in `mpirun -x MASTER_ADDR=HOST -x MASTER_PORT=29500 ...`",
        };
        let host = self
            .get("MASTER_ADDR")
            .or_else(|| one_host.then(|| LOOPBACK.to_owned()))
            .or_else(|| self.slurm_host())
            .ok_or_else(|| missing("MASTER_ADDR"))?;
        let port = match (self.port()?, self.number("SLURM_JOB_ID")?) {
            (Some(port), _) => port,
            (None, Some(job)) => slurm::port(job),
            (None, None) => namespace.as_deref().map_or(DEFAULT_PORT, |name| slurm::port(checksum(name))),
        };
        Ok(Launch {
            launcher: Launcher::OpenMpi,
            rank,
            world_size,
            local_rank: self.number("OMPI_COMM_WORLD_LOCAL_RANK")?,
            master_host: host,
            master_port: port,
            listener: Listener::RankZero,
            job: namespace.unwrap_or_else(|| "mpirun".to_owned()),
            restarts: 0,
            error_file: None,
        })
    }

    fn slurm(&self) -> Result<Launch, LaunchError> {
        // `SLURM_NTASKS` can be the number of the whole job, of which this step is a part.
        let size = if self.has("SLURM_STEP_NUM_TASKS") { "SLURM_STEP_NUM_TASKS" } else { "SLURM_NTASKS" };
        let (rank, world_size) = self.rank_and_size("SLURM_PROCID", size)?;
        let host = self.get("MASTER_ADDR").or_else(|| self.slurm_host());
        let host = host.or_else(|| (world_size == 1).then(|| LOOPBACK.to_owned())).ok_or(LaunchError::NoMaster {
            world_size,
            missing: "MASTER_ADDR",
            hint: ", because SLURM_STEP_NODELIST and SLURM_JOB_NODELIST name no host",
        })?;
        let job = self.number("SLURM_JOB_ID")?;
        let port = self.port()?.or(job.map(slurm::port)).unwrap_or(DEFAULT_PORT);
        Ok(Launch {
            launcher: Launcher::Slurm,
            rank,
            world_size,
            local_rank: self.number("SLURM_LOCALID")?,
            master_host: host,
            master_port: port,
            listener: Listener::RankZero,
            job: format!("{}.{}", job.unwrap_or(0), self.get("SLURM_STEP_ID").unwrap_or_default()),
            restarts: self.number("SLURM_RESTART_COUNT")?.unwrap_or(0),
            error_file: None,
        })
    }

    fn slurm_host(&self) -> Option<String> {
        ["SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST"]
            .iter()
            .find_map(|name| slurm::first_host(&self.get(name)?))
    }

    fn rank_and_size(&self, rank: &'static str, size: &'static str) -> Result<(usize, usize), LaunchError> {
        let incomplete = |set, missing| LaunchError::Incomplete { set, missing };
        let world_size = self.number(size)?.ok_or(incomplete(rank, size))?;
        let number = self.number(rank)?.ok_or(incomplete(size, rank))?;
        if world_size == 0 {
            return Err(LaunchError::NotANumber { variable: size, value: "0".to_owned(), range: ", 1 or more" });
        }
        if number >= world_size {
            return Err(LaunchError::Rank { variable: rank, rank: number, world_size });
        }
        Ok((number, world_size))
    }

    fn port(&self) -> Result<Option<u16>, LaunchError> {
        self.parsed("MASTER_PORT", " from 0 to 65535")
    }

    fn number(&self, variable: &'static str) -> Result<Option<usize>, LaunchError> {
        self.parsed(variable, ", 0 or more")
    }

    fn parsed<N: std::str::FromStr>(
        &self,
        variable: &'static str,
        range: &'static str,
    ) -> Result<Option<N>, LaunchError> {
        let Some(value) = self.get(variable) else { return Ok(None) };
        value.trim().parse().map(Some).map_err(|_| LaunchError::NotANumber { variable, value, range })
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn get(&self, name: &str) -> Option<String> {
        (self.lookup)(name)
    }
}

/// FNV-1a: the same on all hosts and in all builds.
fn checksum(text: &str) -> usize {
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash as usize
}

#[cfg(test)]
#[path = "launch_tests.rs"]
mod tests;
