//! A detector through the program: data, training, evaluation and prediction.

use crate::tasks::accuracy;
use crate::workshop::{Workshop, fail, output, read, succeed};
use serde_json::Value;

#[test]
fn a_run_is_evaluated_and_predicts() {
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
    let detections = predictions[0]["predictions"].as_array().unwrap();
    assert!(!detections.is_empty());
    assert!(detections.iter().all(|found| ["x", "y", "width", "height"].iter().all(|name| found[*name].is_number())));
    assert!(std::path::Path::new(predictions[0]["picture"].as_str().unwrap()).is_file());
}

#[test]
fn voc_data_needs_another_configuration_only() {
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
    let bytes = std::fs::read(&image).unwrap();
    std::fs::write(&image, &bytes[..bytes.len() / 2]).unwrap();
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
    assert!(errors.contains("holds weights in train form"), "{errors}");
    assert!(output(&mut workshop.train("deploy", &["backbone.form=deploy"])).status.success());
}
