//! Networks of other publications as backbones, through every stage of every task.

use formats::Element;
use formats::graph::Graph;
use formats::onnx::{Builder, Dim};
use tch::{Device, Kind, Tensor};
use tch_ext::jit::Tracing;

use crate::tasks::{headline, prepare, train};
use crate::workshop::{Workshop, fail, json, output, pipeline, read, succeed};

/// `task.yaml` with that network in place of the tiny MobileOne.
fn prepare_named(workshop: &Workshop, task: &str, name: &str) {
    prepare(workshop, task);
    let text = read(workshop.path("task.yaml"));
    let (before, rest) = text.split_once("backbone:\n").expect("a backbone");
    let after = rest.split_once("\nhead:").expect("a head").1;
    let backbone = format!("{before}backbone: {{ name: {name} }}\nhead:{after}");
    std::fs::write(workshop.path("task.yaml"), backbone).unwrap();
}

/// Trains for an epoch; the run's folder.
fn trained(workshop: &Workshop, task: &str, name: &str, overrides: &[&str]) -> String {
    prepare_named(workshop, task, name);
    let run = output(&mut train(workshop, name, &[&["train.epochs=1"], overrides].concat()));
    assert!(run.status.success(), "{name}: {}", String::from_utf8_lossy(&run.stderr));
    workshop.at(&format!("runs/{name}"))
}

#[test]
fn every_task_is_trained_folded_and_exported_on_another_backbone() {
    let workshop = Workshop::with_folders();
    for (task, name, stride) in [
        ("classify", "efficientnet_b0", "backbone.output_stride=32"),
        ("detect", "mobilenet_v2", "backbone.output_stride=32"),
        ("segment", "repvgg_a0", "backbone.output_stride=16"),
    ] {
        let run = trained(&workshop, task, name, &[stride]);
        let deploy = workshop.at(&format!("{name}.safetensors"));
        let folded = json(&succeed(&["reparameterize", &run, "-o", &deploy, "--json"]));
        assert!(folded["comparisons"][0]["relative"].as_f64().unwrap() < 1e-4, "{name}: {folded}");
        assert_eq!(folded["blocks"].as_array().unwrap().is_empty(), name != "repvgg_a0", "{folded}");
        for ending in ["pt", "onnx", "tflite"] {
            let file = workshop.at(&format!("{name}.{ending}"));
            let exported = json(&succeed(&["export", &run, "-o", &file, "--json", "--no-latency"]));
            assert_eq!(exported["card"]["backbone"]["name"], name);
            assert_eq!(exported["card"]["variant"], name);
        }
        let image = workshop.training_image().to_string_lossy().into_owned();
        succeed(&["predict", &workshop.at(&format!("{name}.onnx")), &image]);
    }
}

#[test]
fn other_backbones_are_exported_in_int8_and_their_files_score_as_the_network_does() {
    let workshop = Workshop::with_folders();
    for (task, name) in
        [("classify", "efficientnet_b0"), ("classify", "mobilenet_v3_large"), ("detect", "mobilenet_v2")]
    {
        // Long enough that rounding changes less than the network says.
        let run = trained(&workshop, task, name, &["train.epochs=6", "train.ema=null"]);
        let folder = workshop.at(&format!("{name}-files"));
        let words = ["export", &run, "--int8", "--all", "--input", "nchw", "-o", &folder, "--json", "--no-latency"];
        let exported = json(&succeed(&[&words[..], &["--max-drop", "1"]].concat()));
        let exported = exported.as_array().expect("a list");
        let quantization = &exported.last().expect("a file")["quantization"];
        let layers = quantization["layers"].as_array().expect("there are layers");
        let in_int8 = layers.iter().filter(|layer| layer["int8"] == true).count();
        assert!(2 * in_int8 > layers.len(), "{name}: {layers:?}");
        let expected = quantization["accuracy"]["comparison"]["metrics"][0]["b"].as_f64().expect("a metric");
        for written in exported {
            let file = written["file"].as_str().expect("a path");
            let report = json(&succeed(&["eval", file, &run, "--json", "--no-latency"]));
            let found = headline(task, &report);
            assert!((found - expected).abs() < 0.05, "{file}: {found} is not {expected}");
        }
    }
}

#[test]
fn a_classifier_is_written_with_the_names_of_timm_and_starts_another_task() {
    let workshop = Workshop::with_folders();
    let run = trained(&workshop, "classify", "mobilenet_v3_large", &[]);
    let weights = format!("{run}/checkpoints/last/weights.safetensors");
    let timm = workshop.at("timm.safetensors");
    succeed(&["convert", &weights, "-o", &timm, "--layout", "timm"]);
    let info = json(&succeed(&["info", &timm, "--json"]));
    let title = info["title"].as_str().unwrap();
    assert!(title.contains("MobileNetV3-Large, train form, names timm's or torchvision's"), "{title}");
    let parameters = 5_483_032 - 995 * 1281;
    assert_eq!(info["train"]["parameters"], parameters);
    assert_eq!(info["layers"].as_array().unwrap().last().unwrap()["name"], "linear");

    let folded = workshop.at("folded.safetensors");
    succeed(&["reparameterize", &timm, "-o", &folded]);
    prepare_named(&workshop, "classify", "mobilenet_v3_large");
    let start = format!("backbone.weights={timm}");
    let same = output(&mut train(&workshop, "same", &["train.epochs=1", &start]));
    assert!(same.status.success() && !String::from_utf8_lossy(&same.stderr).contains("left out"));
    prepare_named(&workshop, "detect", "mobilenet_v3_large");
    let other = output(&mut train(&workshop, "detector", &["train.epochs=1", &start]));
    let errors = String::from_utf8_lossy(&other.stderr);
    assert!(other.status.success() && errors.contains("2 tensors"), "{errors}");
    assert!(errors.contains("MobileNetV3-Large has them behind the features"), "{errors}");
}

#[test]
fn networks_are_described_by_name() {
    for (name, parameters) in [("efficientnet_b0", 5_288_548), ("repvgg_a0", 9_108_968), ("mobilevit_s", 5_578_632)] {
        let info = json(&succeed(&["info", name, "--json"]));
        assert_eq!(info["train"]["parameters"], parameters, "{name}");
        let table = succeed(&["info", name]);
        assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    }
}

#[test]
fn settings_of_mobileone_are_refused_for_another_network() {
    let workshop = Workshop::new();
    prepare_named(&workshop, "detect", "efficientnet_b0");
    let file = workshop.at("task.yaml");
    for (change, words) in [
        ("backbone.variant=s0", "`variant` and `name` are both given"),
        ("backbone.squeeze_excite=false", "EfficientNet-B0 is built as published"),
        ("backbone.form=deploy", "EfficientNet-B0 has no branches to re-parameterise"),
        ("backbone.init=from_deploy", "which makes a MobileOne and no EfficientNet-B0"),
        ("backbone.name=efficientnet_b9", "Did you mean `efficientnet_b0`?"),
    ] {
        let errors = fail(&["config", &file, "--set", change], 2);
        assert!(errors.contains(words), "{change}: {errors}");
    }
    let stride = ["backbone.name=mobilevit_s", "--set", "backbone.output_stride=16"];
    let errors = fail(&[&["config", &file, "--set"][..], &stride].concat(), 2);
    assert!(errors.contains("backbone.output_stride is 16, which MobileViT-S cannot have"), "{errors}");
}

#[test]
fn the_study_compares_any_networks_and_takes_the_results_of_other_devices() {
    let workshop = Workshop::empty();
    let results = "echo mobilevit_s.onnx\nAverage inference time cost: 7.25 ms\nGraph: [/tmp/s0.tflite]\n\
                   Inference timings in us: Init: 9, First inference: 9, Warmup (avg): 9, Inference (avg): 790\n";
    std::fs::write(workshop.path("device.txt"), results).unwrap();
    let (device, exported, folder) = (workshop.at("device.txt"), workshop.at("exported"), workshop.at("study"));
    let study = ["bench", "--analyze", "s0", "mobilevit_s"];
    let options = ["--size", "64", "--seconds", "0.01", "--device-results", &device, "-o", &folder];
    let run = output(&mut pipeline(&[&study[..], &options, &["--export", &exported]].concat()));
    let (shown, errors) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{errors}");
    assert!(shown.lines().all(|line| line.chars().count() <= 100), "{shown}");
    assert!(shown.contains("device onnx") && shown.contains("0.47 / 0.06") && shown.contains("78.4"), "{shown}");
    assert!(shown.contains("s0 (-7.0)") && shown.contains("11.66 / 2.92"), "{shown}");
    assert!(!errors.contains("is not written"), "{errors}");
    for file in ["s0.pt", "s0.ptl", "mobilevit_s.tflite", "mobilevit_s.onnx"] {
        let row = json(&succeed(&["bench", &format!("{exported}/{file}"), "--seconds", "0.01", "--json"]));
        assert!(row["rows"][0]["macs"].as_i64() > Some(0), "{file}: {row}");
    }
    for figure in ["latency_traffic.svg", "accuracy_deploy.svg", "accuracy_device_litert.svg"] {
        assert!(read(workshop.path("study").join(figure)).contains("<svg"), "{figure}");
    }
    let report = json(&read(workshop.path("study/bench.json")));
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2 * 3);
    assert!(rows.iter().filter(|row| row["engine"] == "deploy").all(|row| row["traffic_bytes"].as_i64() > Some(0)));
    let by = |by: &str| {
        let all = report["study"]["correlations"].as_array().unwrap();
        all.iter().filter(|row| row["by"] == by).map(|row| row["networks"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((by("deploy"), by("device onnx")), (vec![2; 4], vec![1; 4]));
    assert_eq!(read(workshop.path("study/bench.csv")).lines().count(), 1 + rows.len());

    std::fs::write(workshop.path("device.txt"), "Average inference time cost: 7.25 ms\n").unwrap();
    let refused = fail(&[&study[..], &["--device-results", &device]].concat(), 1);
    assert!(refused.contains("line 1 has a time, but no file is named before it"), "{refused}");
    assert!(fail(&["bench", "s0", "--export", &exported], 2).contains("--analyze"));
}

#[test]
fn torchscript_and_onnx_files_of_other_programs_are_measured() {
    let workshop = Workshop::empty();
    let images = Tensor::zeros([2, 3, 64, 64], (Kind::Float, Device::Cpu));
    let module = Tracing::new("Net").input("x", &images);
    let module = module.record(|inputs| Ok::<_, tch_ext::Error>(vec![inputs[0].relu()])).unwrap();
    module.save(&workshop.path("script.pt"), &Default::default()).unwrap();
    let mut builder = Builder::new("net");
    let shape = [Dim::named("batch"), Dim::Fixed(3), Dim::Fixed(64), Dim::Fixed(64)];
    let given = builder.input("x", Element::F32, &shape).unwrap();
    let graph = Graph::read(&module.nodes("forward").unwrap(), &[4]).unwrap();
    let value = builder.network(&graph, &[given]).unwrap().remove(0);
    builder.output("y", &value, &shape).unwrap();
    builder.finish(&Default::default()).unwrap().write(&workshop.path("graph.onnx")).unwrap();

    let (script, graph) = (workshop.at("script.pt"), workshop.at("graph.onnx"));
    let options = ["--size", "64", "--seconds", "0.01", "--threads", "1,2", "--json"];
    let report = json(&succeed(&[&["bench", &script, &graph][..], &options].concat()));
    let rows = report["rows"].as_array().unwrap();
    let of = |name: &str| rows.iter().filter(|row| row["model"] == name).map(|row| &row["threads"]).collect::<Vec<_>>();
    // ONNX Runtime has its one thread here.
    assert_eq!((of("script"), of("graph")), (vec![&1.into(), &2.into()], vec![&1.into()]));
    assert!(rows.iter().all(|row| row["macs"].is_null() && row["latency_ms"]["median"].as_f64() > Some(0.0)));
    let refused = fail(&["bench", &graph, "--size", "96", "--seconds", "0.01"], 1);
    assert!(
        refused.contains("does not take fp32 images [1, 3, 96, 96]") && refused.contains("--size HxW"),
        "{refused}"
    );
}
