//! LiteRT files compute what the interpreter computes, in every kind of numbers.

use std::io::Read;
use std::path::Path;

use crate::quantized::{calibrated, decibels, networks};
use crate::support::*;
use formats::graph::ends::{class_ids, maps, probabilities};
use formats::graph::{Graph, Side};
use formats::litert::{Builder, Description, Meaning, Session, Slot, metadata};
use formats::{Array, Data, Element, Error};
use heads::ssdlite::{Decoded, SsdLiteConfig, select};
use tch::{Kind, Tensor};
use tch_ext::jit::Tracing;

const SIZES: [[i64; 2]; 2] = [[64, 64], [65, 97]];

fn description() -> Description<'static> {
    Description { name: "test", normalization: None, outputs: Vec::new(), labels: vec!["one", "two"] }
}

/// The sides of images `[N, H, W, 3]` of which the batch is free, and the size where it may be any.
pub fn sides(size: [i64; 2], any_size: bool) -> [Side; 4] {
    let [height, width] = size.map(|length| Side { length, free: any_size });
    [Side { length: 1, free: true }, height, width, Side::fixed(3)]
}

fn loaded(builder: &Builder) -> Session {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.tflite");
    std::fs::write(&path, builder.finish(&Default::default(), &description()).unwrap()).unwrap();
    Session::load(&path).unwrap()
}

/// Outputs in the order of axes that the graph has.
pub fn run(session: &Session, input: &Tensor, channels_last: &[bool]) -> Vec<Tensor> {
    let last = input.permute([0, 2, 3, 1]).contiguous();
    let outputs = session.run(&[array(&last)]).unwrap();
    let turned = |(output, last): (Tensor, &bool)| if *last { output.permute([0, 3, 1, 2]) } else { output };
    outputs.iter().map(tensor).zip(channels_last).map(turned).collect()
}

/// A file of a graph, and which of its outputs have their channels last.
pub fn written(graph: &Graph, size: [i64; 2], half: bool) -> (Session, Vec<bool>) {
    let mut builder = Builder::new("network");
    if half {
        builder.keep_weights_in_half();
    }
    let images = builder.input("images", Element::F32, &sides(size, false));
    let outputs = builder.network(graph, &images).unwrap();
    for (index, output) in outputs.iter().enumerate() {
        builder.output(&format!("output{index}"), &output.value);
    }
    (loaded(&builder), outputs.iter().map(|output| output.channels_last).collect())
}

#[test]
fn networks_run_like_the_interpreter_at_any_batch_in_fp32_fp16_and_int8() {
    for size in SIZES {
        for (what, net) in networks(size) {
            let graph = read(&net.trace(&images(2, size)), &[4]);
            let int8 = calibrated(&graph, size).graph;
            for (kind, graph, half, least) in [
                ("fp32", &graph, false, 100.0),
                ("fp16", &graph.with_half_weights(), true, 100.0),
                ("int8", &int8, false, 35.0),
            ] {
                let (session, last) = written(graph, size, half);
                for batch in [1, 3, 2] {
                    let input = images(batch, size);
                    let expected = graph.run(&[input.shallow_clone()]).unwrap();
                    for (found, expected) in run(&session, &input, &last).iter().zip(&expected) {
                        assert_eq!(found.size(), expected.size(), "{what} {kind}");
                        let near = decibels(expected, found);
                        assert!(near > least, "{what} {kind} {size:?} {batch}: {near} dB");
                    }
                }
            }
        }
    }
}

/// Deep networks amplify it: a step of one layer moves all layers behind it.
#[test]
fn a_layer_in_int8_is_within_a_step_of_the_quantised_graph() {
    let size = [33, 32];
    for (groups, outputs, stride, side) in [(1, 8, 1, 3), (1, 8, 2, 3), (3, 3, 1, 3), (3, 6, 2, 3), (1, 8, 1, 1)] {
        tch::manual_seed(5);
        let weight = Tensor::randn([outputs, 3 / groups, side, side], FLOATS) * 0.4;
        let bias = Tensor::randn([outputs], FLOATS);
        let module = Tracing::new("Net")
            .input("x", &images(2, size))
            .record(|inputs| -> Result<_, tch_ext::Error> {
                let padding = [side / 2; 2];
                let sums = inputs[0].conv2d(&weight, Some(&bias), [stride; 2], padding, [1, 1], groups);
                Ok(vec![sums.relu()])
            })
            .unwrap();
        let graph = calibrated(&read(&module, &[4]), size).graph;
        let step = graph.facts(graph.outputs()[0]).grid.expect("the output is on a grid").scale;
        let (session, last) = written(&graph, size, false);
        let input = images(2, size);
        let expected = &graph.run(&[input.shallow_clone()]).unwrap()[0];
        let steps = (&run(&session, &input, &last)[0] - expected).abs().max().double_value(&[]) / step;
        assert!(steps < 1.01, "{groups} {outputs} {stride} {side}: {steps} steps");
    }
}

#[test]
fn what_files_cannot_hold_is_refused_in_a_sentence() {
    let weight = Tensor::randn([6, 2, 3, 3], FLOATS);
    let module = Tracing::new("Net")
        .input("x", &images(2, [32, 32]))
        .record(|inputs| -> Result<_, tch_ext::Error> {
            let pairs = Tensor::cat(&[&inputs[0], &inputs[0]], 1);
            Ok(vec![pairs.conv2d(&weight, None::<&Tensor>, [1, 1], [1, 1], [1, 1], 3)])
        })
        .unwrap();
    let graph = read(&module, &[4]);
    let mut builder = Builder::new("network");
    let given = builder.input("images", Element::F32, &sides([32, 32], false));
    let error = builder.network(&graph, &given).unwrap_err();
    assert!(error.to_string().contains("LiteRT files cannot hold a convolution in groups"), "{error}");
}

#[test]
fn segmenters_take_images_of_any_size() {
    let [.., (_, net)] = networks([64, 64]);
    let graph = read(&net.trace(&images(2, [64, 64])), &[4]);
    let int8 = calibrated(&graph, [64, 64]).graph;
    for (graph, least) in [(graph, 100.0), (int8, 35.0)] {
        let graph = graph.then(&maps()).unwrap();
        let mut builder = Builder::new("network");
        let given = builder.input("images", Element::F32, &sides([64, 64], true));
        let output = builder.network(&graph, &given).unwrap().remove(0);
        builder.output("logits", &output.value);
        let session = loaded(&builder);
        for size in [[64, 64], [65, 130], [48, 96]] {
            let input = images(2, size);
            let expected = &graph.run(&[input.shallow_clone()]).unwrap()[0];
            let found = &run(&session, &input, &[output.channels_last])[0];
            assert_eq!(found.size(), expected.size());
            let near = decibels(expected, found);
            assert!(near > least, "{size:?}: {near} dB");
        }
    }
}

#[test]
fn photographs_become_probabilities_and_classes_of_pixels() {
    let size = [64, 96];
    let [(_, classifier), _, (_, segmenter)] = networks(size);
    for (net, ends) in [(classifier, probabilities()), (segmenter, maps().then(&class_ids()).unwrap())] {
        let graph = read(&net.trace(&images(2, size)), &[4]).then(&ends).unwrap();
        let mut builder = Builder::new("network");
        let photos = builder.input("images", Element::U8, &sides(size, false));
        let images = builder.normalize(&photos, MEAN, STD).unwrap();
        let output = builder.network(&graph, &images).unwrap().remove(0);
        builder.output("output", &output.value);
        let photos = crate::support::photos(2, size);
        let found = tensor(&loaded(&builder).run(&[array(&photos)]).unwrap()[0]);
        let expected = &graph.run(&[normalized(&photos)]).unwrap()[0];
        if expected.kind() == Kind::Int64 {
            let equal = found.eq_tensor(expected).to_kind(Kind::Float).mean(Kind::Float).double_value(&[]);
            assert!(equal > 0.999, "{equal}");
        } else {
            assert!((found - expected).abs().max().double_value(&[]) < 1e-5);
        }
    }
}

/// The suppression of boxes `[1, A, 4]` with scores `[1, A, columns]`.
fn detector(config: &SsdLiteConfig, size: [i64; 2], [anchors, columns]: [i64; 2]) -> Builder {
    let mut builder = Builder::new("detector");
    let boxes = builder.input("boxes", Element::F32, &[1, anchors, 4].map(Side::fixed));
    let scores = builder.input("scores", Element::F32, &[1, anchors, columns].map(Side::fixed));
    let found = builder.detections(&boxes, &scores, &crate::detector::limits(config), size).unwrap();
    let named = [("boxes", found.boxes), ("classes", found.classes), ("scores", found.scores), ("count", found.count)];
    named.iter().for_each(|(name, value)| builder.output(name, value));
    builder
}

#[test]
fn detections_are_those_of_the_head() {
    let (size, anchors, columns) = ([64, 96], 200, 4);
    // More candidates than the suppression takes, and fewer.
    for topk_candidates in [20, 400] {
        let config = SsdLiteConfig { topk_candidates, score_threshold: 0.05, ..SsdLiteConfig::default() };
        let session = loaded(&detector(&config, size, [anchors, columns]));
        for seed in 0..3 {
            tch::manual_seed(seed);
            let limits = Tensor::from_slice(&[96.0_f32, 64.0, 96.0, 64.0]);
            let corners = (Tensor::rand([1, anchors, 2], FLOATS) * 1.2 - 0.1).repeat([1, 1, 2]);
            let grown = Tensor::rand([1, anchors, 2], FLOATS) * 0.4;
            let boxes = corners + Tensor::cat(&[grown.zeros_like(), grown], 2);
            let boxes = (boxes * &limits).relu().minimum(&limits);
            let scores = (Tensor::randn([1, anchors, columns], FLOATS) * 2.0).softmax(-1, Kind::Float);
            let given = [array(&boxes), array(&scores)];
            let expected = select(&Decoded { scores, boxes }, &config).unwrap().remove(0);
            let outputs = session.run(&given).unwrap();
            let numbers = |index: usize| Vec::<f32>::try_from(tensor(&outputs[index]).view(-1)).unwrap();
            let [boxes, classes, scores, count] = [0, 1, 2, 3].map(numbers);
            assert_eq!(count[0] as usize, expected.scores.len(), "{topk_candidates}");
            assert!(expected.scores.len() > 10);
            for (row, score) in expected.scores.iter().enumerate() {
                assert_eq!((scores[row], classes[row] as i64 + 1), (*score, expected.labels[row]));
                let [x1, y1, x2, y2] = expected.boxes[row];
                for (found, expected) in boxes[4 * row..][..4].iter().zip([y1 / 64.0, x1 / 96.0, y2 / 64.0, x2 / 96.0])
                {
                    assert!((found - expected).abs() < 1e-5, "{found} {expected}");
                }
            }
        }
    }
}

#[test]
fn a_file_holds_its_metadata_and_its_labels_and_is_the_same_every_time() {
    let net = classifier(&tiny());
    let graph = read(&net.trace(&images(2, [64, 64])), &[4]);
    let file = || {
        let mut builder = Builder::new("network");
        let given = builder.input("images", Element::F32, &sides([64, 64], false));
        let output = builder.network(&graph, &given).unwrap().remove(0);
        builder.output("logits", &output.value);
        let description = Description {
            normalization: Some((vec![123.7; 3], vec![58.4; 3])),
            outputs: vec![("logits", Meaning::Scores)],
            ..description()
        };
        builder.finish(&[("card".to_owned(), b"text".to_vec())].into(), &description).unwrap()
    };
    let bytes = file();
    assert_eq!(bytes, file());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.tflite");
    std::fs::write(&path, &bytes).unwrap();
    let found = metadata(&path).unwrap();
    assert_eq!(found["card"], b"text");
    assert_eq!(&found["TFLITE_METADATA"][4..8], b"M001");
    let mut archive = zip::ZipArchive::new(std::fs::File::open(&path).unwrap()).unwrap();
    let mut labels = String::new();
    archive.by_name("labels.txt").unwrap().read_to_string(&mut labels).unwrap();
    assert_eq!(labels, "one\ntwo\n");
    for end in [0, 7, 8, 40, bytes.len() / 2] {
        std::fs::write(&path, &bytes[..end]).unwrap();
        let text = metadata(&path).err().map(|error| error.to_string());
        assert!(text.as_ref().is_none_or(|text| text.contains("is not a usable LiteRT model")), "{text:?}");
        assert!(end > 40 || text.is_some(), "{end}");
    }
}

/// What a file gives for zeros, where it can be loaded and run.
fn outcome(path: &Path, bytes: &[u8]) -> Result<Vec<Array>, Error> {
    std::fs::write(path, bytes).unwrap();
    let session = Session::load(path)?;
    let zeros = |slot: &Slot| {
        let shape: Vec<usize> = slot.shape.iter().map(|side| side.unwrap_or(1).min(4096)).collect();
        let count = shape.iter().product::<usize>().min(1 << 20);
        Array::new(shape, Data::F32(vec![0.0; count]))
    };
    session.run(&session.inputs().iter().map(zeros).collect::<Result<Vec<_>, _>>()?)
}

#[test]
fn files_that_are_cut_or_changed_are_errors_and_end_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.tflite");
    let graph = read(&classifier(&tiny()).trace(&images(2, [32, 32])), &[4]);
    let int8 = calibrated(&graph, [32, 32]).graph;
    let network = |graph: &Graph| {
        let mut builder = Builder::new("network");
        let given = builder.input("images", Element::F32, &sides([32, 32], false));
        let output = builder.network(graph, &given).unwrap().remove(0);
        builder.output("logits", &output.value);
        builder
    };
    let suppressing = detector(&SsdLiteConfig { topk_candidates: 5, ..SsdLiteConfig::default() }, [32, 32], [20, 4]);
    for builder in [network(&graph), network(&int8), suppressing] {
        let bytes = builder.finish(&Default::default(), &description()).unwrap();
        assert!(outcome(&path, &bytes).is_ok());
        // What describes the file comes before the weights, which may have any values.
        let described = bytes.len() / 3;
        for end in (0..described).step_by(97) {
            let error = outcome(&path, &bytes[..end]).unwrap_err();
            assert!(matches!(error, Error::Malformed { .. }), "{end}: {error}");
        }
        for at in (0..described).step_by(29) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x55;
            // Some bytes are names, padding or numbers that may differ.
            let _ = outcome(&path, &changed);
        }
    }
}
