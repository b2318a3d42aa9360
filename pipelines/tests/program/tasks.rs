//! Classification and segmentation through the same stages as detection.

use std::process::{Command, Output};

use crate::workshop::{Workshop, fail, json, output, pipeline, read, succeed};
use serde_json::Value;

/// A tiny backbone, the task's own sections, and a short training.
pub fn job(task: &str, sections: &str) -> String {
    format!(
        "task: {task}
seed: 5
backbone:
  spec:
    stem: 8
    stages: [{{ width: 8, blocks: 1 }}, {{ width: 8, blocks: 1 }}, {{ width: 16, blocks: 2 }}, {{ width: 16, blocks: 1 }}]
    branches: 2
{sections}
train:
  epochs: 2
  batch_size: 4
  optimizer: {{ kind: adamw, lr: 1.0e-3, weight_decay_end: 1.0e-4 }}
  ema: 0.9
"
    )
}

/// Pictures that grow, augmented in every way and mixed.
fn classify(workshop: &Workshop) -> String {
    let root = workshop.at("shapes/classify");
    job(
        "classify",
        &format!(
            "head: {{ label_smoothing: 0.1, dropout: 0.1 }}
data:
  root: {root}
  size: 64
  train: {{ format: folder, path: train }}
  val: {{ format: folder, path: val }}
  augment:
    rand_augment: {{}}
    erasing: {{}}
    mixing: {{ mixup: 0.2, cutmix: 1.0 }}
    phases: [{{ from_epoch: 0, size: 48, strength: 0.5 }}, {{ from_epoch: 1, size: 64, strength: 1.0 }}]"
        ),
    )
}

fn segment(workshop: &Workshop) -> String {
    let root = workshop.at("shapes");
    job(
        "segment",
        &format!(
            "head: {{ channels: 16, auxiliary: {{}} }}
data:
  root: {root}
  size: 64
  train: {{ format: voc, split: train, classes: [circle, cross, square, star, triangle] }}
  val: {{ format: voc, split: val, classes: [circle, cross, square, star, triangle] }}
  augment: {{ scale: {{ short_side: [64, 96] }} }}
eval: {{ size: {{ short_side: 64 }}, boundary_tolerance: 0.01 }}"
        ),
    )
}

/// Writes the configuration of a tiny network of that task as `task.yaml`.
pub fn prepare(workshop: &Workshop, task: &str) {
    let text = match task {
        "classify" => classify(workshop),
        "detect" => read(workshop.path("job.yaml")),
        _ => segment(workshop),
    };
    std::fs::write(workshop.path("task.yaml"), text).expect("the configuration is written");
}

/// Trains `task.yaml` into `runs/name`, with overrides, and without measuring latency in the end.
pub fn train(workshop: &Workshop, name: &str, overrides: &[&str]) -> Command {
    let words = ["train", &workshop.at("task.yaml"), "--output", &workshop.at("runs"), "--name", name, "--no-latency"];
    let mut command = pipeline(&words);
    overrides.iter().for_each(|change| {
        command.args(["--set", change]);
    });
    command
}

/// The tasks of [`train_task`].
pub const TASKS: [&str; 3] = ["classify", "detect", "segment"];

/// Trains a tiny network of that task for an epoch; the run's folder.
pub fn train_task(workshop: &Workshop, task: &str) -> String {
    prepare(workshop, task);
    done(output(&mut train(workshop, task, &["train.epochs=1"])));
    workshop.at(&format!("runs/{task}"))
}

fn done(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("standard output is text")
}

/// The headline metric of an evaluation.
pub fn headline(task: &str, report: &Value) -> f64 {
    let value = match task {
        "classify" => &report["top_k"][0]["accuracy"],
        "detect" => &report["stats"]["AP"],
        _ => &report["mean_iou"],
    };
    value.as_f64().unwrap_or_else(|| panic!("{task}: {report}"))
}

/// A report on accuracy without what the network costs.
pub fn accuracy(report: &str) -> Value {
    let mut report = json(report);
    report.as_object_mut().expect("a report is an object").remove("network");
    report
}

/// Trains, evaluates, folds and predicts; the callers check what only their task does.
fn every_stage(workshop: &Workshop, configuration: &str, metric: &str) -> Value {
    std::fs::write(workshop.path("task.yaml"), configuration).unwrap();
    let table = done(output(&mut train(workshop, "one", &[])));
    assert!(table.contains(metric), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    assert_eq!(read(workshop.path("runs/one/metrics.csv")).lines().count(), 3);

    let run = workshop.at("runs/one");
    let report = accuracy(&read(workshop.path("runs/one/report.json")));
    assert_eq!(accuracy(&succeed(&["eval", &run, "--json", "--no-latency"])), report);

    let deploy = workshop.at("deploy.safetensors");
    let folded = json(&succeed(&["reparameterize", &run, "-o", &deploy, "--json"]));
    assert!(folded["comparisons"][0]["relative"].as_f64().unwrap() < 1e-5, "{folded}");
    let words = ["eval", &workshop.at("task.yaml"), "--weights", &deploy, "--json", "--no-latency"];
    let again = accuracy(&succeed(&words));
    assert_eq!(again, report, "the deploy form is evaluated");

    let rows = json(&succeed(&["report", &run, "--json"]));
    assert!(
        rows[0]["value"].is_number() && rows[0]["latency"]["engines"][0][1]["median"].as_f64().unwrap() > 0.0,
        "{rows}"
    );
    assert!(rows[0]["train"]["parameters"].as_i64() > rows[0]["deploy"]["parameters"].as_i64(), "{rows}");
    let table = succeed(&["report", &run]);
    assert!(table.contains("| one ") && table.lines().all(|line| line.chars().count() <= 100), "{table}");

    let image = workshop.training_image().to_string_lossy().into_owned();
    succeed(&["predict", &run, &image, "-o", &workshop.at("drawn"), "--threshold", "0"]);
    let predictions = json(&read(workshop.path("drawn/predictions.json")));
    assert!(std::path::Path::new(predictions[0]["picture"].as_str().unwrap()).is_file());
    assert!(!predictions[0]["predictions"].as_array().unwrap().is_empty());
    predictions
}

#[test]
fn a_classifier_passes_every_stage() {
    let workshop = Workshop::with_folders();
    let predictions = every_stage(&workshop, &classify(&workshop), "top-1 accuracy");
    let score = predictions[0]["predictions"][0]["score"].as_f64().unwrap();
    assert!((0.2..=1.0).contains(&score), "{predictions}");
    let csv = read(workshop.path("runs/one/predictions.csv"));
    assert!(csv.starts_with("image,"), "{csv}");
    assert_eq!(csv.lines().count(), 1 + 15);
    assert!(read(workshop.path("runs/one/ground_truth.csv")).starts_with("image,class\n"));
    let (truth, scores) = (workshop.at("runs/one/ground_truth.csv"), workshop.at("runs/one/predictions.csv"));
    let files = ["score", "--task", "classify", "--annotations", &truth, "--predictions", &scores, "--json"];
    assert_eq!(json(&succeed(&files)), accuracy(&read(workshop.path("runs/one/report.json"))));
    let compared = json(&succeed(&[&files[..], &["--compare", &scores, "--resamples", "50"]].concat()));
    assert_eq!(compared["metrics"][0]["difference"], 0.0);
    let refused = fail(&[&files[..], &["--ignore", "3"]].concat(), 2);
    assert!(refused.contains("--ignore has no meaning"), "{refused}");
}

#[test]
fn a_segmenter_passes_every_stage() {
    let workshop = Workshop::new();
    let predictions = every_stage(&workshop, &segment(&workshop), "mean IoU");
    let mask = predictions[0]["mask"].as_str().unwrap();
    assert!(std::fs::read(mask).unwrap().starts_with(b"\x89PNG"));
    for folder in ["predictions", "ground_truth"] {
        assert_eq!(std::fs::read_dir(workshop.path("runs/one").join(folder)).unwrap().count(), 6);
    }
    let report = json(&read(workshop.path("runs/one/report.json")));
    assert_eq!(report["per_class"].as_array().unwrap().len(), 6);

    std::fs::write(workshop.path("names.txt"), "background\ncircle\ncross\nsquare\nstar\ntriangle\n").unwrap();
    let [truth, masks, names] =
        ["runs/one/ground_truth", "runs/one/predictions", "names.txt"].map(|name| workshop.at(name));
    let files = ["score", "--task", "segment", "--annotations", &truth, "--predictions", &masks, "--json"];
    let scored = json(&succeed(&[&files[..], &["--class-names", &names]].concat()));
    assert_eq!(scored["mean_iou"], report["mean_iou"]);
    assert!(fail(&files, 2).contains("--class-names FILE"));
}

#[test]
fn a_classifier_of_other_classes_is_replaced_with_a_warning() {
    let workshop = Workshop::with_folders();
    std::fs::write(workshop.path("task.yaml"), classify(&workshop)).unwrap();
    done(output(&mut train(&workshop, "five", &["train.epochs=1"])));
    let weights = format!("backbone.weights={}", workshop.at("runs/five/checkpoints/last/weights.safetensors"));
    let same = output(&mut train(&workshop, "same", &["train.epochs=1", &weights]));
    assert!(!String::from_utf8_lossy(&same.stderr).contains("is left out"));
    for split in ["train", "val"] {
        let star = workshop.path("shapes/classify").join(split).join("star");
        std::fs::remove_dir_all(star).unwrap();
    }
    let four = output(&mut train(&workshop, "four", &["train.epochs=1", &weights]));
    let errors = String::from_utf8_lossy(&four.stderr).into_owned();
    assert!(errors.contains("it has 5 classes; a new one is trained instead"), "{errors}");
    done(four);
    // Weights of another backbone are refused.
    let other = "backbone.spec.branches=3";
    let wrong = output(&mut train(&workshop, "other", &["train.epochs=1", &weights, other]));
    assert_eq!(wrong.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&wrong.stderr);
    assert!(errors.contains("missing") && errors.contains("rbr_conv.2"), "{errors}");
}

#[test]
fn a_train_form_is_made_from_deploy_form_weights() {
    let workshop = Workshop::with_folders();
    std::fs::write(workshop.path("task.yaml"), classify(&workshop)).unwrap();
    done(output(&mut train(&workshop, "first", &["train.epochs=1"])));
    let deploy = workshop.at("deploy.safetensors");
    succeed(&["reparameterize", &workshop.at("runs/first"), "-o", &deploy]);
    let weights = format!("backbone.weights={deploy}");
    let made = output(&mut train(&workshop, "made", &["train.epochs=1", &weights, "backbone.init=from_deploy"]));
    assert!(String::from_utf8_lossy(&made.stderr).contains("calibrating"));
    done(made);
    let refused = output(&mut train(&workshop, "refused", &["train.epochs=1", &weights]));
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn missing_pictures_and_masks_have_a_hint_where_to_put_them() {
    let workshop = Workshop::with_folders();
    for (configuration, missing) in
        [(classify(&workshop), "train does not exist"), (segment(&workshop), "JPEGImages does not exist")]
    {
        std::fs::write(workshop.path("task.yaml"), configuration).unwrap();
        let errors = fail(&["train", &workshop.at("task.yaml"), "--set", "data.root=/nowhere"], 1);
        assert!(errors.contains(missing) && errors.contains("make demo"), "{errors}");
    }
}
