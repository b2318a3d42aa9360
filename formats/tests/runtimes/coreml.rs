//! Core ML packages that are read back compute what the interpreter of graphs computes, in every kind of numbers.

use std::path::Path;

use crate::detector::limits;
use crate::quantized::{calibrated, decibels, networks};
use crate::support::*;
use formats::Error;
use formats::coreml::{Builder, Description, Kind, Package, Session, suppression};
use formats::graph::Graph;
use formats::graph::ends::{Decoding, class_ids, maps, probabilities};
use heads::ssdlite::SsdLiteConfig;
use tch::{Kind as TorchKind, Tensor};

const SIZES: [[i64; 2]; 2] = [[64, 64], [65, 97]];

pub fn loaded(package: &Package) -> Session {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.mlpackage");
    package.write(&path).unwrap();
    assert_eq!(Package::read(&path).unwrap(), *package);
    Session::load(&path).unwrap()
}

/// A package of a graph for images of these sizes.
pub fn package(graph: &Graph, channels: i64, sizes: &[[i64; 2]], kind: Kind) -> Package {
    let mut builder = Builder::default();
    let images = builder.images("images", channels, sizes).unwrap();
    let outputs = builder.network(graph, &[&images], kind).unwrap();
    for (index, output) in outputs.iter().enumerate() {
        builder.output(&format!("output{index}"), output);
    }
    builder.finish(&Description::default()).unwrap()
}

#[test]
fn networks_run_like_the_interpreter_in_fp32_fp16_and_int8() {
    for size in SIZES {
        for (what, net) in networks(size) {
            let graph = read(&net.trace(&images(2, size)), &[4]);
            let int8 = calibrated(&graph, size).graph;
            for (name, graph, kind, least, ios) in [
                ("fp32", &graph, Kind::F32, 100.0, 15),
                ("fp16", &graph, Kind::F16, 50.0, 15),
                ("int8 and fp32", &int8, Kind::F32, 100.0, 17),
                ("int8 and fp16", &int8, Kind::F16, 30.0, 17),
            ] {
                let package = package(graph, 3, &[size], kind);
                assert_eq!(package.oldest_ios(), ios);
                let input = images(1, size);
                let expected = graph.run(&[input.shallow_clone()]).unwrap();
                for (found, expected) in loaded(&package).run(&input).unwrap().iter().zip(&expected) {
                    assert_eq!(found.size(), expected.size(), "{what} {name}");
                    let near = decibels(expected, found);
                    assert!(near > least, "{what} {name} {size:?}: {near} dB");
                }
            }
        }
    }
}

#[test]
fn segmenters_take_images_of_the_sizes_that_are_listed_alone() {
    let [.., (_, net)] = networks([64, 64]);
    let graph = read(&net.trace(&images(2, [64, 64])), &[4]).then(&maps().then(&class_ids()).unwrap()).unwrap();
    let sizes = [[64, 64], [65, 130], [48, 96]];
    let package = package(&graph, 3, &sizes, Kind::F32);
    // The size of a map is computed there, which older systems cannot.
    assert_eq!(package.oldest_ios(), 17);
    let session = loaded(&package);
    for size in sizes {
        let input = images(1, size);
        let expected = &graph.run(&[input.shallow_clone()]).unwrap()[0];
        let found = &session.run(&input).unwrap()[0];
        let equal = found.eq_tensor(expected).to_kind(TorchKind::Float).mean(TorchKind::Float).double_value(&[]);
        assert!(found.size() == expected.size() && equal > 0.999, "{size:?}: {equal}");
    }
    let refused = session.run(&images(1, [64, 96])).unwrap_err().to_string();
    assert!(refused.contains("[1, 3, 65, 130]"), "{refused}");
}

#[test]
fn pictures_become_labels_and_probabilities() {
    let size = [64, 96];
    let [(_, net), ..] = networks(size);
    let graph = read(&net.trace(&images(2, size)), &[4]).then(&probabilities()).unwrap();
    let mut builder = Builder::default();
    let picture = builder.picture("image", 3, &[size]).unwrap();
    let normal = builder.normalize(&picture, MEAN, STD, Kind::F32).unwrap();
    let output = builder.network(&graph, &[&normal], Kind::F32).unwrap().remove(0);
    // Dictionaries hold a label once.
    builder.classify(&output, &["a", "b", "a", "a", "c"]);
    let photos = photos(1, size);
    let package = builder.finish(&Description::default()).unwrap();
    let session = loaded(&package);
    assert_eq!(session.outputs(), ["classLabel", "classLabel_probs"]);
    let found = session.run(&photos.permute([0, 3, 1, 2])).unwrap();
    let expected = &graph.run(&[normalized(&photos)]).unwrap()[0];
    assert_eq!(found[0].int64_value(&[0]), expected.argmax(1, false).int64_value(&[0]));
    assert!((&found[1] - expected).abs().max().double_value(&[]) < 1e-5);
    for channels in [2, 4] {
        let error = Builder::default().picture("image", channels, &[size]).unwrap_err().to_string();
        assert!(error.contains("1 or 3"), "{error}");
    }
}

/// A package with a suppression, and the graph before it.
fn detector(size: [i64; 2]) -> (Package, Graph) {
    let [_, (_, net), _] = networks(size);
    let graph = read(&net.trace(&images(2, size)), &[4]);
    let anchors = net.forward(&images(1, size))[1].size()[1];
    let corner = |index: i64, side: i64| (index * 7 % side) as f32;
    let anchor = |index| {
        let [x, y] = [corner(index, size[1]), corner(index, size[0])];
        [x - 9.0, y - 9.0, x + 9.0, y + 9.0]
    };
    let anchors: Vec<[f32; 4]> = (0..anchors).map(anchor).collect();
    let decoding = Decoding { anchors: &anchors, weights: [10.0, 10.0, 5.0, 5.0], size, classes: CLASSES as usize };
    let ends = decoding.graph().unwrap();
    let mut builder = Builder::default();
    let given = builder.picture("image", 3, &[size]).unwrap();
    let found = builder.network(&graph, &[&given], Kind::F16).unwrap();
    // Places in fp16 would be some tenths of a pixel off.
    let found = builder.network(&ends, &[&found[0], &found[1]], Kind::F32).unwrap();
    builder.candidates(&found[0], &found[1], size).unwrap();
    let labels: Vec<String> = (1..=CLASSES).map(|class| class.to_string()).collect();
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let limits = limits(&SsdLiteConfig { score_threshold: 0.1, ..SsdLiteConfig::default() });
    let package = builder.finish(&Description::default()).unwrap().suppressed(&labels, &limits).unwrap();
    (package, graph.then(&ends).unwrap())
}

#[test]
fn detectors_give_boxes_and_confidences_and_a_suppression_behind_them() {
    let size = [64, 96];
    let (package, graph) = detector(size);
    let session = loaded(&package);
    assert_eq!(session.outputs(), suppression::BEHIND);
    let input = images(1, size);
    let expected = graph.run(&[input.shallow_clone()]).unwrap();
    let [confidence, coordinates] = &session.run_program(&input).unwrap()[..] else { panic!("two outputs") };
    let scores = expected[1].select(0, 0).narrow(1, 1, CLASSES);
    assert!(decibels(&scores, confidence) > 50.0);
    let corners = expected[0].select(0, 0);
    let (low, high) = (corners.narrow(1, 0, 2), corners.narrow(1, 2, 2));
    let sides = Tensor::from_slice(&[96.0_f32, 64.0]);
    let centres = Tensor::cat(&[(&low + &high) / 2.0 / &sides, (&high - &low) / &sides], 1);
    assert!(decibels(&centres, coordinates) > 50.0);
    let [kept, places] = &session.run(&input).unwrap()[..] else { panic!("two outputs") };
    assert_eq!((kept.size()[1], places.size()[1]), (CLASSES, 4));
    assert_eq!(kept.size()[0], places.size()[0]);
    assert!((1..confidence.size()[0]).contains(&kept.size()[0]), "{:?}", kept.size());
    let best = kept.amax(1, false);
    let ordered = best.sort(0, true).0;
    assert!(best.equal(&ordered) && best.min().double_value(&[]) >= 0.1);
}

#[test]
fn packages_are_the_same_every_time_and_hold_their_metadata() {
    let graph = read(&classifier(&tiny()).trace(&images(2, [64, 64])), &[4]);
    let described = || {
        let mut builder = Builder::default();
        let given = builder.images("images", 3, &[[64, 64]]).unwrap();
        let output = builder.network(&graph, &[&given], Kind::F16).unwrap().remove(0);
        builder.output("logits", &output);
        let metadata = [("card".to_owned(), "text".to_owned())].into();
        builder.finish(&Description { summary: "a network", author: "a program", metadata }).unwrap()
    };
    let package = described();
    assert_eq!(package, described());
    assert_eq!(package.metadata()["card"], "text");
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["one.mlpackage", "two.mlpackage"].map(|name| folder.path().join(name));
    package.write(&one).unwrap();
    described().write(&two).unwrap();
    for file in FILES {
        assert_eq!(std::fs::read(one.join(file)).unwrap(), std::fs::read(two.join(file)).unwrap(), "{file}");
    }
}

pub const FILES: [&str; 3] =
    ["Manifest.json", "Data/com.apple.CoreML/model.mlmodel", "Data/com.apple.CoreML/weights/weight.bin"];

/// What a package gives for zeros, where it can be loaded and run.
fn outcome(path: &Path, size: [i64; 2]) -> Result<Vec<Tensor>, Error> {
    Session::load(path)?.run(&Tensor::zeros([1, 3, size[0], size[1]], FLOATS))
}

#[test]
fn packages_that_are_cut_or_changed_are_errors_and_end_nothing() {
    let size = [32, 32];
    let graph = read(&classifier(&tiny()).trace(&images(2, size)), &[4]);
    let int8 = package(&calibrated(&graph, size).graph, 3, &[size], Kind::F16);
    for package in [package(&graph, 3, &[size], Kind::F32), int8, detector(size).0] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("network.mlpackage");
        package.write(&path).unwrap();
        assert!(outcome(&path, size).is_ok());
        for file in FILES {
            let place = path.join(file);
            let bytes = std::fs::read(&place).unwrap();
            for step in 0..24 {
                let cut = bytes.len() * step / 24;
                std::fs::write(&place, &bytes[..cut]).unwrap();
                let error = outcome(&path, size).unwrap_err();
                assert!(matches!(error, Error::Malformed { .. }), "{file} {cut}: {error}");
                let mut changed = bytes.clone();
                changed[cut] ^= 0x55;
                std::fs::write(&place, &changed).unwrap();
                // Some bytes are names, padding or weights that may differ.
                let _ = outcome(&path, size);
            }
            std::fs::remove_file(&place).unwrap();
            assert!(matches!(outcome(&path, size), Err(Error::Io { .. })));
            std::fs::write(&place, &bytes).unwrap();
        }
    }
}
