//! Networks in int8: exported in every format, and refused with a reason where they cannot be.

use crate::resume::checkpoints;
use crate::tasks::{TASKS, headline, prepare, train, train_task};
use crate::workshop::{Workshop, fail, json, output, pipeline, read, succeed};
use std::path::Path;

#[test]
fn every_task_is_exported_in_int8_in_every_format() {
    let workshop = Workshop::with_folders();
    for task in TASKS {
        let run = train_task(&workshop, task);
        let folder = workshop.at(&format!("{task}-files"));
        let words = ["export", &run, "--int8", "--all", "--input", "nchw", "-o", &folder, "--json", "--no-latency"];
        let exported = json(&succeed(&[&words[..], &["--max-drop", "1"]].concat()));
        let exported = exported.as_array().expect("a list");
        assert_eq!(exported.len(), 5);
        let quantization = &exported[4]["quantization"];
        let layers = quantization["layers"].as_array().expect("there are layers");
        assert!(layers.iter().any(|layer| layer["int8"] == true), "{task}: {layers:?}");
        let metric = &quantization["accuracy"]["comparison"]["metrics"][0];
        for written in exported {
            assert_eq!(written["card"]["int8"], true);
            let file = written["file"].as_str().expect("a path");
            let beside = json(&read(format!("{file}.quantization.json")));
            assert_eq!(["images", "accuracy", "layers"].map(|key| beside[key] == quantization[key]), [true; 3]);
            assert_eq!((&beside["bytes"], &beside["latency_ms"]), (&written["bytes"], &written["latency_ms"]));
            // A Core ML package takes images of one size, which is not what a segmenter was measured on.
            let fixed = ["--set", "eval.size={height: 64, width: 64}"];
            let (more, limit) = match task == "segment" && file.ends_with(".mlpackage") {
                true => (&fixed[..], 0.2),
                false => (&[][..], 0.05),
            };
            let report = json(&succeed(&[&["eval", file, &run, "--json", "--no-latency"][..], more].concat()));
            let (found, expected) = (headline(task, &report), metric["b"].as_f64().expect("a metric"));
            assert!((found - expected).abs() < limit, "{file}: {found} is not {expected}");
        }
    }
}

#[test]
fn a_report_alone_shows_every_layer_and_a_folder_calibrates() {
    let workshop = Workshop::new();
    let run = train_task(&workshop, "detect");
    let (folder, images) = (workshop.at("int8"), workshop.at("shapes/JPEGImages"));
    let words = ["quantize", &run, "-o", &folder, "--calibration-data", &images, "--calibration", "18"];
    let shown = succeed(&[&words[..], &["--reconstruct", "1", "--max-drop", "1"]].concat());
    assert!(shown.contains("backbone.stage0.reparam_conv") && shown.contains("agreement"), "{shown}");
    let report = json(&read(format!("{folder}/quantization.json")));
    assert_eq!(report["images"]["count"], 18);
    assert_eq!(report["images"]["sources"][0], images);
    let kept = ["--float-layers", "backbone.stage0.reparam_conv", "--json", "--max-drop", "1"];
    let report = json(&succeed(&[&words[..], &kept].concat()));
    let first = &report["layers"][0];
    assert_eq!((first["name"].as_str(), first["int8"].as_bool()), (Some("backbone.stage0.reparam_conv"), Some(false)));
}

#[test]
fn what_cannot_be_quantised_is_refused_with_the_reason() {
    let workshop = Workshop::new();
    let run = train_task(&workshop, "detect");
    let (folder, file) = (workshop.at("int8"), workshop.at("x.onnx"));
    let refused = |more: &[&str], status| fail(&[&["quantize", &run, "-o", &folder][..], more].concat(), status);

    let empty = workshop.at("empty");
    std::fs::create_dir(&empty).unwrap();
    let text = refused(&["--calibration-data", &empty], 1);
    assert!(text.contains(&empty), "{text}");
    let text = refused(&["--float-layers", "nothing"], 1);
    assert!(text.contains("`nothing`") && text.contains("backbone.stage0.reparam_conv"), "{text}");
    let text = refused(&["--max-drop", "2"], 2);
    assert!(text.contains("a drop from 0 to 1"), "{text}");
    let text = fail(&["export", &run, "-o", &file, "--format", "onnx", "--calibration", "8"], 2);
    assert!(text.contains("--calibration is only valid with --int8"), "{text}");
}

#[test]
fn nothing_is_written_where_the_metric_drops_by_more_than_the_limit() {
    let workshop = Workshop::with_folders();
    // Long enough to be better than chance.
    prepare(&workshop, "classify");
    assert!(output(&mut train(&workshop, "classify", &["train.epochs=12", "train.ema=null"])).status.success());
    let (run, file, folder) = (workshop.at("runs/classify"), workshop.at("x.onnx"), workshop.at("int8"));
    // With one grey image every range is wrong.
    let grey = workshop.at("grey");
    std::fs::create_dir(&grey).unwrap();
    std::fs::write(format!("{grey}/0.ppm"), [&b"P6 64 64 255\n"[..], &[127; 3 * 64 * 64]].concat()).unwrap();
    let words = ["--calibration-data", &grey, "--float-layers", "0", "--max-drop", "0"];
    for command in [["export", &run, "--int8", "-o", &file], ["quantize", &run, "-o", &folder, "--json"]] {
        let text = fail(&[&command[..], &words].concat(), 1);
        assert!(text.contains("drops by") && text.contains("nothing is written"), "{text}");
    }
    assert!(!std::path::Path::new(&file).exists() && !std::path::Path::new(&folder).exists());
}

#[test]
fn calibration_images_of_one_class_are_warned_of() {
    let workshop = Workshop::with_folders();
    let run = train_task(&workshop, "classify");
    let folder = workshop.at("int8");
    let words = ["quantize", &run, "-o", &folder, "--max-drop", "1", "--calibration"];
    let errors = |count| {
        let ended = output(&mut pipeline(&[&words[..], &[count]].concat()));
        assert!(ended.status.success());
        String::from_utf8(ended.stderr).expect("standard error is text")
    };
    assert!(errors("1").contains("all calibration images show one class only"));
    assert!(!errors("12").contains("one class only"));
}

/// Trains a task, and writes a configuration that trains it on in int8, without an average, for three epochs.
fn int8_job(workshop: &Workshop, task: &str, more: &str) -> String {
    let run = train_task(workshop, task);
    let job = workshop.at("int8.yaml");
    let text = format!(
        "extends: {}\ntrain:\n  epochs: 3\n  ema: null\n  optimizer: {{ kind: adamw, lr: 0.02, weight_decay: 0 }}\n  \
         checkpoint: {{ keep: 9 }}\n  quantize: {{ weights: {run}, calibration: 12, {more} }}\n",
        workshop.at("task.yaml")
    );
    std::fs::write(&job, text).unwrap();
    job
}

#[test]
fn a_run_in_int8_goes_on_bit_for_bit_and_is_exported_as_it_is() {
    let workshop = Workshop::with_folders();
    for task in TASKS {
        let job = int8_job(&workshop, task, "teacher: 1, labels: 0.5");
        let name = format!("{task}-int8");
        succeed(&["train", &job, "--output", &workshop.at("runs"), "--name", &name, "--no-latency"]);
        let run = workshop.at(&format!("runs/{name}"));
        assert!(read(format!("{run}/metrics.csv")).lines().next().unwrap().contains("teacher"), "{task}");

        // As if it had been killed after the first epoch.
        let mut steps: Vec<_> =
            checkpoints(Path::new(&run)).into_iter().filter(|name| name.starts_with("step-")).collect();
        let last = steps.pop().expect("a checkpoint");
        let weights = |step: &str| std::fs::read(format!("{run}/checkpoints/{step}/weights.safetensors")).unwrap();
        let (begun, whole) = (weights(&steps[0]), weights(&last));
        assert_ne!(begun, whole, "{task}");
        for later in steps[2..].iter().chain([&last]) {
            std::fs::remove_dir_all(format!("{run}/checkpoints/{later}")).unwrap();
        }
        succeed(&["train", "--resume", &run, "--no-latency"]);
        assert_eq!(weights(&last), whole, "{task}: the resumed run is another one");

        let file = workshop.at(&format!("{task}-int8.onnx"));
        let words = ["export", &run, "--format", "onnx", "-o", &file, "--json", "--no-latency"];
        let exported = json(&succeed(&words));
        assert_eq!(exported["card"]["int8"], true, "{task}");
        assert!(exported["quantization"]["images"].is_null(), "{task}");
        let score =
            |words: &[&str]| headline(task, &json(&succeed(&[&["eval", "--json", "--no-latency"], words].concat())));
        let (of_run, of_file) = (score(&[&run]), score(&[&file, &run]));
        assert!((of_run - of_file).abs() < 0.05, "{task}: {of_run} is not {of_file}");
    }
}

#[test]
fn several_processes_train_one_network_in_int8() {
    let workshop = Workshop::new();
    let job = int8_job(&workshop, "detect", "teacher: 1");
    let words = ["train", &job, "--output", &workshop.at("runs"), "--no-latency", "--set", "train.epochs=1"];
    succeed(&[&words[..], &["--name", "two", "--processes", "2"]].concat());
    succeed(&[&words[..], &["--name", "one"]].concat());
    let losses = |run: &str| {
        let text = read(workshop.at(&format!("runs/{run}/metrics.csv")));
        let [names, values] = [0, 1].map(|row| text.lines().nth(row).unwrap().split(',').collect::<Vec<_>>());
        let place = names.iter().position(|name| *name == "loss").expect("a loss");
        values[place].parse::<f64>().unwrap()
    };
    let pace = json(&succeed(&["bench", "--train", &job, "--seconds", "0.1", "--json"]));
    assert!(pace["rows"][0]["images_per_second"]["steps"].as_f64().unwrap() > 0.0, "{pace}");
    assert!((losses("one") - losses("two")).abs() < 1e-3, "{} {}", losses("one"), losses("two"));
}

#[test]
fn a_run_in_int8_begins_with_a_network_in_floating_point_of_the_same_classes_or_not_at_all() {
    let workshop = Workshop::with_folders();
    let job = int8_job(&workshop, "classify", "teacher: 1");
    let words = ["train", &job, "--output", &workshop.at("runs"), "--name", "int8", "--no-latency", "--set"];
    let refused = |change: &str, status| fail(&[&words[..], &[change]].concat(), status);
    let text = refused("train.precision=bf16", 2);
    assert!(text.contains("train.precision must be fp32 for train.quantize"), "{text}");
    let neither = [&words[..], &["train.quantize.teacher=0", "--set", "train.quantize.labels=0"]].concat();
    let text = fail(&neither, 2);
    assert!(text.contains("train.quantize needs labels or a teacher"), "{text}");
    let text = refused("train.quantize.weights=nothing.safetensors", 1);
    assert!(text.contains("nothing.safetensors"), "{text}");
    let text = refused("train.quantize.float_layers=[nothing]", 1);
    assert!(text.contains("`nothing`"), "{text}");
    succeed(&[&words[..], &["train.epochs=1"]].concat());
    let text = refused(&format!("train.quantize.weights={}", workshop.at("runs/int8")), 2);
    assert!(text.contains("was trained in int8 already"), "{text}");
}
