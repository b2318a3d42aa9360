//! A job of several processes that was killed or interrupted goes on, in as many processes or others.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use tch_ext::distributed::{Launch, MeetingPoint};

use super::training::{SLOW, assert_same_losses};
use super::{Job, sentences, wait_until};
use crate::resume::{newest_step, resume, same_end, signal};
use crate::tasks::{prepare, train};
use crate::workshop::Workshop;

const OVERRIDES: [&str; 4] =
    ["train.epochs=8", "train.eval_every=4", "train.checkpoint.every_steps=2", "train.sync_batch_norm=true"];

fn start(count: usize, command: impl Fn() -> Command) -> Job {
    Job::start((0..count).map(|_| command()))
}

/// Waits for a checkpoint after that of `step`.
fn wait_for_checkpoint(run: &Path, step: Option<u64>) {
    wait_until("a checkpoint", || run.join("checkpoints").is_dir() && newest_step(run) > step);
}

/// Kills one rank after the other at work, with dropout in every process.
#[test]
fn killed_processes_end_as_if_they_had_not_been_killed() {
    let workshop = Workshop::with_folders();
    prepare(&workshop, "classify");
    start(2, || train(&workshop, "complete", &OVERRIDES)).succeed();
    let run = workshop.path("runs/killed");
    for rank in [1, 0] {
        let before = newest_step(&run);
        let mut job = match before {
            None => start(2, || train(&workshop, "killed", &OVERRIDES)),
            Some(_) => start(2, || resume(&workshop, "killed")),
        };
        wait_for_checkpoint(&run, before);
        job.0[rank].kill().expect("killed");
        let outputs = job.outputs();
        assert_eq!(outputs[1 - rank].status.code(), Some(1), "{:?}", sentences(&outputs));
        let sentences = sentences(&outputs);
        assert!(
            sentences.len() == 1 && sentences[0].starts_with(&format!("rank {rank} on ")),
            "one sentence names the rank: {sentences:?}"
        );
    }
    start(2, || resume(&workshop, "killed")).succeed();
    same_end(&workshop, "complete", "killed");
}

/// One process, then two, one and three.
#[test]
fn a_run_goes_on_in_another_number_of_processes() {
    let workshop = Workshop::with_folders();
    prepare(&workshop, "detect");
    let overrides = [&OVERRIDES[..], &["train.batch_size=6", SLOW]].concat();
    start(1, || train(&workshop, "complete", &overrides)).succeed();
    let run = workshop.path("runs/moved");
    for (count, name, status) in [(2, "TERM", 143), (1, "USR1", 138)] {
        let before = newest_step(&run);
        let job = match before {
            None => start(count, || train(&workshop, "moved", &overrides)),
            Some(_) => start(count, || resume(&workshop, "moved")),
        };
        wait_for_checkpoint(&run, before);
        // To the last rank alone: all end after the same step.
        signal(&job.0[count - 1], name);
        let outputs = job.outputs();
        let statuses: Vec<_> = outputs.iter().map(|output| output.status.code()).collect();
        assert_eq!(statuses, vec![Some(status); count], "{:?}", sentences(&outputs));
        let sentences = sentences(&outputs);
        assert!(sentences.len() == 1 && sentences[0].contains("the run is saved in"), "{sentences:?}");
    }
    start(3, || resume(&workshop, "moved")).succeed();
    assert_same_losses(&workshop, "complete", "moved");
}

/// torchrun on two nodes: its agent's store stays, and only the node of the process that failed counts the restart.
#[test]
fn a_job_of_two_nodes_goes_on_from_its_checkpoint_whichever_counts_the_restart() {
    let workshop = Workshop::with_folders();
    prepare(&workshop, "classify");
    let agent = MeetingPoint::open().expect("a meeting point");
    let start = |restarts: [Option<&str>; 2]| {
        let commands = restarts.into_iter().enumerate().map(|(rank, restarts)| {
            let launch = Launch { job: "job-9".to_owned(), ..agent.launch(rank, 2) };
            let mut command = train(&workshop, "nodes", &OVERRIDES);
            command.envs(launch.variables()).envs(restarts.map(|count| ("TORCHELASTIC_RESTART_COUNT", count)));
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
        });
        Job(commands.collect())
    };
    let mut job = start([None, None]);
    wait_for_checkpoint(&workshop.path("runs/nodes"), Some(0));
    job.0[1].kill().expect("killed");
    job.outputs();
    start([None, Some("1")]).succeed();
    assert!(workshop.path("runs/nodes/report.json").is_file(), "it goes on in its own folder");
    assert!(!workshop.path("runs/nodes-2").exists());
}

/// torchrun starts the same command again after a failure, with the next number.
#[test]
fn a_job_that_its_launcher_starts_again_goes_on_from_its_checkpoint() {
    let workshop = Workshop::with_folders();
    prepare(&workshop, "classify");
    let command = |restarts: &str| {
        let mut command = train(&workshop, "again", &OVERRIDES);
        command.env("TORCHELASTIC_RUN_ID", "job-7").env("TORCHELASTIC_RESTART_COUNT", restarts);
        command
    };
    let mut job = start(2, || command("0"));
    wait_for_checkpoint(&workshop.path("runs/again"), Some(0));
    job.0[1].kill().expect("killed");
    job.outputs();
    start(2, || command("1")).succeed();
    assert!(!workshop.path("runs/again-2").exists(), "it goes on in its own folder");
    start(2, || train(&workshop, "complete", &OVERRIDES)).succeed();
    same_end(&workshop, "complete", "again");
    // Another job of that name begins anew.
    fs::remove_dir_all(workshop.path("runs/complete")).expect("removed");
    let mut other = train(&workshop, "again", &["train.epochs=1"]);
    other.env("TORCHELASTIC_RUN_ID", "job-8").env("TORCHELASTIC_RESTART_COUNT", "1");
    Job::start([other]).succeed();
    assert!(workshop.path("runs/again-2").exists());
}
