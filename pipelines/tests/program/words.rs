//! Messages for mistakes.

use crate::workshop::{Workshop, fail, output, pipeline, succeed};

#[test]
fn an_unknown_key_is_reported_with_its_line_and_a_suggestion() {
    let workshop = Workshop::new();
    let text = crate::workshop::read(workshop.path("job.yaml")).replace("  epochs: 2", "  epoch: 2");
    std::fs::write(workshop.path("typo.yaml"), text).unwrap();
    let errors = fail(&["train", &workshop.at("typo.yaml")], 2);
    assert!(errors.contains("typo.yaml:21:"), "{errors}");
    assert!(errors.contains("unknown key `epoch` in train") && errors.contains("Did you mean `epochs`?"), "{errors}");
}

#[test]
fn an_unknown_override_is_reported_with_a_suggestion() {
    let workshop = Workshop::new();
    let errors = fail(&["train", &workshop.at("job.yaml"), "--set", "train.batchsize=4"], 2);
    assert!(errors.contains("--set train.batchsize=4: "), "{errors}");
    assert!(errors.contains("Did you mean `batch_size`?"), "{errors}");
    let errors = fail(&["train", &workshop.at("job.yaml"), "--set", "train.epochs"], 2);
    assert!(errors.contains("there is no `=`"), "{errors}");
}

#[test]
fn a_wrong_value_is_refused_before_any_work() {
    let workshop = Workshop::new();
    let errors = fail(&["train", &workshop.at("job.yaml"), "--set", "train.epochs=0"], 2);
    assert!(errors.contains("train.epochs is 0"), "{errors}");
    let errors = fail(&["train", &workshop.at("job.yaml"), "--set", "data.size=[64]"], 2);
    assert!(errors.contains("size"), "{errors}");
    assert!(!workshop.path("runs").exists());
}

#[test]
fn missing_data_has_a_hint_where_to_put_it_and_how_to_work_without() {
    let workshop = Workshop::new();
    let errors = fail(&["train", &workshop.at("job.yaml"), "--set", "data.root=/nowhere/coco"], 1);
    assert!(errors.contains("/nowhere/coco/JPEGImages does not exist"), "{errors}");
    assert!(errors.contains("--set data.root=FOLDER") && errors.contains("make demo"), "{errors}");
}

#[test]
fn a_configuration_is_found_by_name_or_a_similar_one_is_suggested() {
    let workshop = Workshop::new();
    std::fs::create_dir(workshop.path("configs")).unwrap();
    std::fs::copy(workshop.path("job.yaml"), workshop.path("configs/small.yaml")).unwrap();
    let in_workshop = |arguments: &[&str]| output(pipeline(arguments).current_dir(workshop.path("")));
    let found = in_workshop(&["train", "small", "--set", "data.root=/nowhere"]);
    assert!(String::from_utf8_lossy(&found.stderr).contains("/nowhere/JPEGImages does not exist"));
    let missed = in_workshop(&["train", "smal.yaml"]);
    assert_eq!(missed.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missed.stderr).contains("Did you mean small.yaml?"));
}

#[test]
fn doctor_prints_versions_on_standard_output() {
    let table = succeed(&["doctor"]);
    assert!(table.contains("libtorch") && table.contains("2.11.0"), "{table}");
    let findings: serde_json::Value = serde_json::from_str(&succeed(&["doctor", "--json"])).unwrap();
    let found = |what: &str| findings.as_array().unwrap().iter().find(|finding| finding["what"] == what).unwrap();
    assert!(found("OpenCV")["found"].is_string());
    assert!(found("ONNX Runtime")["found"].as_str().unwrap().starts_with("1."), "{findings}");
    assert!(found("ONNX Runtime")["found"].as_str().unwrap().contains("libonnxruntime.so"), "{findings}");
    assert!(found("LiteRT")["found"].as_str().unwrap().contains("libLiteRt.so"), "{findings}");
}

#[test]
fn doctor_says_what_to_do_without_onnx_runtime() {
    let found = output(pipeline(&["doctor"]).env("ONNX_RUNTIME", "/nowhere"));
    assert!(found.status.success(), "{found:?}");
    let (table, warnings) = (String::from_utf8_lossy(&found.stdout), String::from_utf8_lossy(&found.stderr));
    assert!(table.contains("ONNX Runtime cannot be used: /nowhere does not exist"), "{table}");
    assert!(warnings.contains("warning: ONNX Runtime: Run tools/setup, or set ONNX_RUNTIME to"), "{warnings}");
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped check says so")]
fn cuda_that_is_not_available_is_refused() {
    if succeed(&["doctor", "--json"]).contains("\"what\": \"CUDA devices\",\n    \"found\": \"0\"") {
        let workshop = Workshop::new();
        let errors = fail(&["train", &workshop.at("job.yaml"), "--device", "cuda"], 1);
        assert!(errors.contains("--device cuda"), "{errors}");
    } else {
        eprintln!("skipped: there is a CUDA device");
    }
    let workshop = Workshop::new();
    assert!(fail(&["train", &workshop.at("job.yaml"), "--device", "tpu"], 2).contains("not a device"));
}

#[test]
fn a_folder_that_is_not_a_run_is_refused() {
    let workshop = Workshop::new();
    assert!(fail(&["eval", &workshop.at("shapes")], 2).contains("is not a run"));
    assert!(fail(&["predict", &workshop.at("shapes"), "x.jpg"], 2).contains("is not a run"));
    assert!(fail(&["train", "--resume", &workshop.at("shapes")], 2).contains("is not a run"));
    assert!(fail(&["eval", &workshop.at("job.yaml")], 2).contains("has no weights"));
}

#[test]
fn help_needs_only_the_small_program_and_work_needs_both() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("pipeline");
    std::fs::copy(env!("CARGO_BIN_EXE_pipeline"), &alone).unwrap();
    let run = |words: &[&str]| output(std::process::Command::new(&alone).args(words));
    for words in [&["--help"][..], &["--version"], &["train", "--help"], &["completions", "bash"], &["man"]] {
        let ended = run(words);
        assert!(ended.status.success() && !ended.stdout.is_empty(), "{words:?}");
    }
    let wrong = run(&["train", "--bogus"]);
    assert_eq!(wrong.status.code(), Some(2));
    let ended = run(&["doctor"]);
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{errors}");
    assert!(errors.contains("cannot start") && errors.contains("belong into one folder"), "{errors}");
    // Both say the same of themselves.
    let worker = output(std::process::Command::new(env!("CARGO_BIN_EXE_pipeline-run")).arg("--help"));
    let text = |ended: std::process::Output| String::from_utf8(ended.stdout).unwrap();
    let help = text(run(&["--help"]));
    assert_eq!(text(worker), help);
    assert!(help.starts_with("Trains, evaluates and runs MobileOne vision models"), "{help}");
}
