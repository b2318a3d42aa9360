//! `info`, `reparameterize` and `convert` on weights of every source.

use std::path::PathBuf;

use backbone::StateDict;
use backbone::checkpoint::file;

use crate::tasks::{accuracy, prepare, train};
use crate::workshop::{Workshop, fail, output, pipeline, succeed};
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

/// Writes the tensors of timm's golden file, changed by `change`, below each prefix.
fn below(workshop: &Workshop, name: &str, prefixes: &[&str], change: impl Fn(&str, usize) -> f64) -> String {
    let (tensors, _) = file::read(timm().as_ref()).expect("the golden file");
    let mut all = StateDict::new();
    for (index, prefix) in prefixes.iter().enumerate() {
        all.extend(tensors.iter().map(|(name, tensor)| {
            let factor = if tensor.is_floating_point() { change(name, index) } else { 1.0 };
            let changed = (tensor * factor).to_kind(tensor.kind());
            (format!("{prefix}{name}"), changed)
        }));
    }
    file::write(&workshop.path(name), &all, &file::Text::new()).expect("written");
    workshop.at(name)
}

#[test]
fn of_several_networks_the_one_that_is_read_is_said() {
    let workshop = Workshop::empty();
    let factors = |_: &str, index| [1.0, 0.5][index];
    let training = below(&workshop, "training.safetensors", &["state_dict.", "state_dict_ema."], factors);
    let own = workshop.at("own.safetensors");
    let convert = |words: &[&str]| {
        let converted = output(&mut pipeline(&[&["convert", &training, "-o", &own], words].concat()));
        assert!(converted.status.success());
        let (written, _) = file::read(own.as_ref()).expect("converted");
        (String::from_utf8_lossy(&converted.stderr).into_owned(), written["linear.weight"].copy())
    };
    let (said, average) = convert(&[]);
    assert!(said.contains("holds 2 networks: using `state_dict_ema`, the average of the weights"), "{said}");
    assert!(said.contains("--key takes another: `state_dict`"), "{said}");
    let (said, weights) = convert(&["--key", "state_dict"]);
    assert!(said.contains("using `state_dict`; --key takes another: `state_dict_ema`"), "{said}");
    assert_eq!(weights * 0.5, average);
    assert!(succeed(&["info", &training, "--key", "state_dict"]).contains("below `state_dict.`"));

    let distilled = below(&workshop, "distilled.safetensors", &["student.", "teacher."], factors);
    let refused = fail(&["convert", &distilled, "-o", &own], 1);
    assert!(refused.contains("`student`, `teacher`") && refused.contains("hint: --key NAME"), "{refused}");
    succeed(&["convert", &distilled, "-o", &own, "--key", "teacher"]);
    let refused = fail(&["convert", &distilled, "-o", &own, "--key", "teach"], 1);
    assert!(refused.contains("no network at `teach`"), "{refused}");
    let refused = fail(&["eval", &own, "--key", "model"], 2);
    assert!(refused.contains("only valid with --weights FILE"), "{refused}");
    let refused = fail(&["info", "s0", "--key", "model"], 2);
    assert!(refused.contains("only valid with a file of weights"), "{refused}");
}

#[test]
fn a_configuration_names_one_of_several_networks() {
    let workshop = Workshop::with_folders();
    prepare(&workshop, "classify");
    assert!(output(&mut train(&workshop, "first", &["train.epochs=1"])).status.success());
    let (own, _) = file::read(&workshop.path("runs/first/checkpoints/last/weights.safetensors")).expect("weights");
    let both: StateDict = ["state_dict.", "model_ema."]
        .iter()
        .flat_map(|prefix| own.iter().map(move |(name, tensor)| (format!("{prefix}{name}"), tensor.shallow_clone())))
        .collect();
    file::write(&workshop.path("both.safetensors"), &both, &file::Text::new()).expect("written");
    let weights = format!("backbone.weights={{file: {}, key: state_dict}}", workshop.at("both.safetensors"));
    let trained = output(&mut train(&workshop, "second", &[&weights, "train.epochs=1"]));
    let said = String::from_utf8_lossy(&trained.stderr).into_owned();
    assert!(trained.status.success(), "{said}");
    assert!(said.contains("using `state_dict`;"), "{said}");
    let kept = crate::workshop::read(workshop.path("runs/second/config.yaml"));
    assert!(kept.contains("key: state_dict"), "{kept}");
}

#[test]
fn weights_that_are_not_finite_are_refused_by_name() {
    let workshop = Workshop::with_folders();
    let layer = "stages.0.1.conv_kxk.0.conv.weight";
    let nan = below(&workshop, "nan.safetensors", &[""], |name, _| if name == layer { f64::NAN } else { 1.0 });
    let own = workshop.at("own.safetensors");
    let named = "tensors: stage1.1.rbr_conv.0.conv.weight (";
    let refused = fail(&["convert", &nan, "-o", &own], 1);
    assert!(refused.contains(&nan) && refused.contains(named) && refused.contains("--allow-not-finite"), "{refused}");
    assert!(!workshop.path("own.safetensors").exists());
    let passed = output(&mut pipeline(&["convert", &nan, "-o", &own, "--allow-not-finite"]));
    assert!(passed.status.success());
    assert!(String::from_utf8_lossy(&passed.stderr).contains(named));
    let refused = fail(&["reparameterize", &nan, "-o", &workshop.at("deploy.safetensors"), "--size", "64"], 1);
    assert!(refused.contains(named), "{refused}");
    prepare(&workshop, "classify");
    let refused = output(&mut train(&workshop, "run", &[&format!("backbone.weights={nan}")]));
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains(named));
}

#[test]
fn a_network_for_grey_images_starts_from_weights_for_color() {
    let workshop = Workshop::with_folders();
    prepare(&workshop, "classify");
    let short = ["train.epochs=1", "data.augment={}"];
    assert!(output(&mut train(&workshop, "color", &short)).status.success());
    let weights = format!("backbone.weights={}", workshop.at("runs/color/checkpoints/last/weights.safetensors"));
    let grey = ["backbone.in_channels=1", &weights, short[0], short[1]];
    let trained = output(&mut train(&workshop, "grey", &grey));
    let said = String::from_utf8_lossy(&trained.stderr).into_owned();
    assert!(trained.status.success(), "{said}");
    assert!(said.contains("adapted from 3 to 1 channels"), "{said}");

    let run = workshop.at("runs/grey");
    let score = accuracy(&succeed(&["eval", &run, "--json", "--no-latency"]));
    let parameters =
        |subject: &str| json(&["info", subject, "--json"])["train"]["parameters"].as_i64().expect("a number");
    // The stem has 8 kernels of 3x3 and 8 of 1x1.
    assert_eq!(parameters(&workshop.at("runs/color")) - parameters(&run), 2 * 8 * (9 + 1));
    for (file, input) in [("grey.pt", "nhwc"), ("grey.onnx", "nchw"), ("grey.ptl", "normalized")] {
        let file = workshop.at(file);
        let ending = file.rsplit('.').next().expect("an ending");
        let format = match ending {
            "pt" => "torchscript",
            "ptl" => "lite",
            other => other,
        };
        let exported =
            json(&["export", &run, "-o", &file, "--format", format, "--input", input, "--no-latency", "--json"]);
        assert_eq!(exported["card"]["input"]["normalization"]["mean"].as_array().map(Vec::len), Some(1), "{exported}");
        assert_eq!(
            accuracy(&succeed(&["eval", &file, &run, "--json", "--no-latency"]))["top_k"],
            score["top_k"],
            "{file}"
        );
    }
    let image = workshop.training_image().to_string_lossy().into_owned();
    let predicted = succeed(&["predict", &run, &image, "--threshold", "0"]);
    assert!(predicted.contains("score"), "{predicted}");

    let normalize = "data.normalize={mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}";
    let refused = output(&mut train(&workshop, "three", &[grey[0], normalize]));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("data.normalize is for 3 channels, but the network takes 1"), "{said}");
}
