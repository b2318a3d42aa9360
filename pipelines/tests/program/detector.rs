//! A detector through the whole program: data, training, resuming, evaluation and prediction.

use crate::tasks::accuracy;
use crate::workshop::{Workshop, fail, output, pipeline, read, succeed};
use serde_json::Value;

/// The columns of a `metrics.csv` that say what was computed, not how fast.
fn computed(csv: &str) -> Vec<String> {
    csv.lines()
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            [&cells[..2], &cells[4..]].concat().join(",")
        })
        .collect()
}

#[test]
fn training_leaves_a_run_that_evaluates_and_predicts() {
    let workshop = Workshop::new();
    let trained = output(&mut workshop.train("one", &[]));
    let errors = String::from_utf8_lossy(&trained.stderr);
    assert!(trained.status.success(), "{errors}");
    assert!(errors.contains("epoch 2/2"), "{errors}");
    let table = String::from_utf8_lossy(&trained.stdout);
    assert!(table.contains("IoU=0.50:0.95"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");

    let run = workshop.path("runs/one");
    for file in [
        "config.yaml",
        "environment.json",
        "metrics.csv",
        "report.json",
        "report.md",
        "predictions.json",
        "checkpoints/last/weights.safetensors",
        "checkpoints/last/ema.safetensors",
        "checkpoints/last/optimizer.safetensors",
        "checkpoints/best/weights.safetensors",
    ] {
        assert!(run.join(file).is_file(), "{file} is missing");
    }
    assert_eq!(read(run.join("metrics.csv")).lines().count(), 3);
    let events =
        std::fs::read_dir(&run).unwrap().flatten().any(|file| file.file_name().to_string_lossy().contains("events"));
    assert!(events, "no TensorBoard events");

    let again = accuracy(&succeed(&["eval", &workshop.at("runs/one"), "--json", "--no-latency"]));
    let first = accuracy(&read(run.join("report.json")));
    assert_eq!(again, first);
    let weights = workshop.at("runs/one/checkpoints/best/ema.safetensors");
    let words = ["eval", &workshop.at("job.yaml"), "--weights", &weights, "--json", "--no-latency"];
    assert_eq!(accuracy(&succeed(&words)), first);

    let (truth, found) = (workshop.at("runs/one/ground_truth.json"), workshop.at("runs/one/predictions.json"));
    let scored = ["score", "--task", "detect", "--annotations", &truth, "--predictions", &found, "--json"];
    let scored: Value = serde_json::from_str(&succeed(&scored)).unwrap();
    assert_eq!(scored, first);

    let image = workshop.training_image();
    let image = image.to_string_lossy();
    succeed(&["predict", &workshop.at("runs/one"), &image, "-o", &workshop.at("drawn"), "--threshold", "0"]);
    let predictions: Value = serde_json::from_str(&read(workshop.path("drawn/predictions.json"))).unwrap();
    let detections = predictions[0]["seen"].as_array().unwrap();
    assert!(!detections.is_empty());
    assert!(detections.iter().all(|found| ["x", "y", "width", "height"].iter().all(|name| found[*name].is_number())));
    assert!(std::path::Path::new(predictions[0]["picture"].as_str().unwrap()).is_file());
}

#[test]
fn the_same_seed_gives_the_same_run_whatever_the_number_of_workers() {
    let workshop = Workshop::new();
    assert!(output(&mut workshop.train("none", &["data.workers=0"])).status.success());
    assert!(output(&mut workshop.train("three", &["data.workers=3"])).status.success());
    let metrics = |name: &str| computed(&read(workshop.path(&format!("runs/{name}/metrics.csv"))));
    assert_eq!(metrics("none"), metrics("three"));
    let weights = |name: &str| {
        std::fs::read(workshop.path(&format!("runs/{name}/checkpoints/last/weights.safetensors"))).unwrap()
    };
    assert!(weights("none") == weights("three"));
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_end() {
    let workshop = Workshop::new();
    let epochs = ["train.epochs=40"];
    assert!(output(&mut workshop.train("whole", &epochs)).status.success());

    let mut child = workshop.train("halves", &epochs).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let started = std::time::Instant::now();
    while !workshop.path("runs/halves/metrics.csv").is_file() {
        assert!(started.elapsed().as_secs() < 120, "the run does not start");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let interrupt = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "the run ended before it could be interrupted");

    let resumed = output(&mut pipeline(&["train", "--resume", &workshop.at("runs/halves"), "--no-latency"]));
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    let weights =
        |name: &str| std::fs::read(workshop.path(&format!("runs/{name}/checkpoints/last/ema.safetensors"))).unwrap();
    assert!(weights("whole") == weights("halves"), "the weights differ");
}

#[test]
fn voc_data_trains_from_another_configuration_alone() {
    let workshop = Workshop::new();
    let voc = |split: &str| format!("{{ format: voc, split: {split} }}");
    let overrides = [
        format!("data.root={}", workshop.at("shapes")),
        format!("data.train={}", voc("train")),
        format!("data.val={}", voc("val")),
    ];
    let overrides: Vec<&str> = overrides.iter().map(String::as_str).collect();
    let trained = output(&mut workshop.train("voc", &overrides));
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
}

#[test]
fn a_corrupt_image_stops_the_run_or_is_skipped_and_counted() {
    let workshop = Workshop::new();
    let image = workshop.training_image();
    std::fs::write(&image, b"not a picture").unwrap();
    let stopped = output(&mut workshop.train("stop", &[]));
    assert_eq!(stopped.status.code(), Some(1));
    let name = image.file_name().unwrap().to_string_lossy();
    assert!(String::from_utf8_lossy(&stopped.stderr).contains(name.as_ref()));

    let skipped = output(&mut workshop.train("skip", &["data.on_error=skip"]));
    let errors = String::from_utf8_lossy(&skipped.stderr);
    assert!(skipped.status.success(), "{errors}");
    assert!(errors.contains("skipped") && errors.contains(name.as_ref()), "{errors}");
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_with_step_and_files() {
    let workshop = Workshop::new();
    let diverged = output(&mut workshop.train("nan", &["train.optimizer={kind: sgd, lr: 1.0e+30}"]));
    let errors = String::from_utf8_lossy(&diverged.stderr);
    assert_eq!(diverged.status.code(), Some(1), "{errors}");
    assert!(errors.contains("the loss is not finite at step") && errors.contains(".jpg"), "{errors}");
    assert!(errors.contains("hint: Lower train.optimizer.lr"), "{errors}");
}

#[test]
fn deploy_form_weights_start_a_deploy_form_backbone() {
    let workshop = Workshop::new();
    assert!(output(&mut workshop.train("first", &["train.epochs=1"])).status.success());
    let errors = fail(
        &[
            "train",
            &workshop.at("job.yaml"),
            "--output",
            &workshop.at("runs"),
            "--set",
            "backbone.form=deploy",
            "--set",
            &format!("backbone.weights={}", workshop.at("runs/first/checkpoints/last/weights.safetensors")),
        ],
        2,
    );
    assert!(errors.contains("holds a train form"), "{errors}");
    assert!(output(&mut workshop.train("deploy", &["backbone.form=deploy"])).status.success());
}
