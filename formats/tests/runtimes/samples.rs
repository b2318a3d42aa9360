//! Files of every task for `tools/check_onnx.py`, written to `target/tmp/onnx`: `NAME.onnx` with `NAME.in.safetensors` and
//! `NAME.out.safetensors`, the outputs of libtorch.

use std::path::{Path, PathBuf};

use crate::detector::{self, add_outputs, decoding, limits};
use crate::support::*;
use backbone::{Backbone, Mode, OutputStride, Spec, Variant};
use formats::Element;
use formats::graph::ends;
use formats::onnx::{Builder, Dim, Layout, Model};
use heads::{
    deeplabv3::DeepLabV3Config,
    ssdlite::{Predictions, SsdLite, SsdLiteConfig},
};
use tch::{Device, Kind, Tensor, nn};
use tch_ext::jit::Tracing;

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onnx");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn save(folder: &Path, name: &str, model: &Model, inputs: &[(&str, Tensor)], outputs: &[(&str, Tensor)]) {
    model.write(&folder.join(format!("{name}.onnx"))).unwrap();
    let write = |part: &str, tensors: &[(&str, Tensor)]| {
        let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (*name, tensor.contiguous())).collect();
        Tensor::write_safetensors(&tensors, folder.join(format!("{name}.{part}.safetensors"))).unwrap();
    };
    write("in", inputs);
    write("out", outputs);
}

#[test]
#[ignore = "long: writes files for tools/check_onnx.py"]
fn classifiers() {
    let folder = folder();
    for variant in Variant::ALL {
        let net = classifier(&Spec::from(variant));
        let size = [64, 64];
        let graph = read(&net.trace(&images(1, size)), &[4]);
        let mut builder = Builder::new("classifier");
        let given = builder.input("images", Element::U8, &batch_of(&[size[0], size[1], 3])).unwrap();
        let input = builder.normalize(&given, Layout::ChannelsLast, MEAN, STD).unwrap();
        let logits = builder.network(&graph, &[input]).unwrap().remove(0);
        let probabilities = builder.softmax(&logits, -1);
        builder.output("logits", &logits, &batch_of(&[CLASSES])).unwrap();
        builder.output("probabilities", &probabilities, &batch_of(&[CLASSES])).unwrap();
        let model = builder.finish(&[("classes".to_owned(), "a\nb".to_owned())].into()).unwrap();
        let photos = photos(3, size);
        let logits = net.forward(&normalized(&photos)).remove(0);
        let probabilities = logits.softmax(-1, Kind::Float);
        let outputs = [("logits", logits), ("probabilities", probabilities)];
        save(&folder, &format!("classifier_{variant}"), &model, &[("images", photos)], &outputs);
    }
}

#[test]
#[ignore = "long: writes files for tools/check_onnx.py"]
fn segmenters() {
    let folder = folder();
    for (name, spec, separable) in [("plain", narrow(Variant::S1), false), ("separable", narrow(Variant::S4), true)] {
        let config = DeepLabV3Config { channels: 32, separable, ..DeepLabV3Config::default() };
        let net = segmenter(&spec, OutputStride::Os16, &config);
        let graph = read(&net.trace(&images(1, [64, 64])), &[4]);
        let mut builder = Builder::new("segmenter");
        let [batch, height, width] = ["batch", "height", "width"].map(Dim::named);
        let sides = [batch.clone(), height.clone(), width.clone(), Dim::Fixed(3)];
        let given = builder.input("images", Element::U8, &sides).unwrap();
        let input = builder.normalize(&given, Layout::ChannelsLast, MEAN, STD).unwrap();
        let large = graph.then(&ends::maps()).unwrap();
        let large = builder.network(&large, std::slice::from_ref(&input)).unwrap().remove(0);
        let ids = builder.network(&ends::class_ids(), std::slice::from_ref(&large)).unwrap().remove(0);
        builder.output("logits", &large, &[batch.clone(), Dim::Fixed(CLASSES), height.clone(), width.clone()]).unwrap();
        builder.output("class_ids", &ids, &[batch, height, width]).unwrap();
        let model = builder.finish(&Default::default()).unwrap();
        let size = [97, 130];
        let photos = photos(2, size);
        let logits = heads::deeplabv3::upsample(&net.forward(&normalized(&photos))[0], size).unwrap();
        save(&folder, &format!("segmenter_{name}"), &model, &[("images", photos)], &[("logits", logits)]);
    }
}

/// The detections of `heads`.
fn expected(head: &SsdLite, predictions: &Predictions) -> Vec<(&'static str, Tensor)> {
    let decoded = head.decode(predictions).unwrap();
    let found = head.detect(predictions).unwrap();
    let boxes: Vec<f32> = found.iter().flat_map(|found| found.boxes.as_flattened().to_vec()).collect();
    let scores: Vec<f32> = found.iter().flat_map(|found| found.scores.clone()).collect();
    let labels: Vec<i64> = found.iter().flat_map(|found| found.labels.clone()).collect();
    let image: Vec<i64> = (0..).zip(&found).flat_map(|(index, found)| vec![index; found.scores.len()]).collect();
    vec![
        ("boxes", Tensor::from_slice(&boxes).view([-1, 4])),
        ("scores", Tensor::from_slice(&scores)),
        ("labels", Tensor::from_slice(&labels)),
        ("image", Tensor::from_slice(&image)),
        ("all_scores", decoded.scores),
        ("all_boxes", decoded.boxes),
    ]
}

/// Random predictions for a thousand images, with many equal scores.
#[test]
#[ignore = "long: writes files for tools/check_onnx.py"]
fn suppression() {
    let folder = folder();
    let head = detector::head(&detector::config());
    let predictions = detector::predictions(0, 1000, head.anchors().len() as i64, 1.5);
    let model = detector::post_processing(&head, &detector::config());
    let outputs = expected(&head, &predictions);
    let Predictions { logits, deltas } = predictions;
    save(&folder, "suppression", &model, &[("logits", logits), ("deltas", deltas)], &outputs);
}

#[test]
#[ignore = "long: writes files for tools/check_onnx.py"]
fn detectors() {
    let folder = folder();
    let size = [96, 128];
    for (name, spec, topk_candidates) in [("s0", narrow(Variant::S0), 300), ("tiny", tiny(), 20)] {
        let config = SsdLiteConfig { topk_candidates, detections_per_image: 50, ..SsdLiteConfig::default() };
        let store = nn::VarStore::new(Device::Cpu);
        tch::manual_seed(9);
        let (backbone, head) = detector_head(&store.root(), &spec, size, &config);
        let mut variables: Vec<_> = store.variables().into_iter().collect();
        variables.sort_by(|a, b| a.0.cmp(&b.0));
        tch::no_grad(|| {
            for (_, tensor) in variables.iter_mut().filter(|(name, _)| name.starts_with("head.")) {
                let _ = tensor.normal_(0.0, 0.3);
            }
        });
        let forward = |images: &Tensor| {
            tch::no_grad(|| head.forward(&backbone.forward(images, Mode::Eval).unwrap(), Mode::Eval).unwrap())
        };
        let tracing = Tracing::new("Net").parameters(&variables).input("images", &images(1, size));
        let module = tracing
            .record(|inputs| -> Result<_, tch_ext::Error> {
                let predictions = forward(&inputs[0]);
                Ok(vec![predictions.logits, predictions.deltas])
            })
            .unwrap();
        let mut builder = Builder::new("detector");
        let given = builder.input("images", Element::U8, &batch_of(&[size[0], size[1], 3])).unwrap();
        let input = builder.normalize(&given, Layout::ChannelsLast, MEAN, STD).unwrap();
        let outputs = builder.network(&read(&module, &[input.rank()]), &[input]).unwrap();
        let decoded = builder.decode(&outputs[0], &outputs[1], &decoding(&head)).unwrap();
        let found = builder.suppress(&decoded, &limits(&config)).unwrap();
        add_outputs(&mut builder, &decoded, &found, head.anchors().len() as i64);
        let model = builder.finish(&Default::default()).unwrap();

        let photos = photos(2, size);
        let predictions = forward(&normalized(&photos));
        let outputs = expected(&head, &predictions);
        save(&folder, &format!("detector_{name}"), &model, &[("images", photos)], &outputs);
    }
}
