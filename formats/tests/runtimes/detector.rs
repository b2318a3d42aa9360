//! Decoding and non-maximum suppression in the graph equal those of `heads`.

use crate::support::*;
use backbone::{Backbone, Form, OutputStride};
use formats::graph::ends::{Decoding, Suppression};
use formats::onnx::{Builder, Decoded, Detections, Dim, Model, Session};
use formats::{Array, Data, Element, Error};
use heads::HeadSpec;
use heads::ssdlite::{Predictions, SsdLite, SsdLiteConfig};
use proptest::prelude::*;
use tch::{Device, Kind, Tensor, nn};

const SIZE: [i64; 2] = [64, 96];

/// A head with few anchors. Its network is not used: predictions are random.
pub fn head(config: &SsdLiteConfig) -> SsdLite {
    let store = nn::VarStore::new(Device::Cpu);
    let (channels, output_stride) = ([4, 6, 12, 20], OutputStride::Os32);
    let spec = HeadSpec { channels, output_stride, classes: CLASSES, form: Form::Deploy };
    SsdLite::new(&store.root(), &spec, SIZE, config).unwrap()
}

pub fn config() -> SsdLiteConfig {
    SsdLiteConfig { extra_channels: vec![8], score_threshold: 0.1, ..SsdLiteConfig::default() }
}

pub fn decoding(head: &SsdLite) -> Decoding<'_> {
    Decoding {
        anchors: head.anchors().boxes(),
        weights: head.coder().weights(),
        size: head.anchors().size(),
        classes: CLASSES as usize,
    }
}

pub fn limits(config: &SsdLiteConfig) -> Suppression {
    Suppression {
        score_threshold: config.score_threshold,
        iou_threshold: config.nms_threshold,
        topk_candidates: config.topk_candidates,
        detections_per_image: config.detections_per_image,
    }
}

/// Adds everything as an output.
pub fn add_outputs(builder: &mut Builder, decoded: &Decoded, found: &Detections, anchors: i64) {
    let list = [Dim::named("detections")];
    builder.output("boxes", &found.boxes, &[Dim::named("detections"), Dim::Fixed(4)]).unwrap();
    builder.output("scores", &found.scores, &list).unwrap();
    builder.output("labels", &found.labels, &list).unwrap();
    builder.output("image", &found.images, &list).unwrap();
    builder.output("all_scores", &decoded.scores, &batch_of(&[anchors, CLASSES + 1])).unwrap();
    builder.output("all_boxes", &decoded.boxes, &batch_of(&[anchors, 4])).unwrap();
}

/// Predictions to probabilities and boxes, and to detections.
pub fn post_processing(head: &SsdLite, config: &SsdLiteConfig) -> Model {
    let anchors = head.anchors().len() as i64;
    let mut builder = Builder::new("detector");
    let logits = builder.input("logits", Element::F32, &batch_of(&[anchors, CLASSES + 1])).unwrap();
    let deltas = builder.input("deltas", Element::F32, &batch_of(&[anchors, 4])).unwrap();
    let decoded = builder.decode(&logits, &deltas, &decoding(head)).unwrap();
    let found = builder.suppress(&decoded, &limits(config)).unwrap();
    add_outputs(&mut builder, &decoded, &found, anchors);
    builder.finish(&Default::default()).unwrap()
}

fn floats(array: &Array) -> &[f32] {
    let Data::F32(values) = array.data() else { panic!("{array:?}") };
    values
}

fn integers(array: &Array) -> &[i64] {
    let Data::I64(values) = array.data() else { panic!("{array:?}") };
    values
}

/// Predictions with large boxes and many equal scores: each anchor has one of a few rows of logits, and in half of them two
/// classes are equal. (Equal rows have equal probabilities in whatever order a runtime adds.)
pub fn predictions(seed: i64, images: i64, anchors: i64, spread: f64) -> Predictions {
    tch::manual_seed(seed);
    let rows = Tensor::randn([12, CLASSES + 1], FLOATS) * spread;
    rows.narrow(0, 0, 6).select(1, 2).copy_(&rows.narrow(0, 0, 6).select(1, 3));
    let chosen = Tensor::randint(12, [images * anchors], (Kind::Int64, Device::Cpu));
    let logits = rows.index_select(0, &chosen).view([images, anchors, CLASSES + 1]);
    Predictions { logits, deltas: Tensor::randn([images, anchors, 4], FLOATS) * 2.0 }
}

/// The first difference between the graph and `heads` in words; `None` where they are equal.
fn difference(head: &SsdLite, session: &Session, predictions: &Predictions) -> Option<String> {
    let outputs = session.run(&[array(&predictions.logits), array(&predictions.deltas)]).unwrap();
    let decoded = head.decode(predictions).unwrap();
    assert!(relative(&outputs[4], &array(&decoded.scores)) <= 1e-6);
    assert!(relative(&outputs[5], &array(&decoded.boxes)) <= 1e-6);
    let (boxes, scores) = (floats(&outputs[0]), floats(&outputs[1]));
    let (labels, images) = (integers(&outputs[2]), integers(&outputs[3]));
    let mut position = 0;
    for (image, expected) in (0..).zip(head.detect(predictions).unwrap()) {
        for (index, bbox) in expected.boxes.iter().enumerate() {
            if images.get(position) != Some(&image) {
                return Some(format!("image {image} has {index} detections and not {}", expected.boxes.len()));
            }
            let found = &boxes[position * 4..][..4];
            let near = found.iter().zip(bbox).all(|(a, b)| (a - b).abs() <= 1e-3);
            if labels[position] != expected.labels[index]
                || (scores[position] - expected.scores[index]).abs() > 1e-6
                || !near
            {
                return Some(format!("image {image}, detection {index}: {found:?}, expected {bbox:?}"));
            }
            position += 1;
        }
    }
    (position != scores.len()).then(|| format!("{} detections and not {position}", scores.len()))
}

#[test]
fn suppression_equals_that_of_the_heads_in_a_thousand_cases_ties_included() {
    let head = head(&config());
    let anchors = head.anchors().len() as i64;
    let session = reloaded(&post_processing(&head, &config()));
    let mut found = 0;
    for seed in 0..250 {
        let spread = [0.5, 1.0, 2.0, 4.0][seed as usize % 4];
        // Four images per run.
        let predictions = predictions(seed, 4, anchors, spread);
        assert_eq!(difference(&head, &session, &predictions), None, "seed {seed}");
        found += head.detect(&predictions).unwrap().iter().map(|found| found.scores.len()).sum::<usize>();
    }
    assert!(found > 10_000, "{found} detections are too few for a test");
}

#[test]
fn both_limits_hold_for_each_image() {
    for (topk_candidates, detections_per_image) in [(3, 300), (300, 4), (5, 7), (1, 1)] {
        let config = SsdLiteConfig { topk_candidates, detections_per_image, ..config() };
        let head = head(&config);
        let session = reloaded(&post_processing(&head, &config));
        for seed in 0..10 {
            let predictions = predictions(seed, 3, head.anchors().len() as i64, 1.5);
            assert_eq!(difference(&head, &session, &predictions), None, "{topk_candidates}, {detections_per_image}");
            let found = head.detect(&predictions).unwrap();
            assert!(found.iter().all(|found| !found.scores.is_empty()));
        }
    }
}

#[test]
fn no_detections_are_empty_arrays() {
    let config = SsdLiteConfig { score_threshold: 0.9, ..config() };
    let head = head(&config);
    let session = reloaded(&post_processing(&head, &config));
    let anchors = head.anchors().len() as i64;
    for images in [1, 2] {
        let logits = Tensor::zeros([images, anchors, CLASSES + 1], FLOATS);
        let deltas = Tensor::zeros([images, anchors, 4], FLOATS);
        let outputs = session.run(&[array(&logits), array(&deltas)]).unwrap();
        let shapes: Vec<_> = outputs[..4].iter().map(Array::shape).collect();
        assert_eq!(shapes, [&[0, 4][..], &[0], &[0], &[0]]);
    }
}

#[test]
fn a_detector_goes_from_pixels_to_detections() {
    let config = config();
    let store = nn::VarStore::new(Device::Cpu);
    tch::manual_seed(9);
    let (backbone, head) = detector_head(&store.root(), &tiny(), SIZE, &config);
    let mut parameters: Vec<_> = store.variables().into_iter().collect();
    // The same network in each run: one overlap near the threshold may be decided otherwise by a runtime's rounding.
    parameters.sort_by(|a, b| a.0.cmp(&b.0));
    tch::no_grad(|| {
        for (_, tensor) in parameters.iter_mut().filter(|(name, _)| name.starts_with("head.")) {
            let _ = tensor.normal_(0.0, 0.5);
        }
    });
    let eval = backbone::Mode::Eval;
    let forward = |images: &Tensor| head.forward(&backbone.forward(images, eval).unwrap(), eval);
    let input = images(2, SIZE);
    let tracing = tch_ext::jit::Tracing::new("Net").parameters(&parameters).input("images", &input);
    let module = tracing
        .record(|inputs| -> Result<_, tch_ext::Error> {
            let Predictions { logits, deltas } = forward(&inputs[0]).unwrap();
            Ok(vec![logits, deltas])
        })
        .unwrap();
    let mut builder = Builder::new("detector");
    let given = builder.input("images", Element::F32, &batch_of(&[3, SIZE[0], SIZE[1]])).unwrap();
    let outputs = builder.network(&read(&module, &[given.rank()]), &[given]).unwrap();
    let decoded = builder.decode(&outputs[0], &outputs[1], &decoding(&head)).unwrap();
    let found = builder.suppress(&decoded, &limits(&config)).unwrap();
    for (name, value) in [("scores", &found.scores), ("labels", &found.labels), ("image", &found.images)] {
        builder.output(name, value, &[Dim::named("detections")]).unwrap();
    }
    let session = reloaded(&builder.finish(&Default::default()).unwrap());
    let outputs = session.run(&[array(&input)]).unwrap();
    let expected = tch::no_grad(|| head.detect(&forward(&input).unwrap()).unwrap());
    let scores: Vec<f32> = expected.iter().flat_map(|found| found.scores.clone()).collect();
    assert!(scores.len() > 10, "{} detections are too few for a test", scores.len());
    assert_eq!(outputs[0].shape(), [scores.len()]);
    assert!(floats(&outputs[0]).iter().zip(&scores).all(|(a, b)| (a - b).abs() <= 1e-4));
    let labels: Vec<_> = expected.iter().flat_map(|found| found.labels.clone()).collect();
    let same = integers(&outputs[1]).iter().zip(&labels).filter(|(a, b)| a == b).count();
    assert!(same * 100 >= labels.len() * 95, "{same} of {} labels are the same", labels.len());
}

#[test]
fn invalid_settings_are_errors() {
    let mut builder = Builder::new("wrong");
    let logits = builder.input("logits", Element::F32, &batch_of(&[2, 3])).unwrap();
    let deltas = builder.input("deltas", Element::F32, &batch_of(&[2, 4])).unwrap();
    let anchors = [[0.0, 0.0, 4.0, 4.0]; 2];
    let right = Decoding { anchors: &anchors, weights: [10.0, 10.0, 5.0, 5.0], size: [8, 8], classes: 2 };
    for wrong in [
        Decoding { anchors: &[], ..right },
        Decoding { classes: 0, ..right },
        Decoding { weights: [1.0, 0.0, 1.0, 1.0], ..right },
        Decoding { size: [8, 0], ..right },
    ] {
        assert!(matches!(builder.decode(&logits, &deltas, &wrong).unwrap_err(), Error::Value { .. }), "{wrong:?}");
    }
    let decoded = builder.decode(&logits, &deltas, &right).unwrap();
    let right = Suppression { score_threshold: 0.1, iou_threshold: 0.5, topk_candidates: 10, detections_per_image: 10 };
    for wrong in [
        Suppression { score_threshold: f64::NAN, ..right },
        Suppression { iou_threshold: 1.5, ..right },
        Suppression { topk_candidates: 0, ..right },
        Suppression { detections_per_image: 0, ..right },
    ] {
        assert!(matches!(builder.suppress(&decoded, &wrong).unwrap_err(), Error::Value { .. }), "{wrong:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Offsets far outside of those that training produces.
    #[test]
    fn decoded_boxes_are_within_the_image(seed in 0..1000_i64, scale in 0.01..100.0_f64) {
        let head = head(&config());
        let anchors = head.anchors().len() as i64;
        let predictions = predictions(seed, 1, anchors, 1.0);
        let predictions = Predictions { deltas: predictions.deltas * scale, ..predictions };
        let mut builder = Builder::new("decoder");
        let logits = builder.input("logits", Element::F32, &batch_of(&[anchors, CLASSES + 1])).unwrap();
        let deltas = builder.input("deltas", Element::F32, &batch_of(&[anchors, 4])).unwrap();
        let decoded = builder.decode(&logits, &deltas, &decoding(&head)).unwrap();
        builder.output("boxes", &decoded.boxes, &batch_of(&[anchors, 4])).unwrap();
        builder.output("scores", &decoded.scores, &batch_of(&[anchors, CLASSES + 1])).unwrap();
        let session = reloaded(&builder.finish(&Default::default()).unwrap());
        let outputs = session.run(&[array(&predictions.logits), array(&predictions.deltas)]).unwrap();
        let expected = array(&head.decode(&predictions).unwrap().boxes.to_kind(Kind::Float));
        prop_assert!(relative(&outputs[0], &expected) <= 1e-5);
        for bbox in floats(&outputs[0]).chunks_exact(4) {
            prop_assert!(bbox[0] >= 0.0 && bbox[1] >= 0.0 && bbox[2] <= SIZE[1] as f32 && bbox[3] <= SIZE[0] as f32);
        }
    }
}
