//! Files for other programs: written, checked, evaluated and used for prediction.

use crate::tasks::{TASKS, headline, train_task};
use crate::workshop::{Workshop, fail, json, output, pipeline, read, succeed};
use serde_json::Value;
use std::path::Path;

#[test]
fn every_task_is_exported_in_every_format_and_scores_as_before() {
    let workshop = Workshop::with_folders();
    for task in TASKS {
        let run = train_task(&workshop, task);
        let before = json(&succeed(&["eval", &run, "--json", "--no-latency", "-o", &workshop.at("before")]));
        // Core ML packages take images of one size.
        let fixed = ["--set", "eval.size={height: 64, width: 64}"];
        let fixed = if task == "segment" { &fixed[..] } else { &[] };
        let before_fixed = match fixed {
            [] => before.clone(),
            _ => json(&succeed(&[&["eval", &run, "--json", "--no-latency"][..], fixed].concat())),
        };
        for ending in ["pt", "ptl", "onnx", "tflite", "mlpackage"] {
            let inputs = match ending {
                "mlpackage" => {
                    vec![("image", vec!["--precision", "fp32"]), ("normalized", vec!["--raw", "--precision", "fp32"])]
                }
                _ => vec![("nhwc", vec!["--raw"]), ("nchw", vec![]), ("normalized", vec![])],
            };
            for (input, more) in inputs {
                let file = workshop.at(&format!("{task}-{input}.{ending}"));
                let words = ["export", &run, "--input", input, "-o", &file, "--json", "--no-latency"];
                if (ending, input) == ("tflite", "nchw") {
                    assert!(fail(&words, 2).contains("--input nhwc or normalized"));
                    continue;
                }
                let exported = json(&succeed(&[&words[..], &more].concat()));
                assert!(exported["checks"].as_array().is_some_and(|checks| checks.len() == 2), "{exported}");
                assert_eq!(exported["card"]["task"], task);
                assert_eq!(json(&read(format!("{file}.json"))), exported["card"]);
                let (before, more) = if ending == "mlpackage" { (&before_fixed, fixed) } else { (&before, &[][..]) };
                let report = json(&succeed(&[&["eval", &file, &run, "--json", "--no-latency"][..], more].concat()));
                let (found, expected) = (headline(task, &report), headline(task, before));
                assert!((found - expected).abs() < 0.02, "{task} {ending} {input}: {found} is not {expected}");
            }
        }
        let operators = read(workshop.path(&format!("{task}-nhwc.operators.yaml")));
        assert!(operators.contains("- aten::"), "{operators}");
    }
}

#[test]
fn an_onnx_file_runs_without_a_trace_outside_of_its_folder() {
    let workshop = Workshop::with_folders();
    let run = train_task(&workshop, "classify");
    let homes = [("HOME", "home"), ("XDG_CACHE_HOME", "cache"), ("TMPDIR", "tmp")];
    for (_, name) in homes {
        std::fs::create_dir(workshop.path(name)).unwrap();
    }
    let file = workshop.at("x.onnx");
    for words in [vec!["export", &run, "-o", &file, "--format", "onnx"], vec!["bench", &file, "--seconds", "0.1"]] {
        let mut command = pipeline(&words);
        // The program itself turns the telemetry of ONNX Runtime off.
        command.env_remove("ORT_DISABLE_TELEMETRY").envs(homes.map(|(name, place)| (name, workshop.path(place))));
        let ended = output(&mut command);
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        for (_, name) in homes {
            let left: Vec<_> = std::fs::read_dir(workshop.path(name)).unwrap().collect();
            assert!(left.is_empty(), "{words:?}: {left:?}");
        }
    }
}

#[test]
fn an_exported_file_predicts_as_the_run_does() {
    let workshop = Workshop::with_folders();
    let image = workshop.training_image().to_string_lossy().into_owned();
    for task in TASKS {
        let run = train_task(&workshop, task);
        let file = workshop.at(&format!("{task}.pt"));
        succeed(&["export", &run, "-o", &file, "--input", "nhwc", "--no-latency"]);
        let predict = |subject: &str| json(&succeed(&["predict", subject, &image, "--threshold", "0.05"]));
        let (of_run, of_file) = (predict(&run), predict(&file));
        let count = |predictions: &Value| predictions[0]["predictions"].as_array().expect("a list").len();
        assert_eq!(count(&of_run), count(&of_file), "{task}: {of_run} {of_file}");
        assert_eq!(of_run[0]["predictions"][0]["name"], of_file[0]["predictions"][0]["name"], "{task}");
    }
}

#[test]
fn numbers_of_16_bits_make_a_file_half_as_large() {
    let workshop = Workshop::with_folders();
    let run = train_task(&workshop, "classify");
    let export = |file: &str, precision: &str| {
        let file = workshop.at(file);
        let words = ["export", &run, "-o", &file, "--json", "--no-latency", "--precision", precision];
        json(&succeed(&words))["bytes"].as_u64().expect("a size")
    };
    for ending in ["tflite", "mlpackage"] {
        let file = format!("x.{ending}");
        let (whole, half) = (export(&file, "fp32"), export(&file, "fp16"));
        assert!(half < whole, "{ending}: {half} {whole}");
    }
    let text = fail(&["export", &run, "-o", &workshop.at("x.onnx"), "--precision", "fp16"], 2);
    assert!(text.contains("--precision fp16 is for LiteRT and Core ML files"), "{text}");
}

#[test]
fn a_core_ml_package_is_computed_here_but_not_measured() {
    let workshop = Workshop::with_folders();
    let run = train_task(&workshop, "segment");
    let file = workshop.at("x.mlpackage");
    let words = ["export", &run, "-o", &file, "--sizes", "96,64x128", "--json"];
    let exported = json(&succeed(&words));
    assert!(exported["latency_ms"].is_null(), "{exported}");
    assert_eq!(exported["card"]["input"]["sizes"], serde_json::json!([[96, 96], [64, 128]]));
    for words in
        [vec!["bench", &file, "--json"], vec!["eval", &file, &run, "--set", "eval.size={height: 64, width: 128}"]]
    {
        let ended = output(&mut pipeline(&words));
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && errors.contains("Core ML is on Apple's systems alone"), "{errors}");
    }
    let text = fail(&["eval", &file, &run, "--set", "eval.size={height: 72, width: 64}"], 2);
    assert!(text.contains("images of 64x64, 96x96, 64x128 only") && text.contains("72x64"), "{text}");
    // The package's own configuration has the size that it takes.
    let report = succeed(&["eval", &file, "--set", &format!("data.root={}", workshop.at("shapes"))]);
    assert!(report.contains("mean IoU"), "{report}");
    let text = fail(&["export", &run, "-o", &workshop.at("x.onnx"), "--sizes", "96"], 2);
    assert!(text.contains("--sizes is for Core ML files"), "{text}");
    let text = fail(&["export", &run, "-o", &workshop.at("y.mlpackage"), "--input", "nhwc"], 2);
    assert!(text.contains("--input image or normalized"), "{text}");
    // A folder that is no package is not replaced.
    std::fs::create_dir(workshop.path("y.mlpackage")).unwrap();
    std::fs::write(workshop.path("y.mlpackage/precious"), "").unwrap();
    let text = fail(&["export", &run, "-o", &workshop.at("y.mlpackage")], 1);
    assert!(text.contains("y.mlpackage") && workshop.path("y.mlpackage/precious").exists(), "{text}");
}

#[test]
fn a_refused_export_leaves_no_file() {
    let workshop = Workshop::with_folders();
    let run = train_task(&workshop, "classify");
    std::fs::create_dir(workshop.path("out")).unwrap();
    let file = workshop.at("out/x.pt");
    let errors = fail(&["export", &run, "-o", &file, "--tolerance=-1"], 1);
    assert!(errors.contains("differs from the network by") && errors.contains("hint:"), "{errors}");
    assert_eq!(std::fs::read_dir(workshop.path("out")).unwrap().count(), 0);

    let errors = fail(&["export", &run, "-o", &workshop.at("out/x.bin")], 2);
    assert!(errors.contains("the ending does not name a format") && errors.contains(".tflite"), "{errors}");
    let errors = fail(&["export", &workshop.at("task.yaml"), "-o", &file], 2);
    assert!(errors.contains("has no weights"), "{errors}");
}

#[test]
fn errors_name_the_damaged_file() {
    let workshop = Workshop::with_folders();
    let run = train_task(&workshop, "classify");
    let file = workshop.at("x.pt");
    succeed(&["export", &run, "-o", &file]);
    let bytes = std::fs::read(&file).unwrap();
    for ending in ["ptl", "onnx"] {
        let cut = workshop.at(&format!("cut.{ending}"));
        std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
        let errors = fail(&["eval", &cut], 1);
        assert!(errors.contains(&format!("cut.{ending}")), "{errors}");
    }
    let other = fail(&["eval", &file, &workshop.at("job.yaml")], 2);
    assert!(other.contains("another task"), "{other}");
    let other = fail(&["eval", &file, &run, "--set", "data.size=96"], 2);
    assert!(other.contains("takes 64x64 only"), "{other}");
}

#[test]
fn a_segmenter_that_averages_views_is_exported_without_them() {
    let workshop = Workshop::with_folders();
    let run = train_task(&workshop, "segment");
    let views = ["--set", "eval.flip=true", "--set", "eval.scales=[0.75, 1.0]"];
    for (format, ending) in [("torchscript", "pt"), ("lite", "ptl"), ("onnx", "onnx")] {
        let file = workshop.at(&format!("views.{ending}"));
        let words = ["export", &run, "--format", format, "--raw", "-o", &file, "--json", "--no-latency"];
        let exported = json(&succeed(&[&words[..], &views].concat()));
        assert_eq!(exported["checks"].as_array().map(Vec::len), Some(2), "{exported}");
        let alone = json(&succeed(&["eval", &file, &run, "--json", "--no-latency"]));
        let averaged = json(&succeed(&[&["eval", &file, &run, "--json", "--no-latency"][..], &views].concat()));
        assert_eq!(averaged, alone, "{format}: a file has one view");
    }
    let words = ["bench", &run, "--seconds", "0.05", "--engines", "deploy,script,onednn,lite", "--json"];
    let report = json(&succeed(&[&words[..], &views].concat()));
    assert_eq!(report["rows"].as_array().map(Vec::len), Some(4), "{report}");
}

/// Removes the last class from the card inside an ONNX file.
fn remove_last_class(file: &str) {
    let mut bytes = std::fs::read(file).expect("a file");
    let find = |bytes: &[u8], text: &str| bytes.windows(text.len()).position(|window| window == text.as_bytes());
    let start = find(&bytes, "\"classes\": [").expect("the classes");
    let end = start + find(&bytes[start..], "\n  ]").expect("their end");
    let last = bytes[start..end].iter().rposition(|byte| *byte == b',').expect("a comma within the last class");
    let last = start + bytes[start..start + last].iter().rposition(|byte| *byte == b',').expect("one before it");
    bytes[last..end].fill(b' ');
    std::fs::write(file, bytes).expect("written");
}

#[test]
fn a_file_whose_outputs_name_other_classes_than_its_card_is_an_error() {
    let workshop = Workshop::with_folders();
    let image = workshop.training_image().to_string_lossy().into_owned();
    let kinds = [("classify", &[][..]), ("detect", &[]), ("detect", &["--raw"]), ("segment", &["--raw"])];
    for (index, (task, raw)) in kinds.into_iter().enumerate() {
        let run = if index == 2 { workshop.at("runs/detect") } else { train_task(&workshop, task) };
        let file = workshop.at(&format!("{task}-{index}.onnx"));
        let words = ["export", &run, "--format", "onnx", "-o", &file, "--no-latency"];
        succeed(&[&words[..], raw].concat());
        succeed(&["predict", &file, &image, "--threshold", "0"]);
        remove_last_class(&file);
        let errors = fail(&["predict", &file, &image, "--threshold", "0"], 1);
        let named = format!("{file}: ");
        assert!(errors.contains(&named) && errors.contains("1 of 1 inputs could not be predicted"), "{errors}");
        let reason = if index == 1 { "names class 5, but the classes are 1 to 4" } else { "expected" };
        assert!(errors.contains(reason), "{task} {raw:?}: {errors}");
    }
}

#[test]
fn lists_folders_and_unreadable_files_are_predicted_on() {
    use std::io::Write;
    use std::process::Stdio;
    let workshop = Workshop::with_folders();
    let run = train_task(&workshop, "detect");
    let image = workshop.training_image();
    std::fs::write(workshop.path("shapes/JPEGImages/broken.jpg"), b"no picture").unwrap();
    let folder = workshop.at("shapes/JPEGImages");
    let pattern = format!("{folder}/broke*.jpg");

    let result = output(&mut pipeline(&["predict", &run, &folder, "--format", "csv", "-o", &workshop.at("csv")]));
    assert_eq!(result.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&result.stderr);
    assert!(errors.contains("broken.jpg") && errors.contains("1 of 19 inputs could not be predicted"), "{errors}");
    let csv = read(workshop.path("csv/predictions.csv"));
    assert!(csv.starts_with("file,frame,id,name,score,x,y,width,height\n"), "{csv}");
    let pictures = std::fs::read_dir(workshop.path("csv")).unwrap().count();
    assert_eq!(pictures, 18 + 1, "a picture for each image, and the predictions");
    assert!(fail(&["predict", &run, &pattern], 1).contains("1 of 1 inputs"));

    let mut command = pipeline(&["predict", &run, "-", "--format", "coco", "--threshold", "0"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{}\n\n", image.display()).unwrap();
    let result = child.wait_with_output().unwrap();
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
    let results = json(&String::from_utf8(result.stdout).unwrap());
    let id: u64 = image.file_stem().and_then(|stem| stem.to_str()).unwrap().parse().unwrap();
    assert!(results.as_array().is_some_and(|results| results.iter().all(|row| row["image_id"] == id)), "{id}");
    assert_eq!(results[0]["bbox"].as_array().map(Vec::len), Some(4));
}

#[test]
fn latency_is_measured_by_every_engine_and_for_exported_files() {
    let workshop = Workshop::with_folders();
    let run = train_task(&workshop, "segment");
    let folder = workshop.at("bench");
    let words = ["bench", &run, "--seconds", "0.05", "--profile", "--json", "-o", &folder];
    let report = json(&succeed(&words));
    let engines: Vec<&str> =
        report["rows"].as_array().unwrap().iter().map(|row| row["engine"].as_str().unwrap()).collect();
    assert_eq!(engines, ["train", "deploy", "script", "onednn", "onednn-bf16", "lite"]);
    for row in report["rows"].as_array().unwrap() {
        let latency = |name: &str| row["latency_ms"][name].as_f64().unwrap();
        assert!(latency("minimum") <= latency("p5") && latency("p5") <= latency("median"), "{row}");
        assert!(latency("median") <= latency("p95") && latency("minimum") > 0.0, "{row}");
    }
    assert_eq!(report["machine"]["threads"], 1);
    let profile = &report["profiles"][0];
    let ms = |value: &Value| value["ms"].as_f64().unwrap();
    let layers: f64 = profile["layers"].as_array().unwrap().iter().map(ms).sum();
    let [total, other] = ["total_ms", "other_ms"].map(|name| profile[name].as_f64().unwrap());
    assert!(layers + other > 0.999 * total && profile["layers"][0]["name"] == "backbone.stage0", "{profile}");
    let convolved = |layer: &&Value| layer["macs"].as_i64() > Some(0);
    assert!(profile["layers"].as_array().unwrap().iter().filter(convolved).all(|layer| ms(layer) > 0.0), "{profile}");
    assert_eq!(read(Path::new(&folder).join("bench.csv")).lines().count(), 1 + engines.len());

    let shown = succeed(&["bench", "s0", "--size", "64", "--seconds", "0.05", "--engines", "deploy", "--reference"]);
    assert!(shown.contains("As published") && shown.contains("10.55"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 100), "{shown}");

    let file = workshop.at("x.ptl");
    succeed(&["export", &run, "--format", "lite", "-o", &file]);
    let report = json(&succeed(&["bench", &file, "--seconds", "0.05", "--json"]));
    assert_eq!((&report["rows"][0]["model"], &report["rows"][0]["engine"]), (&"x".into(), &"file".into()));

    assert!(fail(&["bench", "s9"], 2).contains("s9"));
    assert!(fail(&["bench", "s0", "--pin", "9999"], 2).contains("9999"));
    assert!(fail(&["bench"], 2).contains("required"));
}

#[test]
fn an_evaluation_ends_with_latency_and_adds_to_results() {
    let workshop = Workshop::with_folders();
    let run = train_task(&workshop, "classify");
    let results = workshop.at("results");
    let shown = succeed(&["eval", &run, "--results", &results]);
    assert!(shown.contains("One image at a time") && shown.contains("onednn"), "{shown}");
    succeed(&["eval", &run, "--results", &results, "--no-latency"]);
    let lines: Vec<String> = read(Path::new(&results).join("results.csv")).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[1].starts_with("classify,classify,top1,"), "{lines:?}");

    let folder = workshop.at("report");
    let csv = succeed(&["report", &run, "--csv", "-o", &folder]);
    assert_eq!(csv.lines().next(), Some(lines[0].as_str()));
    assert!(read(Path::new(&folder).join("accuracy_latency.svg")).contains("<svg "));
    assert!(read(Path::new(&folder).join("report.md")).contains("| classify"));
    std::fs::write(Path::new(&results).join("results.csv"), "other,columns\n").unwrap();
    assert!(fail(&["eval", &run, "--results", &results, "--no-latency"], 1).contains("other columns"));
}

/// `docs/deploy/run.cpp`, built against the libtorch that this program runs with.
fn cpp_program(folder: &Path) -> std::path::PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let libtorch = std::env::var_os("LIBTORCH").map_or_else(|| root.join(".libtorch"), Into::into);
    let (include, lib, program) = (libtorch.join("include"), libtorch.join("lib"), folder.join("run"));
    let built = std::process::Command::new("c++")
        .args(["-std=c++17", "-O0"])
        .arg(root.join("docs/deploy/run.cpp"))
        .arg(format!("-I{}", include.display()))
        .arg(format!("-I{}", include.join("torch/csrc/api/include").display()))
        .arg(format!("-L{}", lib.display()))
        .arg(format!("-Wl,-rpath,{}", lib.display()))
        .args(["-ltorch_cpu", "-lc10", "-o"])
        .arg(&program)
        .output()
        .expect("a C++ compiler is there");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    program
}

#[test]
fn a_cpp_program_runs_every_exported_file() {
    let workshop = Workshop::with_folders();
    let program = cpp_program(&workshop.path(""));
    let pixels: Vec<u8> = (0..64 * 64 * 3).map(|index: u32| (index * 7 % 251) as u8).collect();
    std::fs::write(workshop.path("image.rgb"), pixels).unwrap();
    for task in TASKS {
        let run = train_task(&workshop, task);
        let shown = ["torchscript:pt", "lite:ptl"].map(|kind| {
            let (format, ending) = kind.split_once(':').unwrap();
            let file = workshop.at(&format!("{task}.{ending}"));
            succeed(&["export", &run, "--format", format, "--input", "nhwc", "-o", &file, "--no-latency"]);
            let result = std::process::Command::new(&program)
                .args([&file, &workshop.at("image.rgb"), "64", "64"])
                .env("OMP_NUM_THREADS", "1")
                .output()
                .unwrap();
            let errors = String::from_utf8_lossy(&result.stderr).into_owned();
            assert!(result.status.success(), "{task} {format}: {errors}");
            assert!(errors.contains("\"classes\""), "{errors}");
            String::from_utf8(result.stdout).unwrap()
        });
        let shape =
            |text: &str| text.lines().map(|line| line.split(']').next().unwrap().to_owned()).collect::<Vec<_>>();
        let outputs = if task == "detect" { 4 } else { 1 };
        assert_eq!(shape(&shown[0]).len(), outputs, "{}", shown[0]);
        assert_eq!(shape(&shown[0]), shape(&shown[1]), "{shown:?}");
    }
}
