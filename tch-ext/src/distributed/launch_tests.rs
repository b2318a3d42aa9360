//! Launch variables of each launcher, right and wrong.

use super::*;

fn read(text: &str) -> Result<Option<Launch>, LaunchError> {
    let lookup = |name: &str| {
        let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    };
    Launch::from_variables(lookup)
}

fn launch(text: &str) -> Launch {
    read(text).unwrap().expect("a launcher's variables")
}

fn sentence(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn without_a_launcher_there_is_no_distributed_job() {
    assert_eq!(read(""), Ok(None));
    assert_eq!(read("RANK= WORLD_SIZE="), Ok(None));
    let batch_script = "SLURM_JOB_ID=7 SLURM_PROCID=0 SLURM_NTASKS=4 SLURM_JOB_NODELIST=n[1-4]";
    assert_eq!(read(batch_script), Ok(None));
}

#[test]
fn torchrun_starts_a_distributed_job() {
    let found = launch(
        "RANK=3 WORLD_SIZE=4 LOCAL_RANK=1 MASTER_ADDR=n1 MASTER_PORT=1234 TORCHELASTIC_USE_AGENT_STORE=True \
         TORCHELASTIC_RUN_ID=abc TORCHELASTIC_RESTART_COUNT=2 TORCHELASTIC_ERROR_FILE=/tmp/e.json SLURM_STEP_ID=0 \
         SLURM_PROCID=9 OMPI_COMM_WORLD_RANK=8",
    );
    let expected = Launch {
        launcher: Launcher::Torchrun,
        rank: 3,
        world_size: 4,
        local_rank: Some(1),
        master_host: "n1".to_owned(),
        master_port: 1234,
        listener: Listener::Agent,
        job: "abc".to_owned(),
        restarted: true,
        error_file: Some(PathBuf::from("/tmp/e.json")),
    };
    assert_eq!(found, expected);
}

#[test]
fn a_local_distributed_launch_is_read_back_from_its_variables() {
    let local = Launch::local(1, 3, 4567);
    let of_an_agent = Launch { listener: Listener::Agent, job: "17".to_owned(), restarted: true, ..local.clone() };
    for launch in [local, of_an_agent] {
        let variables = launch.variables();
        let lookup = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
        assert_eq!(Launch::from_variables(lookup), Ok(Some(launch)));
    }
}

#[test]
fn open_mpi_starts_a_distributed_job_on_one_host_or_with_a_master() {
    let one_host = "OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_LOCAL_SIZE=2 \
                    OMPI_COMM_WORLD_LOCAL_RANK=1 PMIX_NAMESPACE=prterun-a-17@1";
    let found = launch(one_host);
    assert_eq!((found.launcher, found.rank, found.world_size), (Launcher::OpenMpi, 1, 2));
    assert_eq!((found.local_rank, found.master_host.as_str()), (Some(1), "127.0.0.1"));
    assert_eq!((found.job.as_str(), found.restarted), ("prterun-a-17@1", false));
    let other_job = one_host.replace("-17@1", "-18@1");
    assert_ne!(found.master_port, launch(&other_job).master_port, "jobs side by side have ports of their own");

    let two_hosts = "OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_LOCAL_SIZE=1";
    assert_eq!(
        sentence(two_hosts),
        "2 processes cannot find each other: set MASTER_ADDR for all of them, as in `mpirun -x MASTER_ADDR=HOST -x \
         MASTER_PORT=29500 ...`"
    );
    let given = launch(&format!("{two_hosts} MASTER_ADDR=n7 MASTER_PORT=99"));
    assert_eq!((given.master_host.as_str(), given.master_port), ("n7", 99));
    let inside_slurm = launch(&format!("{two_hosts} SLURM_JOB_NODELIST=n[03-04] SLURM_JOB_ID=20042"));
    assert_eq!((inside_slurm.master_host.as_str(), inside_slurm.master_port), ("n03", 20042));
    // What SLURM has queued again is the same job, whatever mpirun calls it.
    let again = launch(&format!("{one_host} SLURM_JOB_ID=7 SLURM_RESTART_COUNT=2"));
    assert_eq!((again.job.as_str(), again.restarted), ("7", true));
    assert_ne!(again.master_port, launch(&format!("{other_job} SLURM_JOB_ID=7")).master_port);
}

#[test]
fn mpich_starts_a_distributed_job_on_one_host_or_with_a_master() {
    // Within a SLURM job its processes inherit the variables of a helper on their host, which srun has started.
    let helper = "SLURM_STEP_ID=0 SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=2 SLURM_JOB_ID=20042";
    let process = format!("PMI_RANK=3 PMI_SIZE=4 MPI_LOCALRANKID=1 MPI_LOCALNRANKS=2 {helper}");
    let found = launch(&format!("{process} SLURM_STEP_NODELIST=n[03-04]"));
    assert_eq!((found.launcher, found.rank, found.world_size), (Launcher::Mpich, 3, 4));
    assert_eq!((found.local_rank, found.master_host.as_str(), found.master_port), (Some(1), "n03", 20042));

    let one_host = launch("PMI_RANK=1 PMI_SIZE=2 MPI_LOCALRANKID=1 MPI_LOCALNRANKS=2");
    assert_eq!((one_host.master_host.as_str(), one_host.master_port), ("127.0.0.1", 29500));
    assert_eq!(
        sentence("PMI_RANK=1 PMI_SIZE=2 MPI_LOCALRANKID=0 MPI_LOCALNRANKS=1"),
        "2 processes cannot find each other: set MASTER_ADDR for all of them, as in `mpirun -genv MASTER_ADDR HOST -genv \
         MASTER_PORT 29500 ...`"
    );
    // `srun --mpi=pmi2`
    let by_srun = launch(&format!("PMI_RANK=0 PMI_SIZE=2 {helper} SLURM_STEP_NODELIST=n1"));
    assert_eq!(by_srun.launcher, Launcher::Slurm);
}

#[test]
fn srun_starts_a_distributed_job() {
    let step =
        "SLURM_STEP_ID=2 SLURM_PROCID=5 SLURM_LOCALID=1 SLURM_NTASKS=16 SLURM_STEP_NUM_TASKS=8 SLURM_JOB_ID=70001";
    let found = launch(&format!("{step} SLURM_STEP_NODELIST=gpu[07-09],login SLURM_RESTART_COUNT=1"));
    let expected = Launch {
        launcher: Launcher::Slurm,
        rank: 5,
        world_size: 8,
        local_rank: Some(1),
        master_host: "gpu07".to_owned(),
        master_port: 22019,
        listener: Listener::RankZero,
        job: "70001.2".to_owned(),
        restarted: true,
        error_file: None,
    };
    assert_eq!(found, expected);
    assert_eq!(
        sentence(&format!("{step} SLURM_JOB_NODELIST=x[1")),
        "8 processes cannot find each other: set MASTER_ADDR for all of them, because SLURM_STEP_NODELIST and \
         SLURM_JOB_NODELIST name no host"
    );
    let steps = ["0", "1"].map(|id| launch(&format!("SLURM_STEP_ID={id} {step} SLURM_STEP_NODELIST=a")).master_port);
    assert_ne!(steps[0], steps[1], "steps of a job side by side have ports of their own");
    let alone = launch("SLURM_STEP_ID=0 SLURM_PROCID=0 SLURM_NTASKS=1");
    assert_eq!((alone.world_size, alone.master_host.as_str()), (1, "127.0.0.1"));
}

#[test]
fn wrong_variables_of_a_distributed_job_are_named() {
    assert_eq!(sentence("RANK=0"), "RANK is set, but WORLD_SIZE is not");
    assert_eq!(sentence("WORLD_SIZE=2"), "WORLD_SIZE is set, but RANK is not");
    assert_eq!(sentence("RANK=2 WORLD_SIZE=2"), "RANK is 2 of 2 processes; ranks go from 0 to 1");
    assert_eq!(sentence("RANK=a WORLD_SIZE=2"), "RANK is \"a\"; it must be a number, 0 or more");
    assert_eq!(sentence("RANK=0 WORLD_SIZE=0"), "WORLD_SIZE is \"0\"; it must be a number, 1 or more");
    assert_eq!(
        sentence("RANK=0 WORLD_SIZE=2 MASTER_ADDR=a MASTER_PORT=70000"),
        "MASTER_PORT is \"70000\"; it must be a number from 0 to 65535"
    );
    assert_eq!(
        sentence("RANK=0 WORLD_SIZE=2"),
        "2 processes cannot find each other: set MASTER_ADDR and MASTER_PORT for all of them"
    );
    assert_eq!(
        sentence("RANK=0 WORLD_SIZE=2 MASTER_PORT=5"),
        "2 processes cannot find each other: set MASTER_ADDR for all of them"
    );
    assert_eq!(launch("RANK=0 WORLD_SIZE=1").master_host, "127.0.0.1");
}
