//! Networks of every task: the file computes what libtorch computes.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::*;
use backbone::{OutputStride, Spec, Variant};
use formats::Element;
use formats::graph::ends;
use formats::onnx::{Builder, Dim, Layout, Model, Session};
use heads::{deeplabv3::DeepLabV3Config, ssdlite::SsdLiteConfig};
use tch::{Kind, Tensor};

const SIZE: [i64; 2] = [64, 96];

fn run(session: &Session, input: &Tensor) -> Vec<formats::Array> {
    session.run(&[array(input)]).unwrap()
}

fn weights(model: &Model) -> BTreeSet<String> {
    let graph = model.proto().graph.as_ref().unwrap();
    graph.initializer.iter().map(|tensor| tensor.name.clone()).collect()
}

fn names(net: &Net) -> BTreeSet<String> {
    net.parameters.iter().map(|(name, _)| name.clone()).collect()
}

fn operators(model: &Model) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for node in &model.proto().graph.as_ref().unwrap().node {
        *counts.entry(node.op_type.clone()).or_default() += 1;
    }
    counts
}

#[test]
fn classifiers_of_every_variant_run_like_libtorch_at_any_batch() {
    for variant in Variant::ALL {
        let net = classifier(&narrow(variant));
        let model = plain(&net, SIZE, &batch_of(&[3, SIZE[0], SIZE[1]]));
        let session = reloaded(&model);
        for batch in [1, 3, 1] {
            let input = images(batch, SIZE);
            assert_close(&run(&session, &input), &net.forward(&input), 1e-4, &format!("{variant}, {batch} images"));
        }
        let missing: Vec<_> = names(&net).difference(&weights(&model)).cloned().collect();
        assert!(missing.is_empty(), "{variant}: {missing:?}");
    }
}

#[test]
fn a_published_network_computes_the_same() {
    let net = classifier(&Spec::from(Variant::S0));
    let session = reloaded(&plain(&net, [64, 64], &batch_of(&[3, 64, 64])));
    let input = images(2, [64, 64]);
    assert_close(&run(&session, &input), &net.forward(&input), 1e-4, "S0");
}

#[test]
fn nodes_and_weights_have_readable_names() {
    let net = classifier(&narrow(Variant::S4));
    let model = plain(&net, SIZE, &batch_of(&[3, SIZE[0], SIZE[1]]));
    let graph = model.proto().graph.as_ref().unwrap();
    let nodes: Vec<_> = graph.node.iter().map(|node| node.name.as_str()).collect();
    for name in ["stage0.reparam_conv/Conv", "stage0.reparam_conv/Relu", "stage1.0.reparam_conv/Conv", "linear/Gemm"] {
        assert!(nodes.contains(&name), "{name} is none of {nodes:?}");
    }
    assert_eq!(nodes.iter().collect::<BTreeSet<_>>().len(), nodes.len());
    let stem = graph.initializer.iter().find(|tensor| tensor.name == "stage0.reparam_conv.weight").unwrap();
    assert_eq!(stem.dims, [16, 3, 3, 3]);
    assert!(operators(&model)["Sigmoid"] > 0, "S4 has squeeze-and-excitation");
}

#[test]
fn a_classifier_takes_photos_and_gives_probabilities() {
    let net = classifier(&narrow(Variant::S1));
    let graph = read(&net.trace(&images(1, SIZE)), &[4]);
    let photos = photos(2, SIZE);
    let expected = net.forward(&normalized(&photos))[0].softmax(-1, Kind::Float);
    for layout in [Layout::ChannelsLast, Layout::ChannelsFirst] {
        let (sides, photos) = match layout {
            Layout::ChannelsLast => ([SIZE[0], SIZE[1], 3], photos.shallow_clone()),
            Layout::ChannelsFirst => ([3, SIZE[0], SIZE[1]], photos.permute([0, 3, 1, 2])),
        };
        let mut builder = Builder::new("classifier");
        let given = builder.input("images", Element::U8, &batch_of(&sides)).unwrap();
        let input = builder.normalize(&given, layout, MEAN, STD).unwrap();
        let logits = builder.network(&graph, &[input]).unwrap().remove(0);
        let probabilities = builder.softmax(&logits, -1);
        builder.output("probabilities", &probabilities, &batch_of(&[CLASSES])).unwrap();
        let metadata = BTreeMap::from([("classes".to_owned(), "cat\nbröd\n猫".to_owned())]);
        let session = reloaded(&builder.finish(&metadata).unwrap());
        assert_eq!(*session.metadata(), metadata);
        assert_eq!(session.outputs()[0].name, "probabilities");
        assert_eq!(session.inputs()[0].shape[0], None);
        assert_close(&run(&session, &photos), &[expected.shallow_clone()], 1e-5, &format!("{layout:?}"));
    }
}

#[test]
fn detectors_run_like_libtorch_at_any_batch() {
    let wide = SsdLiteConfig { extra_channels: vec![32, 16], ..SsdLiteConfig::default() };
    for (spec, config) in [(tiny(), SsdLiteConfig::default()), (narrow(Variant::S4), wide)] {
        let net = detector(&spec, SIZE, &config);
        let session = reloaded(&plain(&net, SIZE, &batch_of(&[3, SIZE[0], SIZE[1]])));
        for batch in [1, 2] {
            let input = images(batch, SIZE);
            assert_close(&run(&session, &input), &net.forward(&input), 1e-4, &format!("{batch} images"));
        }
    }
}

/// The classes of each pixel, at whatever size the input has.
fn segmenting(net: &Net, size: [i64; 2]) -> Model {
    let graph = read(&net.trace(&images(1, size)), &[4]);
    let mut builder = Builder::new("segmenter");
    let [batch, height, width] = ["batch", "height", "width"].map(Dim::named);
    let sides = [batch.clone(), Dim::Fixed(3), height.clone(), width.clone()];
    let given = builder.input("images", Element::F32, &sides).unwrap();
    let large = graph.then(&ends::maps()).unwrap();
    let large = builder.network(&large, std::slice::from_ref(&given)).unwrap().remove(0);
    let ids = builder.network(&ends::class_ids(), std::slice::from_ref(&large)).unwrap().remove(0);
    builder.output("logits", &large, &[batch.clone(), Dim::Fixed(CLASSES), height.clone(), width.clone()]).unwrap();
    builder.output("class_ids", &ids, &[batch, height, width]).unwrap();
    builder.finish(&Default::default()).unwrap()
}

#[test]
fn segmenters_run_like_libtorch_at_any_batch_and_size() {
    let plain = DeepLabV3Config { channels: 16, ..DeepLabV3Config::default() };
    let separable = DeepLabV3Config { separable: true, extra_conv: false, ..plain.clone() };
    for (output_stride, config) in
        [(OutputStride::Os32, &plain), (OutputStride::Os16, &plain), (OutputStride::Os8, &separable)]
    {
        let net = segmenter(&tiny(), output_stride, config);
        let session = reloaded(&segmenting(&net, SIZE));
        for (batch, size) in [(1, SIZE), (2, SIZE), (1, [97, 65])] {
            let input = images(batch, size);
            let logits = heads::deeplabv3::upsample(&net.forward(&input)[0], size).unwrap();
            let outputs = run(&session, &input);
            let what = format!("output stride {output_stride:?}, {batch} images of {size:?}");
            assert_close(&outputs[..1], &[logits.shallow_clone()], 1e-4, &what);
            let ids = array(&logits.argmax(1, false));
            let (formats::Data::I64(found), formats::Data::I64(expected)) = (outputs[1].data(), ids.data()) else {
                panic!("class ids are integers")
            };
            assert_eq!(outputs[1].shape(), ids.shape());
            let wrong = found.iter().zip(expected).filter(|(a, b)| a != b).count();
            assert!(wrong * 1000 <= found.len(), "{what}: {wrong} of {} class ids differ", found.len());
        }
    }
}
