//! Runs that are killed, interrupted or damaged end, once resumed, as if they had never stopped.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use crate::tasks::{TASKS, accuracy, prepare, train};
use crate::workshop::{Workshop, fail, output, pipeline, read};

/// A checkpoint every other step, so that a kill often hits the writing of one.
const OVERRIDES: [&str; 3] = ["train.epochs=8", "train.eval_every=2", "train.checkpoint.every_steps=2"];

/// The columns of a `metrics.csv` without those of time.
fn computed(csv: &str) -> Vec<String> {
    csv.lines()
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            [&cells[..2], &cells[4..]].concat().join(",")
        })
        .collect()
}

/// Starts a command without its output.
fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
}

/// Resumes a run.
pub fn resume(workshop: &Workshop, name: &str) -> Command {
    pipeline(&["train", "--resume", &workshop.at(&format!("runs/{name}")), "--no-latency"])
}

/// Waits until `holds`, or the child has ended.
fn wait_until(child: &mut Child, what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() && child.try_wait().expect("the child is known").is_none() {
        assert!(started.elapsed() < Duration::from_secs(120), "{what} did not appear");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sends a signal.
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

/// The checkpoints of a run, hidden ones too, by name.
pub fn checkpoints(run: &Path) -> Vec<String> {
    let entries = fs::read_dir(run.join("checkpoints")).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The newest checkpoint's folder.
fn newest(run: &Path) -> PathBuf {
    let names = checkpoints(run);
    run.join("checkpoints").join(names.iter().rfind(|name| name.starts_with("step-")).expect("a checkpoint"))
}

/// The step of the newest checkpoint.
pub fn newest_step(run: &Path) -> Option<u64> {
    checkpoints(run).iter().filter_map(|name| name.strip_prefix("step-")?.parse().ok()).max()
}

/// The step of a checkpoint that is being written, or was when the run was killed.
fn written(run: &Path) -> Option<u64> {
    let names = checkpoints(run);
    names.iter().filter_map(|name| name.strip_prefix(".step-")?.strip_suffix(".new")?.parse().ok()).max()
}

/// Leaves what a kill leaves while the checkpoint of the next step is written.
fn leave_incomplete_checkpoint(run: &Path) {
    let complete = newest(run);
    let step = newest_step(run).expect("a checkpoint") + 1;
    let incomplete = run.join(format!("checkpoints/.step-{step:08}.new"));
    fs::create_dir(&incomplete).expect("created");
    fs::copy(complete.join("ema.safetensors"), incomplete.join("ema.safetensors")).expect("copied");
    fs::copy(complete.join("weights.safetensors"), incomplete.join("weights.safetensors")).expect("copied");
    cut(&incomplete.join("weights.safetensors"));
}

/// Two runs have computed the same: weights, averages, optimiser and random state, metrics, report.
pub fn same_end(workshop: &Workshop, one: &str, other: &str) {
    let file = |run: &str, name: &str| workshop.path(&format!("runs/{run}/{name}"));
    for name in ["weights", "ema", "optimizer"] {
        let bytes = |run: &str| fs::read(file(run, &format!("checkpoints/last/{name}.safetensors"))).expect(name);
        assert!(bytes(one) == bytes(other), "{name}.safetensors differs");
    }
    for name in ["best", "last"] {
        let target = |run: &str| fs::read_link(file(run, &format!("checkpoints/{name}"))).expect(name);
        assert_eq!(target(one), target(other), "{name}");
    }
    assert_eq!(computed(&read(file(one, "metrics.csv"))), computed(&read(file(other, "metrics.csv"))));
    let report = |run: &str| accuracy(&read(file(run, "report.json")));
    assert_eq!(report(one), report(other));
}

/// Kills a run `kills` times, every second time while a checkpoint is written, and resumes it to its end. It is compared with a run
/// that was never stopped and had no workers.
fn kill_and_resume(task: &str, kills: usize) {
    let workshop = Workshop::with_folders();
    prepare(&workshop, task);
    let with_workers = |count: &'static str| [&OVERRIDES[..], &[count]].concat();
    let complete = output(&mut train(&workshop, "complete", &with_workers("data.workers=0")));
    assert!(complete.status.success(), "{}", String::from_utf8_lossy(&complete.stderr));

    let run = workshop.path("runs/killed");
    // A run that was killed before its first checkpoint starts again.
    let continued = || match newest_step(&run) {
        Some(_) => resume(&workshop, "killed"),
        None => {
            let _ = fs::remove_dir_all(&run);
            train(&workshop, "killed", &with_workers("data.workers=3"))
        }
    };
    for kill in 0..kills {
        let mut command = continued();
        let before = newest_step(&run);
        let mut child = start(&mut command);
        if kill % 2 == 0 {
            wait_until(&mut child, "a checkpoint", || written(&run).max(newest_step(&run)) > before);
        } else {
            wait_until(&mut child, "a checkpoint", || newest_step(&run) > before);
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock");
            std::thread::sleep(Duration::from_micros(u64::from(now.subsec_nanos()) % 120_000));
        }
        child.kill().expect("killed");
        let status = child.wait().expect("it ends");
        assert!(!status.success(), "the run ended before it was killed {kills} times");
        if kill % 2 == 0 && written(&run).is_none() {
            leave_incomplete_checkpoint(&run);
        }
    }
    let resumed = output(&mut continued());
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    same_end(&workshop, "complete", "killed");
    assert!(checkpoints(&run).iter().all(|name| !name.starts_with(".step")), "{:?}", checkpoints(&run));
}

#[test]
fn a_killed_classifier_ends_as_if_it_had_not_been_killed() {
    kill_and_resume("classify", 4);
}

#[test]
fn a_killed_detector_ends_as_if_it_had_not_been_killed() {
    kill_and_resume("detect", 4);
}

#[test]
fn a_killed_segmenter_ends_as_if_it_had_not_been_killed() {
    kill_and_resume("segment", 4);
}

#[test]
#[ignore = "long: some minutes"]
fn a_dozen_kills_change_nothing_for_any_task() {
    for task in TASKS {
        kill_and_resume(task, 12);
    }
}

#[test]
fn signals_save_the_run_and_set_the_exit_status() {
    let workshop = Workshop::with_folders();
    prepare(&workshop, "classify");
    assert!(output(&mut train(&workshop, "complete", &OVERRIDES)).status.success());
    let run = workshop.path("runs/signalled");
    for (number, (name, status)) in [("TERM", 143), ("USR1", 138), ("INT", 130)].into_iter().enumerate() {
        let before = checkpoints(&run);
        let mut child = match number {
            0 => start(&mut train(&workshop, "signalled", &OVERRIDES)),
            _ => start(&mut resume(&workshop, "signalled")),
        };
        wait_until(&mut child, "a checkpoint", || checkpoints(&run) != before && run.join("checkpoints/last").exists());
        // SLURM sends it to all processes of a step, and those that have started others pass it on.
        signal(&child, name);
        signal(&child, name);
        assert_eq!(child.wait().expect("it ends").code(), Some(status), "{name}");
    }
    let resumed = output(&mut resume(&workshop, "signalled"));
    let errors = String::from_utf8_lossy(&resumed.stderr);
    assert!(resumed.status.success() && errors.contains("resuming after step"), "{errors}");
    same_end(&workshop, "complete", "signalled");
}

#[test]
fn a_run_that_is_stopped_while_it_evaluates_resumes_with_the_evaluation() {
    let workshop = Workshop::with_folders();
    prepare(&workshop, "classify");
    // One step per epoch.
    let overrides = ["train.epochs=2", "train.batch_size=20"];
    assert!(output(&mut train(&workshop, "complete", &overrides)).status.success());
    let picture = first_picture(&workshop, "val");
    let bytes = fs::read(&picture).expect("readable");
    replace_by_pipe(&picture);
    let run = workshop.path("runs/evaluating");
    let mut child = start(&mut train(&workshop, "evaluating", &overrides));
    // Opens when the evaluation reads the picture, and holds it up until the bytes come.
    let mut pipe = fs::OpenOptions::new().write(true).open(&picture).expect("the evaluation reads it");
    signal(&child, "TERM");
    pipe.write_all(&bytes).expect("written");
    drop(pipe);
    fs::remove_file(&picture).expect("removed");
    fs::write(&picture, bytes).expect("written");
    assert_eq!(child.wait().expect("it ends").code(), Some(143));
    let state: serde_json::Value = serde_json::from_str(&read(newest(&run).join("state.json"))).expect("JSON");
    assert_eq!((&state["position"]["epoch"], &state["position"]["batch"]), (&0.into(), &1.into()), "{state}");
    let resumed = output(&mut resume(&workshop, "evaluating"));
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    same_end(&workshop, "complete", "evaluating");
}

#[test]
fn a_second_signal_ends_a_run_that_waits_for_a_file() {
    let workshop = Workshop::with_folders();
    prepare(&workshop, "classify");
    let pipe = stuck_picture(&workshop);
    let mut child = start(&mut train(&workshop, "stuck", &["data.timeout=100", "data.workers=1"]));
    let run = workshop.path("runs/stuck");
    wait_until(&mut child, "the first checkpoint", || run.join("checkpoints/last").exists());
    signal(&child, "INT");
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().expect("the child is known").is_none(), "it does not wait for {}", pipe.display());
    signal(&child, "TERM");
    assert_eq!(child.wait().expect("it ends").code(), Some(143));
}

#[test]
fn a_file_that_cannot_be_read_in_time_is_named() {
    let workshop = Workshop::with_folders();
    prepare(&workshop, "classify");
    let pipe = stuck_picture(&workshop);
    let stuck = output(&mut train(&workshop, "stuck", &["data.timeout=4", "data.workers=1"]));
    let errors = String::from_utf8_lossy(&stuck.stderr);
    assert_eq!(stuck.status.code(), Some(1), "{errors}");
    let sentence = format!("error: cannot read {}: not finished after", pipe.display());
    assert!(errors.contains(&sentence) && errors.contains("data.timeout"), "{errors}");
}

/// The first picture of circles of a split.
fn first_picture(workshop: &Workshop, split: &str) -> PathBuf {
    let pictures = fs::read_dir(workshop.path("shapes/classify").join(split).join("circle")).expect("pictures");
    pictures.flatten().map(|entry| entry.path()).min().expect("a picture")
}

/// Replaces a picture by a pipe, which is read until a writer has closed it.
fn replace_by_pipe(picture: &Path) {
    fs::remove_file(picture).expect("removed");
    assert!(Command::new("mkfifo").arg(picture).status().expect("mkfifo runs").success());
}

/// A training picture that is a pipe without a writer.
fn stuck_picture(workshop: &Workshop) -> PathBuf {
    let picture = first_picture(workshop, "train");
    replace_by_pipe(&picture);
    picture
}

#[test]
fn a_run_resumes_from_the_checkpoint_before_a_damaged_one() {
    let workshop = Workshop::with_folders();
    prepare(&workshop, "classify");
    assert!(output(&mut train(&workshop, "complete", &OVERRIDES)).status.success());
    type Damage = (&'static str, fn(&Path), &'static str);
    let damages: [Damage; 4] = [
        ("altered", |checkpoint| alter(&checkpoint.join("weights.safetensors")), "its SHA-256 differs"),
        ("cut", |checkpoint| cut(&checkpoint.join("optimizer.safetensors")), "bytes instead of"),
        ("gone", |checkpoint| fs::remove_file(checkpoint.join("state.json")).expect("removed"), "cannot read"),
        ("unlisted", |checkpoint| cut(&checkpoint.join("manifest.json")), "manifest.json is damaged"),
    ];
    for (name, damage, words) in damages {
        let run = workshop.path(&format!("runs/{name}"));
        let mut child = start(&mut train(&workshop, name, &OVERRIDES));
        wait_until(&mut child, "a second epoch", || newest_step(&run) >= Some(8));
        signal(&child, "TERM");
        assert_eq!(child.wait().expect("it ends").code(), Some(143));
        damage(&newest(&run));
        let resumed = output(&mut resume(&workshop, name));
        let errors = String::from_utf8_lossy(&resumed.stderr);
        assert!(resumed.status.success(), "{errors}");
        assert!(errors.contains(words) && errors.contains("resuming from step"), "{errors}");
        same_end(&workshop, "complete", name);
    }
    let run = workshop.path("runs/altered");
    for name in checkpoints(&run).iter().filter(|name| name.starts_with("step-")) {
        alter(&run.join("checkpoints").join(name).join("weights.safetensors"));
    }
    let errors = fail(&["train", "--resume", &workshop.at("runs/altered")], 1);
    assert!(errors.contains("no checkpoint is intact: ") && errors.contains("SHA-256"), "{errors}");
    let errors = fail(&["eval", &workshop.at("runs/altered")], 1);
    assert!(errors.contains("SHA-256"), "{errors}");
}

fn alter(file: &Path) {
    let mut bytes = fs::read(file).expect("readable");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(file, bytes).expect("writable");
}

fn cut(file: &Path) {
    let length = fs::metadata(file).expect("it exists").len();
    fs::OpenOptions::new().write(true).open(file).and_then(|file| file.set_len(length / 2)).expect("writable");
}

#[test]
fn one_process_at_a_time_trains_in_a_run() {
    let workshop = Workshop::with_folders();
    prepare(&workshop, "classify");
    let run = workshop.path("runs/held");
    let mut child = start(&mut train(&workshop, "held", &["train.epochs=1000"]));
    wait_until(&mut child, "the first checkpoint", || run.join("checkpoints/last").exists());
    let errors = fail(&["train", "--resume", &workshop.at("runs/held")], 1);
    assert!(errors.contains(&format!("process {} trains in", child.id())), "{errors}");
    child.kill().expect("killed");
    child.wait().expect("it ends");
    let short = ["train", "--resume", &workshop.at("runs/held"), "--no-latency", "--set", "train.epochs=1"];
    let resumed = output(&mut pipeline(&short));
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
}

#[test]
fn changes_of_data_or_model_are_refused_by_key() {
    let workshop = Workshop::with_folders();
    prepare(&workshop, "classify");
    assert!(output(&mut train(&workshop, "short", &["train.epochs=2"])).status.success());
    let run = workshop.at("runs/short");
    let with = |changes: &[&str]| {
        let mut command = resume(&workshop, "short");
        changes.iter().for_each(|change| {
            command.args(["--set", change]);
        });
        output(&mut command)
    };
    let refused = with(&["data.size=96", "backbone.spec.branches=1", "train.epochs=3"]);
    let errors = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{errors}");
    let keys = "these cannot change: backbone.spec.branches (2 -> 1), data.size (64 -> 96)";
    assert!(errors.contains(keys) && errors.contains("hint: Start a new run"), "{errors}");

    let longer = with(&["train.epochs=3", "data.workers=0", "train.batch_size=5"]);
    let errors = String::from_utf8_lossy(&longer.stderr);
    assert!(longer.status.success(), "{errors}");
    assert!(errors.contains("train.batch_size (4 -> 5): results will differ from the original run"), "{errors}");
    assert!(!errors.contains("train.epochs ("), "{errors}");
    assert_eq!(read(workshop.path("runs/short/metrics.csv")).lines().count(), 1 + 3);
    // What was changed stays changed.
    assert!(read(workshop.path("runs/short/config.yaml")).contains("batch_size: 5"));

    let folder = workshop.path("shapes/classify/train/circle");
    fs::remove_file(fs::read_dir(folder).expect("pictures").flatten().next().expect("a picture").path())
        .expect("removed");
    let errors = fail(&["train", "--resume", &run, "--set", "train.epochs=4"], 1);
    assert!(errors.contains("began with 20 training images, and there are 19 now"), "{errors}");
}
