//! Exported TorchScript files as modules: parameters, kinds, empty batches, and what their cards give away.

use crate::tasks::{TASKS, train_task};
use crate::workshop::{Workshop, fail, output, pipeline, read, succeed};
use serde_json::Value;
use tch::{Device, Kind, Tensor};
use tch_ext::jit::Module;

const SIDE: i64 = 64;

fn normalized(images: i64) -> Tensor {
    Tensor::randn([images, 3, SIDE, SIDE], (Kind::Float, Device::Cpu))
}

fn bytes(images: i64) -> Tensor {
    Tensor::randint(256, [images, SIDE, SIDE, 3], (Kind::Uint8, Device::Cpu))
}

fn load(file: &str) -> Module {
    Module::load(file.as_ref(), Device::Cpu).expect("an exported file loads")
}

/// Exports a run as TorchScript with more words.
fn export(workshop: &Workshop, run: &str, name: &str, words: &[&str]) -> String {
    let file = workshop.at(name);
    succeed(&[&["export", run, "-o", &file, "--no-latency"], words].concat());
    file
}

/// The largest difference of floating-point outputs relative to their largest number, or the share of other class ids.
fn difference(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    let [found, expected] = [found, expected].map(|tensor| tensor.to_kind(Kind::Double));
    (found - &expected).abs().max().double_value(&[]) / expected.abs().max().double_value(&[])
}

#[test]
fn an_exported_module_runs_in_the_kind_of_its_parameters() {
    let workshop = Workshop::with_folders();
    for task in TASKS {
        let run = train_task(&workshop, task);
        for (input, images) in [("normalized", normalized(2)), ("nhwc", bytes(2))] {
            let file = export(&workshop, &run, &format!("{task}-{input}.pt"), &["--raw", "--input", input]);
            let mut module = load(&file);
            let names = module.tensor_names().unwrap();
            assert!(names.iter().any(|name| name.ends_with("stage0.reparam_conv.weight")), "{task}: {names:?}");
            let expected = module.run(std::slice::from_ref(&images)).unwrap();
            for (kind, tolerance) in [(Kind::Double, 1e-5), (Kind::BFloat16, 0.1)] {
                module.to_kind(kind).unwrap();
                let images = if input == "nhwc" { images.shallow_clone() } else { images.to_kind(kind) };
                let found = module.run(&[images]).unwrap();
                for (found, expected) in found.iter().zip(&expected) {
                    assert_eq!(found.kind(), kind, "{task} {input}");
                    let difference = difference(found, expected);
                    assert!(difference <= tolerance, "{task} {input} {kind:?}: {difference:e}");
                }
            }
        }
    }
}

#[test]
fn an_exported_graph_has_no_device_and_no_constant_tensor() {
    let workshop = Workshop::with_folders();
    for task in TASKS {
        let run = train_task(&workshop, task);
        for (name, words) in [("final", &["--input", "nhwc"][..]), ("raw", &["--raw"])] {
            let graph = load(&export(&workshop, &run, &format!("{task}-{name}.pt"), words)).graph("forward").unwrap();
            for constant in [": Device = prim::Constant", ": Tensor = prim::Constant", "aten::clamp_m", "expand_as"] {
                assert!(!graph.contains(constant), "{task} {name} has {constant}: {graph}");
            }
        }
        let words = ["--freeze", "--input", "nhwc"];
        let frozen = load(&export(&workshop, &run, &format!("{task}-frozen.pt"), &words));
        assert_eq!(frozen.tensor_names().unwrap(), Vec::<String>::new());
        assert!(frozen.graph("forward").unwrap().contains(": Tensor = prim::Constant"));
        let images = bytes(3);
        let module = load(&workshop.at(&format!("{task}-final.pt")));
        let [found, expected] = [&frozen, &module].map(|module| module.run(std::slice::from_ref(&images)).unwrap());
        assert!(difference(&found[0], &expected[0]) <= 1e-5, "{task}");
    }
    let run = workshop.at("runs/classify");
    let file = workshop.at("x.ptl");
    let errors = fail(&["export", &run, "--format", "lite", "--freeze", "-o", &file], 2);
    assert!(errors.contains("--freeze is for TorchScript"), "{errors}");
}

#[test]
fn a_batch_without_images_has_empty_outputs() {
    let workshop = Workshop::with_folders();
    for task in TASKS {
        let run = train_task(&workshop, task);
        for freeze in [&[][..], &["--freeze"]] {
            let words = [&["--input", "nhwc"], freeze].concat();
            let module = load(&export(&workshop, &run, &format!("{task}-{}.pt", freeze.len()), &words));
            for images in [2, 0, 0, 0] {
                let outputs = module.run(&[bytes(images)]).unwrap_or_else(|error| panic!("{task}: {error}"));
                if images > 0 {
                    continue;
                }
                let shapes: Vec<_> = outputs.iter().map(Tensor::size).collect();
                let expected = match task {
                    "classify" => vec![vec![0, 5]],
                    "detect" => vec![vec![0, 4], vec![0], vec![0], vec![0]],
                    _ => vec![vec![0, SIDE, SIDE]],
                };
                assert_eq!(shapes, expected, "{task} {freeze:?}");
                let ids = outputs.iter().filter(|output| output.kind() == Kind::Int64).count();
                assert_eq!(ids, [0, 2, 1][TASKS.iter().position(|&known| known == task).unwrap()], "{task}");
            }
        }
    }
}

#[test]
fn a_card_has_no_path_of_the_machine_and_the_run_says_where_the_data_are() {
    let workshop = Workshop::with_folders();
    let image = workshop.training_image().to_string_lossy().into_owned();
    let run = train_task(&workshop, "detect");
    let file = export(&workshop, &run, "detect.pt", &[]);
    let card = read(format!("{file}.json"));
    assert!(!card.contains(&workshop.at("")) && !card.contains("root:"), "{card}");

    let errors = fail(&["eval", &file, "--no-latency"], 2);
    assert!(
        errors.contains("detect.pt does not say where the data are") && errors.contains("--set data.root="),
        "{errors}"
    );
    let ap = |words: &[&str]| {
        let report: Value =
            serde_json::from_str(&succeed(&[&["eval", &file, "--no-latency", "--json"], words].concat()))
                .expect("the report is JSON");
        report["stats"]["AP"].as_f64().expect("an AP")
    };
    let root = format!("data.root={}", workshop.at("shapes"));
    let expected = ap(&[&run]);
    assert_eq!(ap(&["--set", &root]), expected);
    assert_eq!(ap(&[&workshop.at("task.yaml")]), expected);
    succeed(&["predict", &file, &image]);
    succeed(&["bench", &file, "--seconds", "0.05"]);
}

#[test]
fn data_below_the_current_folder_are_found_from_it_again() {
    let workshop = Workshop::with_folders();
    let run = train_task(&workshop, "detect");
    let there = |words: &[&str]| {
        let result = output(pipeline(words).current_dir(workshop.path("")));
        assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
    };
    there(&["export", &run, "-o", "x.onnx", "--format", "onnx", "--no-latency"]);
    assert!(read(workshop.path("x.onnx.json")).contains("root: shapes"));
    there(&["eval", "x.onnx", "--no-latency"]);
}
