//! `--processes`, and torchrun itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{errors, wait_until};
use crate::resume::{newest_step, signal};
use crate::workshop::{Workshop, pipeline};

const LONG: [&str; 2] = ["train.epochs=5000", "train.eval_every=5000"];

/// A long job of two processes that has begun to train.
fn started(workshop: &Workshop) -> Child {
    let mut command = workshop.train("job", &LONG);
    command.args(["--processes", "2"]).stdout(Stdio::null()).stderr(Stdio::piped());
    let job = command.spawn().expect("the program starts");
    let run = workshop.path("runs/job");
    wait_until("a checkpoint", || run.join("checkpoints").is_dir() && newest_step(&run) > Some(0));
    job
}

/// The processes that this one has started.
fn children(parent: &Child) -> Vec<u32> {
    let list = format!("/proc/{0}/task/{0}/children", parent.id());
    let text = fs::read_to_string(list).expect("the list of children");
    text.split_whitespace().map(|pid| pid.parse().expect("a number")).collect()
}

fn is_gone(pid: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // An orphan stays as a zombie where no init process collects it.
    state.is_empty() || state.contains(") Z ")
}

#[test]
fn a_signal_is_forwarded_and_sets_the_exit_status() {
    let workshop = Workshop::new();
    let job = started(&workshop);
    let ranks = children(&job);
    assert_eq!(ranks.len(), 2);
    signal(&job, "TERM");
    let output = job.wait_with_output().expect("ended");
    assert_eq!(output.status.code(), Some(143), "{}", errors(&output));
    assert_eq!(errors(&output).matches("error: interrupted by SIGTERM").count(), 1, "{}", errors(&output));
    assert!(ranks.into_iter().all(is_gone));
}

#[test]
fn no_process_outlives_another_that_is_killed() {
    let workshop = Workshop::new();
    let job = started(&workshop);
    let ranks = children(&job);
    let killed = Command::new("kill").args(["-KILL", &ranks[1].to_string()]).status().expect("kill runs");
    assert!(killed.success());
    let output = job.wait_with_output().expect("ended");
    let said = errors(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error: rank 1 on ") && said.matches("error:").count() == 1, "{said}");
    assert!(said.contains("hint: Resume from the last checkpoint"), "{said}");
    assert!(ranks.into_iter().all(is_gone));
}

#[test]
fn processes_end_when_the_command_that_started_them_is_killed() {
    let workshop = Workshop::new();
    let mut job = started(&workshop);
    let ranks = children(&job);
    job.kill().expect("killed");
    job.wait().expect("ended");
    wait_until("the end of its processes", || ranks.iter().all(|&rank| is_gone(rank)));
}

#[test]
fn processes_are_not_started_twice() {
    let mut command = pipeline(&["train", "job.yaml", "--processes", "2"]);
    let srun = [("SLURM_STEP_ID", "0"), ("SLURM_PROCID", "1"), ("SLURM_NTASKS", "2"), ("SLURM_STEP_NODELIST", "n1")];
    let output = command.envs(srun).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("as one of 2: SLURM_PROCID is set"), "{}", errors(&output));
    assert!(errors(&output).contains("hint: Leave out --processes under torchrun"), "{}", errors(&output));
}

/// `srun --ntasks 1 pipeline ... --processes 2`, or a shell that srun has started.
#[test]
fn a_single_process_of_a_launcher_may_start_others() {
    let mut command = pipeline(&["doctor", "--distributed", "--processes", "2", "--json"]);
    let srun = [("SLURM_STEP_ID", "0"), ("SLURM_PROCID", "0"), ("SLURM_NTASKS", "1"), ("SLURM_STEP_NODELIST", "n1")];
    let output = command.envs(srun).output().expect("the program starts");
    assert!(output.status.success(), "{}", errors(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["processes"].as_array().map(Vec::len), Some(2), "{report}");
}

/// Two network namespaces with a cable between them: two nodes. Dropping it removes them.
struct Nodes;

impl Nodes {
    const NAMES: [&str; 2] = ["pipeline-node-0", "pipeline-node-1"];

    fn new() -> Self {
        let script = "ip netns add $0 && ip netns add $1 && ip link add p0 netns $0 type veth peer name p1 netns $1 &&
            ip -n $0 addr add 10.177.0.1/24 dev p0 && ip -n $1 addr add 10.177.0.2/24 dev p1 &&
            ip -n $0 link set p0 up && ip -n $1 link set p1 up && ip -n $0 link set lo up && ip -n $1 link set lo up";
        let nodes = Self;
        let made = Command::new("sh").args(["-c", script]).args(Self::NAMES).status().expect("sh runs");
        assert!(made.success(), "root and iproute2 are needed");
        nodes
    }

    /// One process on each node.
    fn start(workshop: &Workshop, settings: &[&str]) -> [Child; 2] {
        [0, 1].map(|rank| {
            let train = workshop.train("job", settings);
            let mut command = Command::new("ip");
            command.args(["netns", "exec", Self::NAMES[rank]]).arg(train.get_program()).args(train.get_args());
            let rank = rank.to_string();
            command.envs([("RANK", rank.as_str()), ("LOCAL_RANK", "0"), ("WORLD_SIZE", "2")]);
            command.envs([("MASTER_ADDR", "10.177.0.1"), ("MASTER_PORT", "29500"), ("OMP_NUM_THREADS", "1")]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("ip runs")
        })
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for name in Self::NAMES {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

#[test]
#[ignore = "needs root and iproute2: makes network namespaces"]
fn two_nodes_train_together_until_their_cable_is_cut() {
    let workshop = Workshop::new();
    let _nodes = Nodes::new();
    for process in Nodes::start(&workshop, &[]) {
        let output = process.wait_with_output().expect("ended");
        assert!(output.status.success(), "{}", errors(&output));
    }
    assert!(workshop.path("runs/job/report.json").is_file());

    let settings = [&LONG[..], &["train.timeout=10"]].concat();
    let processes = Nodes::start(&workshop, &settings);
    let run = workshop.path("runs/job-2");
    wait_until("a checkpoint", || run.join("checkpoints").is_dir() && newest_step(&run) > Some(0));
    let cut = Command::new("ip").args(["-n", Nodes::NAMES[1], "link", "set", "p1", "down"]).status().expect("ip runs");
    assert!(cut.success());
    let started = std::time::Instant::now();
    let outputs = processes.map(|process| process.wait_with_output().expect("ended"));
    assert!(started.elapsed() < std::time::Duration::from_secs(30), "{:?}", started.elapsed());
    // Each node is alone now, and says so.
    for output in &outputs {
        let said = errors(output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("error: rank ") && said.contains("does not answer any more"), "{said}");
    }
}

/// `torchrun` of the environment that `tools/python` makes.
fn torchrun() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/torchrun")
}

#[test]
#[ignore = "needs the reference environment: tools/python"]
fn torchrun_starts_a_job() {
    let workshop = Workshop::new();
    let train = workshop.train("job", &[]);
    let mut command = Command::new(torchrun());
    command
        .args(["--no-python", "--standalone", "--nproc-per-node", "2"])
        .arg(train.get_program())
        .args(train.get_args());
    let output = command.env("OMP_NUM_THREADS", "1").output().expect("tools/python has made .venv");
    assert!(output.status.success(), "{}", errors(&output));
    assert!(errors(&output).contains("2 processes with 2 images each at a time"), "{}", errors(&output));
    assert!(workshop.path("runs/job/report.json").is_file());
}

#[test]
#[ignore = "needs the reference environment: tools/python"]
fn torchrun_starts_a_job_again_after_a_failure() {
    let workshop = Workshop::new();
    let train = workshop.train("job", &["train.epochs=30", "train.eval_every=30"]);
    let mut command = Command::new(torchrun());
    command.args(["--no-python", "--standalone", "--nproc-per-node", "2", "--max-restarts", "1"]);
    command.arg(train.get_program()).args(train.get_args()).env("OMP_NUM_THREADS", "1");
    let job = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("tools/python has made .venv");
    let run = workshop.path("runs/job");
    wait_until("a checkpoint", || run.join("checkpoints").is_dir() && newest_step(&run) > Some(0));
    let rank = children(&job)
        .into_iter()
        .find(|&pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|program| program.ends_with("pipeline-run")));
    let killed = Command::new("kill").args(["-KILL", &rank.expect("a rank").to_string()]).status().expect("kill runs");
    assert!(killed.success());
    let output = job.wait_with_output().expect("ended");
    assert!(output.status.success(), "{}", errors(&output));
    assert!(errors(&output).contains("resuming after step"), "{}", errors(&output));
    assert!(run.join("report.json").is_file() && !workshop.path("runs/job-2").exists());
}
