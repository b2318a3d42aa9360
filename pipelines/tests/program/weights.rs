//! `info`, `reparameterize` and `convert` on weights of every source.

use std::path::PathBuf;

use crate::tasks::accuracy;
use crate::workshop::{Workshop, fail, output, succeed};
use serde_json::Value;

fn golden(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../backbone/tests/golden", name].iter().collect();
    path.to_string_lossy().into_owned()
}

/// A classifier of five classes in train form with timm's names.
fn timm() -> String {
    golden("mobileone_small_timm.safetensors")
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&succeed(arguments)).expect("the output is JSON")
}

#[test]
fn info_counts_the_published_variants() {
    // Parameters in train and deploy form, and multiply-adds of the deploy form at 224x224 in millions.
    for (variant, train, deploy, macs) in [
        ("s0", 5_293_272, 2_078_504, 275.11),
        ("S1", 4_825_192, 4_764_840, 825.06),
        ("s2", 7_884_648, 7_808_168, 1298.43),
        ("s3", 10_170_600, 10_078_312, 1895.79),
        ("s4", 14_951_248, 14_838_352, 2979.27),
    ] {
        let info = json(&["info", variant, "--json"]);
        assert_eq!(info["train"]["parameters"], train, "{variant}");
        assert_eq!(info["deploy"]["parameters"], deploy, "{variant}");
        let counted = info["deploy"]["macs"].as_f64().unwrap() / 1e6;
        assert!((counted / macs - 1.0).abs() < 1e-3, "{variant}: {counted}");
    }
    let table = succeed(&["info", "s4"]);
    assert!(table.contains("stage3.10.se"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
}

#[test]
fn weights_go_from_timm_to_ours_to_apple_and_back_bit_for_bit() {
    let workshop = Workshop::empty();
    let at = |name: &str| workshop.at(name);
    let convert = |from: &str, to: &str, layout: &str| succeed(&["convert", from, "-o", to, "--layout", layout]);
    convert(&timm(), &at("ours.safetensors"), "own");
    convert(&at("ours.safetensors"), &at("apple.safetensors"), "apple");
    convert(&at("apple.safetensors"), &at("ours-2.safetensors"), "own");
    convert(&at("ours-2.safetensors"), &at("timm.safetensors"), "timm");
    convert(&at("timm.safetensors"), &at("ours-3.safetensors"), "own");
    let bytes = |name: &str| std::fs::read(workshop.path(name)).unwrap();
    assert_eq!(bytes("ours.safetensors"), bytes("ours-2.safetensors"));
    assert_eq!(bytes("ours.safetensors"), bytes("ours-3.safetensors"));
    assert!(succeed(&["info", &at("timm.safetensors")]).contains("names timm's"));
    assert!(succeed(&["info", &at("apple.safetensors")]).contains("train form, names Apple's"));
}

#[test]
fn bare_weights_are_folded_compared_and_written() {
    let workshop = Workshop::empty();
    let deploy = workshop.at("deploy.safetensors");
    let report = json(&["reparameterize", &timm(), "-o", &deploy, "--layout", "apple", "--size", "64", "--json"]);
    let comparisons = report["comparisons"].as_array().unwrap();
    assert_eq!(comparisons.len(), 4);
    assert!(comparisons.iter().all(|found| found["relative"].as_f64().unwrap() < 1e-5), "{report}");
    assert!(report["train"]["parameters"].as_i64() > report["deploy"]["parameters"].as_i64());
    assert!(report["train"]["macs"].as_i64() > report["deploy"]["macs"].as_i64());
    let stem = &report["blocks"][0];
    assert_eq!(stem["name"], "stage0");
    let shares: f64 = stem["branches"].as_array().unwrap().iter().map(|branch| branch["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{stem}");

    let info = succeed(&["info", &deploy]);
    assert!(info.contains("deploy form, names Apple's"), "{info}");
    let again = fail(&["reparameterize", &deploy, "-o", &workshop.at("twice.safetensors")], 1);
    assert!(again.contains("re-parameterised already") && again.contains("hint:"), "{again}");
    assert!(!workshop.path("twice.safetensors").exists());
}

#[test]
fn forms_that_differ_are_not_written() {
    let workshop = Workshop::empty();
    let out = workshop.at("deploy.safetensors");
    let errors = fail(&["reparameterize", &timm(), "-o", &out, "--size", "64", "--tolerance", "0"], 1);
    assert!(errors.contains("nothing is written") && errors.contains("hint:"), "{errors}");
    assert!(!workshop.path("deploy.safetensors").exists());
}

#[test]
fn a_run_is_folded_to_weights_that_evaluate_the_same() {
    let workshop = Workshop::new();
    assert!(output(&mut workshop.train("one", &["train.epochs=1"])).status.success());
    let (run, deploy) = (workshop.at("runs/one"), workshop.at("deploy.safetensors"));
    let image = workshop.training_image().to_string_lossy().into_owned();
    let report = json(&["reparameterize", &run, "-o", &deploy, "--images", &image, "--json"]);
    let compared: Vec<_> = report["comparisons"].as_array().unwrap().iter().map(|found| &found["on"]).collect();
    assert_eq!(compared, ["random inputs", "random inputs", "images", "images"]);

    let eval = |words: &[&str]| accuracy(&succeed(&[&["eval", "--json", "--no-latency"], words].concat()));
    let trained = eval(&[&run]);
    let folded = eval(&[&workshop.at("job.yaml"), "--weights", &deploy]);
    assert_eq!(trained, folded);

    // The file holds its own metadata.
    let info = json(&["info", &deploy, "--json"]);
    assert!(info["title"].as_str().unwrap().contains("deploy form"), "{info}");
    assert_eq!(info["deploy"]["parameters"], report["deploy"]["parameters"]);
    let refused = fail(&["convert", &deploy, "-o", &workshop.at("x.safetensors"), "--layout", "timm"], 2);
    assert!(refused.contains("--layout own"), "{refused}");
    assert!(!workshop.path("x.safetensors").exists());
}

#[test]
fn files_without_a_network_are_named() {
    let workshop = Workshop::empty();
    let part = fail(&["info", &golden("pickle_legacy.pth.tar")], 1);
    assert!(part.contains("pickle_legacy.pth.tar") && part.contains("no MobileOne"), "{part}");
    std::fs::write(workshop.path("cut.pth"), b"PK\x03\x04").unwrap();
    let cut = fail(&["info", &workshop.at("cut.pth")], 1);
    assert!(cut.contains("cut.pth") && !cut.contains("panicked"), "{cut}");
    let absent = fail(&["reparameterize", &workshop.at("none.safetensors"), "-o", &workshop.at("x")], 1);
    assert!(absent.contains("none.safetensors"), "{absent}");
}

#[test]
fn every_configuration_of_the_repository_describes_a_network() {
    let configs: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../configs"].iter().collect();
    let mut folders = vec![configs];
    let mut configurations = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|ending| ending != "yaml") {
                continue;
            }
            let info = json(&["info", &path.to_string_lossy(), "--classes", "21", "--json"]);
            let parameters = |form: &str| info[form]["parameters"].as_i64().unwrap();
            assert!(parameters("train") >= parameters("deploy") && parameters("deploy") > 0, "{}", path.display());
            configurations += 1;
        }
    }
    assert!(configurations > 20, "{configurations} configurations");
}
