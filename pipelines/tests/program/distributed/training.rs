//! What several processes compute is what one computes.

use std::process::Command;

use super::{errors, without_dropout};
use crate::faults::poisoned;
use crate::tasks::{accuracy, prepare, train};
use crate::workshop::{Workshop, output, read, succeed};

/// Sums that are added in another order differ by rounding.
const ROUNDING: f64 = 1e-5;
/// Slow enough that a difference by rounding stays one: a detector's hardest anchors are others after a while. Not adaptive: AdamW
/// would hide gradients of the wrong size.
pub(super) const SLOW: &str = "train.optimizer={ kind: sgd, lr: 1.0e-4, weight_decay: 0.5, weight_decay_end: 0.05 }";

/// Runs the command in so many processes, which must succeed; standard error.
fn in_processes(mut command: Command, count: usize) -> String {
    let output = output(command.args(["--processes", &count.to_string()]));
    let errors = errors(&output);
    assert!(output.status.success(), "{count} processes: {errors}");
    assert!(!errors.contains("warning:"), "{count} processes: {errors}");
    errors
}

/// The losses of every epoch.
fn losses(workshop: &Workshop, run: &str) -> Vec<f64> {
    let text = read(workshop.path(&format!("runs/{run}/metrics.csv")));
    let mut lines = text.lines();
    let column = lines.next().and_then(|header| header.split(',').position(|name| name == "loss")).expect("a loss");
    lines.map(|line| line.split(',').nth(column).and_then(|cell| cell.parse().ok()).expect("a number")).collect()
}

pub(super) fn assert_same_losses(workshop: &Workshop, one: &str, other: &str) {
    assert_close_losses(workshop, one, other, ROUNDING);
}

fn assert_close_losses(workshop: &Workshop, one: &str, other: &str, tolerance: f64) {
    let (one, other) = (losses(workshop, one), losses(workshop, other));
    assert_eq!(one.len(), other.len());
    for (epoch, (one, other)) in one.iter().zip(&other).enumerate() {
        assert!((one - other).abs() <= tolerance * one.abs(), "epoch {epoch}: {one} and {other}");
    }
}

/// 20 steps. That no warning is printed means that the weights of all processes are the same to the last bit.
fn learns_the_same(task: &str, more: &[&str]) {
    let workshop = Workshop::with_folders();
    prepare(&workshop, task);
    // A step an epoch. Mixing pairs within processes, of which there may be 2 and 3.
    let length = ["train.batch_size=12", "train.epochs=20", "train.eval_every=20"];
    let job = [SLOW, "train.clip_grad_norm=1", "train.sync_batch_norm=true"];
    let overrides = [&length[..], &job, without_dropout(task), more].concat();
    for count in 1..=3 {
        in_processes(train(&workshop, &count.to_string(), &overrides), count);
    }
    assert_same_losses(&workshop, "1", "2");
    assert_same_losses(&workshop, "1", "3");
}

#[test]
fn a_classifier_learns_the_same_in_several_processes() {
    learns_the_same("classify", &["backbone.train_forward=folded"]);
}

#[test]
fn a_detector_learns_the_same_in_several_processes() {
    learns_the_same("detect", &["train.reduce.buckets_mb=1"]);
}

#[test]
fn a_segmenter_learns_the_same_in_several_processes() {
    learns_the_same("segment", &["head.class_weights=[0.5, 1, 1, 1, 1, 1]"]);
}

/// To three digits, which bf16 has.
#[test]
fn mixed_precision_learns_alike_in_several_processes() {
    let workshop = Workshop::with_folders();
    prepare(&workshop, "segment");
    let job = ["train.batch_size=12", "train.epochs=10", "train.eval_every=10", "train.sync_batch_norm=true", SLOW];
    let overrides = [&job[..], without_dropout("segment"), &["train.precision=bf16"]].concat();
    for count in 1..=2 {
        in_processes(train(&workshop, &count.to_string(), &overrides), count);
    }
    assert_close_losses(&workshop, "1", "2", 5e-3);
}

/// Without batch norm, whose statistics are those of a piece.
#[test]
fn a_step_in_pieces_is_the_step_of_the_whole_batch() {
    let workshop = Workshop::with_folders();
    prepare(&workshop, "classify");
    let job = ["backbone.form=deploy", "data.augment.mixing={}", "head.class_weights=[1, 2, 3, 4, 5]", SLOW];
    let length = ["train.batch_size=12", "train.epochs=10", "train.eval_every=10", "head.dropout=0"];
    for (count, pieces) in [(1, 1), (1, 5), (2, 3)] {
        let accumulate = format!("train.accumulate={pieces}");
        let overrides = [&length[..], &job, &[&accumulate]].concat();
        in_processes(train(&workshop, &format!("{count}x{pieces}"), &overrides), count);
    }
    assert_same_losses(&workshop, "1x1", "1x5");
    assert_same_losses(&workshop, "1x1", "2x3");
    let too_many =
        train(&workshop, "too-many", &["train.batch_size=4", "train.accumulate=5"]).output().expect("it starts");
    assert_eq!(too_many.status.code(), Some(2), "{}", errors(&too_many));
}

#[test]
fn all_processes_leave_out_the_step_whose_loss_is_not_finite_in_one() {
    for (policy, done) in [("skip", "the batch is left out"), ("rollback", "the weights of step 4 are restored")] {
        let workshop = Workshop::empty();
        poisoned(&workshop);
        let policy = format!("train.not_finite={{ policy: {policy} }}");
        let mut command = train(&workshop, "poisoned", &["train.batch_size=2", "train.sync_batch_norm=true", &policy]);
        let output = output(command.args(["--processes", "2"]));
        let said = errors(&output);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("images/3.jpg") && said.contains(&format!("{done} (2 of at most 10)")), "{said}");
        assert_eq!(said.matches("warning: the loss is not finite at step").count(), 2, "{said}");
        assert!(!said.contains("are not those of rank 0"), "{said}");
    }
}

#[test]
fn with_statistics_of_each_process_the_weights_are_still_the_same_and_it_is_said() {
    let workshop = Workshop::new();
    prepare(&workshop, "detect");
    let overrides =
        ["train.batch_per_process=3", "train.sync_batch_norm=false", "train.reduce.dtype=bf16", "train.precision=bf16"];
    let said = in_processes(train(&workshop, "own", &overrides), 2);
    assert!(
        said.contains(
            "2 processes with 3 images each at a time; batch norm takes the statistics of each process alone"
        ),
        "{said}"
    );
    assert!(read(workshop.path("runs/own/config.yaml")).contains("batch_size: 6"));
}

/// With one image at a time in each process: in batches of other sizes a network rounds otherwise.
#[test]
fn an_evaluation_is_the_same_in_several_processes() {
    let workshop = Workshop::with_folders();
    for task in ["classify", "detect", "segment"] {
        prepare(&workshop, task);
        in_processes(train(&workshop, task, &[]), 1);
        let run = workshop.at(&format!("runs/{task}"));
        let out = |count: usize| workshop.path(&format!("{task}-{count}"));
        for count in 1..=3 {
            let folder = out(count).to_string_lossy().into_owned();
            let own = format!("train.batch_size={count}");
            let words = ["eval", &run, "-o", &folder, "--no-latency", "--set", &own, "--processes", &count.to_string()];
            succeed(&words);
        }
        let files = match task {
            "classify" => vec!["predictions.csv".to_owned(), "ground_truth.csv".to_owned()],
            "detect" => vec!["predictions.json".to_owned(), "ground_truth.json".to_owned()],
            _ => {
                let masks = std::fs::read_dir(out(1).join("predictions")).expect("masks").flatten();
                masks.map(|mask| format!("predictions/{}", mask.file_name().to_string_lossy())).collect()
            }
        };
        for count in 2..=3 {
            let report = |count| accuracy(&read(out(count).join("report.json")));
            assert_eq!(report(1), report(count));
            for file in &files {
                let bytes = |count| std::fs::read(out(count).join(file)).expect("a file of predictions");
                assert!(bytes(count) == bytes(1), "{task}, {count} processes: {file} differs");
            }
        }
    }
}
