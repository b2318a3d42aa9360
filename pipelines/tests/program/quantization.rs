//! Networks in int8: exported in every format, and refused with a reason where they cannot be.

use crate::tasks::{TASKS, headline, train_task};
use crate::workshop::{Workshop, fail, json, output, pipeline, read, succeed};

#[test]
fn every_task_is_exported_in_int8_in_every_format() {
    let workshop = Workshop::with_folders();
    for task in TASKS {
        let run = train_task(&workshop, task);
        for (format, ending, input) in
            [("onnx", "onnx", "nhwc"), ("torchscript", "pt", "normalized"), ("lite", "ptl", "nchw")]
        {
            let file = workshop.at(&format!("{task}.{ending}"));
            let words = ["export", &run, "--int8", "--format", format, "--input", input, "-o", &file, "--json"];
            let exported = json(&succeed(&[&words[..], &["--max-drop", "1", "--no-latency"]].concat()));
            assert_eq!(exported["card"]["int8"], true);
            let quantization = &exported["quantization"];
            assert_eq!(json(&read(format!("{file}.quantization.json"))), *quantization);
            let layers = quantization["layers"].as_array().expect("there are layers");
            assert!(layers.iter().any(|layer| layer["int8"] == true), "{task} {format}: {layers:?}");
            let metric = &quantization["accuracy"]["comparison"]["metrics"][0];
            let report = json(&succeed(&["eval", &file, &run, "--json", "--no-latency"]));
            let (found, expected) = (headline(task, &report), metric["b"].as_f64().expect("a metric"));
            assert!((found - expected).abs() < 0.05, "{task} {format}: {found} is not {expected}");
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
