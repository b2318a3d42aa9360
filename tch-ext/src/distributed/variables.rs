//! What the variables of each launcher say.

use std::path::PathBuf;

use super::{
    launch::{LOOPBACK, Launch, LaunchError, Launcher, Listener, NO_NAME},
    slurm,
};

/// PyTorch's default.
const DEFAULT_PORT: u16 = 29500;

pub(super) struct Variables<'a> {
    /// The value of a variable, where it has one.
    pub(super) lookup: &'a dyn Fn(&str) -> Option<String>,
}

/// The variables of an `mpirun`.
struct Mpi {
    launcher: Launcher,
    size: &'static str,
    local_rank: &'static str,
    local_size: &'static str,
    /// Where one of them is the job's name.
    names: &'static [&'static str],
    hint: &'static str,
}

const OPEN_MPI: Mpi = Mpi {
    launcher: Launcher::OpenMpi,
    size: "OMPI_COMM_WORLD_SIZE",
    local_rank: "OMPI_COMM_WORLD_LOCAL_RANK",
    local_size: "OMPI_COMM_WORLD_LOCAL_SIZE",
    names: &["PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid"],
    hint: ", as in `mpirun -x MASTER_ADDR=HOST -x MASTER_PORT=29500 ...`",
};

const MPICH: Mpi = Mpi {
    launcher: Launcher::Mpich,
    size: "PMI_SIZE",
    local_rank: "MPI_LOCALRANKID",
    local_size: "MPI_LOCALNRANKS",
    names: &[],
    hint: ", as in `mpirun -genv MASTER_ADDR HOST -genv MASTER_PORT 29500 ...`",
};

impl Variables<'_> {
    pub(super) fn launch(&self) -> Result<Option<Launch>, LaunchError> {
        if self.has("RANK") || self.has("WORLD_SIZE") {
            self.torchrun().map(Some)
        } else if self.has("OMPI_COMM_WORLD_RANK") {
            self.mpi(&OPEN_MPI).map(Some)
        } else if self.has("PMI_RANK") && self.has("MPI_LOCALRANKID") {
            // SLURM's `srun --mpi=pmi2` sets the first one too.
            self.mpi(&MPICH).map(Some)
        } else if self.has("SLURM_STEP_ID") && self.has("SLURM_PROCID") {
            self.slurm().map(Some)
        } else {
            Ok(None)
        }
    }

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
            restarted: self.counted("TORCHELASTIC_RESTART_COUNT")? || self.counted("SLURM_RESTART_COUNT")?,
            error_file: self.get("TORCHELASTIC_ERROR_FILE").map(PathBuf::from),
        })
    }

    fn mpi(&self, mpi: &Mpi) -> Result<Launch, LaunchError> {
        let (rank, world_size) = self.rank_and_size(mpi.launcher.rank_variable(), mpi.size)?;
        let one_host = self.number(mpi.local_size)? == Some(world_size);
        let host = self
            .get("MASTER_ADDR")
            .or_else(|| one_host.then(|| LOOPBACK.to_owned()))
            .or_else(|| self.slurm_host())
            .ok_or(LaunchError::NoMaster { world_size, missing: "MASTER_ADDR", hint: mpi.hint })?;
        let batch = self.number("SLURM_JOB_ID")?;
        let name = mpi.names.iter().find_map(|name| self.get(name));
        let port = match self.port()? {
            Some(port) => port,
            None if batch.is_none() && name.is_none() => DEFAULT_PORT,
            None => slurm::port(batch.unwrap_or(0), name.as_deref().map_or(0, checksum)),
        };
        Ok(Launch {
            launcher: mpi.launcher,
            rank,
            world_size,
            local_rank: self.number(mpi.local_rank)?,
            master_host: host,
            master_port: port,
            listener: Listener::RankZero,
            job: batch.map(|number| number.to_string()).or(name).unwrap_or_else(|| "mpirun".to_owned()),
            restarted: self.counted("SLURM_RESTART_COUNT")?,
            error_file: None,
        })
    }

    fn slurm(&self) -> Result<Launch, LaunchError> {
        // `SLURM_NTASKS` can be the number of the whole job, of which this step is a part.
        let size = if self.has("SLURM_STEP_NUM_TASKS") { "SLURM_STEP_NUM_TASKS" } else { "SLURM_NTASKS" };
        let (rank, world_size) = self.rank_and_size(Launcher::Slurm.rank_variable(), size)?;
        let host = self.get("MASTER_ADDR").or_else(|| self.slurm_host());
        let host = host.or_else(|| (world_size == 1).then(|| LOOPBACK.to_owned())).ok_or(LaunchError::NoMaster {
            world_size,
            missing: "MASTER_ADDR",
            hint: ", because SLURM_STEP_NODELIST and SLURM_JOB_NODELIST name no host",
        })?;
        let number = self.number("SLURM_JOB_ID")?.unwrap_or_default();
        let step = self.number("SLURM_STEP_ID")?.unwrap_or_default();
        Ok(Launch {
            launcher: Launcher::Slurm,
            rank,
            world_size,
            local_rank: self.number("SLURM_LOCALID")?,
            master_host: host,
            master_port: self.port()?.unwrap_or_else(|| slurm::port(number, step)),
            listener: Listener::RankZero,
            job: format!("{number}.{step}"),
            restarted: self.counted("SLURM_RESTART_COUNT")?,
            error_file: None,
        })
    }

    /// Whether a launcher has counted restarts.
    fn counted(&self, variable: &'static str) -> Result<bool, LaunchError> {
        Ok(self.number(variable)?.is_some_and(|count| count > 0))
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
