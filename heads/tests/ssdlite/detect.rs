use std::collections::BTreeMap;

use heads::{
    Error,
    ssdlite::{Detections, Predictions, SsdLiteConfig, nms::nms},
};
use tch::{Device, Kind, Tensor};

use crate::support::{floats, golden, head, integers, relative, rows};

const SIZE: [i64; 2] = [96, 96];
const CLASSES: i64 = 5;

fn random(golden: &BTreeMap<String, Tensor>) -> Predictions {
    Predictions { logits: golden["logits"].shallow_clone(), deltas: golden["deltas"].shallow_clone() }
}

fn tied(golden: &BTreeMap<String, Tensor>) -> Predictions {
    let logits = golden["tied.logits"].shallow_clone();
    let deltas = Tensor::zeros([1, logits.size()[1], 4], (Kind::Float, Device::Cpu));
    Predictions { logits, deltas }
}

#[track_caller]
fn assert_detections(found: &[Detections], golden: &BTreeMap<String, Tensor>, case: &str) {
    for (image, found) in found.iter().enumerate() {
        let expected = |name| &golden[&format!("{case}.{image}.{name}")];
        assert_eq!(found.labels, integers(expected("labels")), "{case}, image {image}");
        if !found.labels.is_empty() {
            let scores = Tensor::from_slice(&found.scores);
            assert!(relative(&scores, expected("scores")) < 1e-6, "{case}, image {image}");
            let boxes = Tensor::from_slice(found.boxes.as_flattened()).view([-1, 4]);
            assert!(relative(&boxes, expected("boxes")) < 1e-6, "{case}, image {image}");
        }
    }
}

#[test]
fn detections_equal_torchvision() {
    let golden = golden("post_processing");
    let found = head(SIZE, CLASSES, &SsdLiteConfig::default()).detect(&random(&golden)).unwrap();
    assert_eq!(found.len(), 2);
    assert_detections(&found, &golden, "default");
}

#[test]
fn detections_under_strict_limits_equal_torchvision() {
    let golden = golden("post_processing");
    let config = SsdLiteConfig {
        score_threshold: 0.3,
        nms_threshold: 0.2,
        topk_candidates: 25,
        detections_per_image: 40,
        ..SsdLiteConfig::default()
    };
    let found = head(SIZE, CLASSES, &config).detect(&random(&golden)).unwrap();
    assert_detections(&found, &golden, "strict");
}

#[test]
fn detections_of_equal_score_come_in_the_order_of_torchvision() {
    let golden = golden("post_processing");
    let found = head(SIZE, CLASSES, &SsdLiteConfig::default()).detect(&tied(&golden)).unwrap();
    assert_detections(&found, &golden, "tied");
}

#[test]
fn each_class_has_at_most_the_allowed_candidates() {
    let golden = golden("post_processing");
    let config = SsdLiteConfig { topk_candidates: 2, nms_threshold: 1.0, ..SsdLiteConfig::default() };
    for found in head(SIZE, CLASSES, &config).detect(&random(&golden)).unwrap() {
        let mut labels = found.labels;
        labels.sort_unstable();
        assert_eq!(labels, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
    }
}

#[test]
fn a_score_equal_to_the_threshold_is_not_a_detection() {
    let mut predictions = tied(&golden("post_processing"));
    predictions.logits = predictions.logits.full_like(-200.0);
    let _ = predictions.logits.select(-1, 0).fill_(0.0);
    let _ = predictions.logits.get(0).get(17).get(3).fill_(0.0);
    let labels = |score_threshold| {
        let config = SsdLiteConfig { score_threshold, ..SsdLiteConfig::default() };
        head(SIZE, CLASSES, &config).detect(&predictions).unwrap().remove(0).labels
    };
    assert!(labels(0.5).is_empty());
    assert_eq!(labels(0.499), [3]);
}

#[test]
fn an_image_without_candidates_has_no_detections() {
    let golden = golden("post_processing");
    let config = SsdLiteConfig { score_threshold: 0.9, ..SsdLiteConfig::default() };
    assert_eq!(head(SIZE, CLASSES, &config).detect(&tied(&golden)).unwrap(), [Detections::default()]);
    assert_eq!(golden["nothing.0.boxes"].size(), [0, 4]);
}

/// Torchvision's steps one by one on the decoded outputs.
fn step_by_step(scores: &Tensor, boxes: &Tensor, config: &SsdLiteConfig) -> Vec<(i64, f32, [f32; 4])> {
    let (scores, boxes) = (scores.transpose(0, 1), rows(boxes));
    let mut candidates = Vec::new();
    for label in 1..=CLASSES {
        let scores = floats(&scores.get(label));
        let mut best: Vec<usize> = (0..boxes.len()).filter(|&a| scores[a] > config.score_threshold as f32).collect();
        best.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        candidates.extend(best.iter().take(config.topk_candidates).map(|&a| (label, scores[a], boxes[a])));
    }
    let column = candidates.iter().map(|&(_, _, bbox)| bbox).collect::<Vec<_>>();
    let scores = candidates.iter().map(|&(_, score, _)| score).collect::<Vec<_>>();
    let classes = candidates.iter().map(|&(label, ..)| label as usize).collect::<Vec<_>>();
    let kept = nms(&column, &scores, &classes, config.nms_threshold);
    kept.into_iter().take(config.detections_per_image).map(|index| candidates[index]).collect()
}

#[test]
fn detections_equal_the_single_steps_where_more_than_one_portion_is_sorted() {
    let config = SsdLiteConfig { nms_threshold: 0.05, topk_candidates: 700, ..SsdLiteConfig::default() };
    let head = head([256, 320], CLASSES, &config);
    tch::manual_seed(11);
    let anchors = head.anchors().len() as i64;
    let options = (Kind::Float, Device::Cpu);
    let predictions = Predictions {
        logits: Tensor::randn([3, anchors, CLASSES + 1], options) * 2,
        deltas: Tensor::randn([3, anchors, 4], options),
    };
    let decoded = head.decode(&predictions).unwrap();
    let candidates = i64::try_from(decoded.scores.narrow(-1, 1, CLASSES).gt(0.001).sum(Kind::Int64)).unwrap();
    assert!(candidates > 3 * 3000, "{candidates} candidates do not fill a second portion");
    for (image, found) in (0..).zip(head.detect(&predictions).unwrap()) {
        let expected = step_by_step(&decoded.scores.get(image), &decoded.boxes.get(image), &config);
        assert_eq!(found.labels, expected.iter().map(|&(label, ..)| label).collect::<Vec<_>>());
        assert_eq!(found.scores, expected.iter().map(|&(_, score, _)| score).collect::<Vec<_>>());
        for (bbox, (_, _, expected)) in found.boxes.iter().zip(expected) {
            assert!(bbox.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-3), "{bbox:?} instead of {expected:?}");
        }
    }
}

#[test]
fn decoded_boxes_lie_within_the_image_and_scores_sum_to_one() {
    let golden = golden("post_processing");
    let decoded = head(SIZE, CLASSES, &SsdLiteConfig::default()).decode(&random(&golden)).unwrap();
    assert_eq!(decoded.boxes.size(), golden["deltas"].size());
    assert_eq!(decoded.boxes.min().double_value(&[]), 0.0);
    assert_eq!(decoded.boxes.max().double_value(&[]), 96.0);
    let sums = decoded.scores.sum_dim_intlist(-1, false, Kind::Float);
    assert!(relative(&sums, &sums.ones_like()) < 1e-6);
}

#[test]
fn all_boxes_decoded_at_once_equal_those_decoded_one_by_one() {
    let head = head([64, 128], CLASSES, &SsdLiteConfig::default());
    let anchors = head.anchors().boxes();
    // Grown to the limit and moved left until the right edge is near the image.
    let deltas: Vec<[f32; 4]> =
        (0..anchors.len()).map(|anchor| [-310.0 - anchor as f32 / 50.0, 1.0, 25.0, -2.0]).collect();
    let predictions = Predictions {
        logits: Tensor::zeros([1, anchors.len() as i64, CLASSES + 1], (Kind::Float, Device::Cpu)),
        deltas: Tensor::from_slice(deltas.as_flattened()).view([1, -1, 4]),
    };
    let expected: Vec<[f32; 4]> = deltas
        .iter()
        .zip(anchors)
        .map(|(deltas, anchor)| {
            let [x1, y1, x2, y2] = head.coder().decode(deltas, anchor);
            [x1.clamp(0.0, 128.0), y1.clamp(0.0, 64.0), x2.clamp(0.0, 128.0), y2.clamp(0.0, 64.0)]
        })
        .collect();
    assert!(expected.iter().filter(|bbox| bbox[2] > 0.0 && bbox[2] < 128.0).count() > 50);
    let decoded = head.decode(&predictions).unwrap().boxes.squeeze_dim(0);
    assert!(relative(&decoded, &Tensor::from_slice(expected.as_flattened()).view([-1, 4])) < 1e-5);
}

#[test]
fn a_predicted_box_that_is_not_a_number_is_an_error() {
    let golden = golden("post_processing");
    let head = head(SIZE, CLASSES, &SsdLiteConfig::default());
    let predictions = Predictions { logits: golden["logits"].shallow_clone(), deltas: golden["deltas"].copy() };
    let _ = predictions.deltas.get(1).fill_(f64::NAN);
    let error = head.detect(&predictions).unwrap_err();
    assert!(matches!(error, Error::NotANumber { image: 1, .. }), "{error}");
}

#[test]
fn scores_that_are_not_numbers_are_not_detections() {
    let golden = golden("post_processing");
    let predictions = Predictions { logits: golden["logits"].full_like(f64::NAN), deltas: golden["deltas"].copy() };
    let found = head(SIZE, CLASSES, &SsdLiteConfig::default()).detect(&predictions).unwrap();
    assert_eq!(found, [Detections::default(), Detections::default()]);
}

#[test]
fn an_empty_batch_has_no_detections() {
    let head = head(SIZE, CLASSES, &SsdLiteConfig::default());
    let anchors = head.anchors().len() as i64;
    let options = (Kind::Float, Device::Cpu);
    let predictions = Predictions {
        logits: Tensor::zeros([0, anchors, CLASSES + 1], options),
        deltas: Tensor::zeros([0, anchors, 4], options),
    };
    assert!(head.detect(&predictions).unwrap().is_empty());
}
