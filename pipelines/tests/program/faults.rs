//! Faults in the middle of a run: numbers that are not finite, a full disk, growing memory.

use datasets::{Encoding, Image, Mask, Size, voc_palette};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::tasks::{job, prepare, train};
use crate::workshop::{Workshop, output, read};
use serde_json::Value;

/// A segmenter's data where one mask of eight holds a class whose weight makes every loss that it takes part in infinite.
pub fn poisoned(workshop: &Workshop) {
    let size = Size { height: 32, width: 32 };
    for split in ["train", "val"] {
        for (folder, files) in [("images", "jpg"), ("masks", "png")] {
            let folder = workshop.path(&format!("pairs/{split}/{folder}"));
            fs::create_dir_all(&folder).expect("created");
            for number in 0..8_u8 {
                let bytes = match files {
                    "jpg" => Image::filled(size, [30 * number; 3]).encode(Encoding::Jpeg(90)),
                    _ => {
                        let class = if split == "train" && number == 3 { 2 } else { number % 2 };
                        Mask::filled(size, class).encode(&voc_palette())
                    }
                };
                fs::write(folder.join(format!("{number}.{files}")), bytes.expect("encoded")).expect("written");
            }
        }
    }
    let source = |split: &str| {
        let options = "{ classes: [even, odd, poison] }";
        format!("{split}: {{ format: pairs, images: {split}/images, masks: {split}/masks, options: {options} }}")
    };
    let sections = format!(
        "head: {{ channels: 16, class_weights: [1.0, 1.0, 3.0e+38] }}
data:
  root: {}
  size: 32
  {}
  {}
  augment: {{ scale: null, rotation: null }}",
        workshop.at("pairs"),
        source("train"),
        source("val")
    );
    fs::write(workshop.path("task.yaml"), job("segment", &sections)).expect("written");
}

fn all_finite(weights: &Path) -> bool {
    let tensors = backbone::checkpoint::read(weights).expect("readable").tensors;
    tensors.values().all(|tensor| i64::try_from(tensor.isfinite().all()).expect("a number") == 1)
}

#[test]
fn a_loss_that_is_not_finite_is_handled_by_the_policy() {
    let workshop = Workshop::empty();
    poisoned(&workshop);
    let with = |name: &str, policy: &str| {
        let policy = format!("train.not_finite={policy}");
        let trained = output(&mut train(&workshop, name, &["train.batch_size=2", "data.workers=0", &policy]));
        (trained.status.code(), String::from_utf8_lossy(&trained.stderr).into_owned())
    };
    let weights = |name: &str| workshop.path(&format!("runs/{name}/checkpoints/last/weights.safetensors"));

    let (status, errors) = with("stop", "{policy: stop}");
    assert_eq!(status, Some(1), "{errors}");
    assert!(errors.contains("error: the loss is not finite at step ") && errors.contains("images/3.jpg"), "{errors}");
    assert!(errors.contains("hint: Lower train.optimizer.lr") && errors.contains("--resume"), "{errors}");
    let run = workshop.path("runs/stop");
    let mut found = fs::read_dir(&run).expect("a run").flatten().map(|entry| entry.path());
    let report = found.find(|path| path.to_string_lossy().contains("not_finite-")).expect("a report");
    let report: Value = serde_json::from_str(&read(&report)).expect("JSON");
    assert!(["NaN", "inf"].contains(&report["losses"]["loss"].as_str().expect("a word")), "{report}");
    assert_eq!(report["files"].as_array().expect("files").len(), 2);
    assert!(report["gradient_norms"].as_object().expect("norms").contains_key("backbone.stage1.0"), "{report}");
    assert!(all_finite(&weights("stop")));

    let (status, errors) = with("skip", "{policy: skip}");
    assert_eq!(status, Some(0), "{errors}");
    assert!(errors.contains("the batch is left out (2 of at most 10)"), "{errors}");
    assert!(errors.contains("2 steps had a loss or gradient that is not finite"), "{errors}");
    assert!(all_finite(&weights("skip")), "the running statistics took in the skipped batch");

    let (status, errors) = with("rollback", "{policy: rollback}");
    assert_eq!(status, Some(0), "{errors}");
    assert!(errors.contains("the weights of step 0 are restored (1 of at most 10)"), "{errors}");
    assert!(errors.contains("the weights of step 4 are restored (2 of at most 10)"), "{errors}");
    assert!(all_finite(&weights("rollback")));

    for policy in ["skip", "rollback"] {
        let (status, errors) = with("limit", &format!("{{policy: {policy}, limit: 1}}"));
        assert_eq!(status, Some(1), "{errors}");
        assert!(errors.contains("train.not_finite.limit allows 1"), "{errors}");
    }
}

/// Bytes of all files below a folder.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    let of = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => size(&entry.path()),
        _ => entry.metadata().map_or(0, |facts| facts.len()),
    };
    entries.map(of).sum()
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped check says so")]
fn a_full_disk_ends_the_run_with_a_sentence_and_loses_nothing() {
    let workshop = Workshop::with_folders();
    prepare(&workshop, "classify");
    let overrides = ["train.epochs=6", "train.checkpoint.keep=100"];
    assert!(output(&mut train(&workshop, "complete", &overrides)).status.success());
    // Room for some of the checkpoints.
    let room = size(&workshop.path("runs/complete")) / 1024 * 6 / 10;
    let disk = workshop.at("disk");
    fs::create_dir(&disk).expect("created");
    let program = env!("CARGO_BIN_EXE_pipeline");
    let sets: String = overrides.iter().map(|change| format!(" --set {change}")).collect();
    // A file system that is unmounted when the commands end.
    let script = format!(
        "mount -t tmpfs -o size={room}k tmpfs {disk} || exit 77
         {program} train {job} --output {disk} --name full --no-latency{sets} 2> {out}/full.err
         echo $? > {out}/full.status
         cp -r {disk}/full {out}/left
         mount -o remount,size=1g {disk}
         {program} train --resume {disk}/full --no-latency 2> {out}/resumed.err
         echo $? > {out}/resumed.status
         cp -r {disk}/full/checkpoints/last/ema.safetensors {out}/ema.safetensors",
        job = workshop.at("task.yaml"),
        out = workshop.at(""),
    );
    let mut shell = Command::new("unshare");
    shell.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]);
    let ran = shell.env("OMP_NUM_THREADS", "1").env("NO_COLOR", "1").output();
    if !ran.as_ref().is_ok_and(|ran| ran.status.success()) {
        eprintln!("skipped: no file system can be mounted here: {ran:?}");
        return;
    }
    let errors = read(workshop.path("full.err"));
    assert_eq!(read(workshop.path("full.status")).trim(), "1", "{errors}");
    let sentence = errors.lines().find(|line| line.starts_with("error: ")).expect("an error");
    assert!(
        sentence.starts_with("error: cannot write ") && sentence.ends_with("No space left on device (os error 28)"),
        "{errors}"
    );
    assert!(errors.contains("hint: Free some space on that disk. Resume from the last checkpoint with:"), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    let left = fs::read_dir(workshop.path("left/checkpoints")).expect("checkpoints").flatten();
    let names: Vec<String> = left.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(names.iter().all(|name| !name.starts_with(".step")), "part of a checkpoint takes up space: {names:?}");
    assert!(names.iter().filter(|name| name.starts_with("step-")).count() >= 2, "{names:?}");

    let errors = read(workshop.path("resumed.err"));
    assert_eq!(read(workshop.path("resumed.status")).trim(), "0", "{errors}");
    assert!(!errors.contains("instead"), "the newest checkpoint was damaged: {errors}");
    let complete = fs::read(workshop.path("runs/complete/checkpoints/last/ema.safetensors")).expect("weights");
    assert!(fs::read(workshop.path("ema.safetensors")).expect("weights") == complete, "the weights differ");
}

/// Resident memory in kibibytes and open files of a process.
fn held(process: u32) -> Option<(u64, usize)> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let memory = line.split_whitespace().nth(1)?.parse().ok()?;
    Some((memory, fs::read_dir(format!("/proc/{process}/fd")).ok()?.count()))
}

/// Trains for `steps` steps, and watches memory and open files after the first tenth.
fn trains_flat(steps: u64) -> String {
    let workshop = Workshop::with_folders();
    prepare(&workshop, "classify");
    // Five steps an epoch.
    let epochs = format!("train.epochs={}", steps / 5);
    let sizes = "data.augment.phases=[]";
    let mut command = train(
        &workshop,
        "long",
        &[&epochs, sizes, "train.eval_every=200", "train.checkpoint.every_epochs=200", "data.workers=2"],
    );
    let mut child =
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().expect("starts");
    let rows = || fs::read_to_string(workshop.path("runs/long/metrics.csv")).unwrap_or_default().lines().count() as u64;
    let mut measured: Vec<(u64, u64, usize)> = Vec::new();
    while child.try_wait().expect("the child is known").is_none() {
        let (done, Some((memory, files))) = (rows() * 5, held(child.id())) else { continue };
        if done < steps && done > steps / 10 {
            measured.push((done, memory, files));
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(child.wait().expect("it ends").success());
    assert!(measured.len() > 20, "the run was too short to measure: {measured:?}");
    let third = measured.len() / 3;
    let most = |part: &[(u64, u64, usize)]| {
        (part.iter().map(|sample| sample.1).max().unwrap_or(0), part.iter().map(|sample| sample.2).max().unwrap_or(0))
    };
    let (first, last) = (most(&measured[..third]), most(&measured[measured.len() - third..]));
    // The allocator's own variation; a leak of a batch would be tens of megabytes even in the short run.
    assert!(last.0 < first.0 + first.0 / 20, "memory grows: {first:?} kB and files, then {last:?}");
    // Two workers and the log each hold a file for a moment, which a sample may see or not.
    assert!(last.1 <= first.1 + 3, "open files grow: {first:?}, then {last:?}");
    format!(
        "{steps} steps: at most {:.1} MB and {} open files in the first third, {:.1} MB and {} in the last",
        first.0 as f64 / 1024.0,
        first.1,
        last.0 as f64 / 1024.0,
        last.1
    )
}

#[test]
fn memory_and_open_files_do_not_grow_with_steps() {
    trains_flat(600);
}

#[test]
#[ignore = "long: some minutes"]
#[expect(clippy::print_stderr, reason = "the figures are the result")]
fn memory_and_open_files_do_not_grow_with_20000_steps() {
    eprintln!("{}", trains_flat(20_000));
}
