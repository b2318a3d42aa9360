//! What an exported detector does after its network: suppression within each class, and the best of what stays.

use formats::onnx::{self, Decoding, Dim};
use heads::ssdlite::{Decoded, Detections, SsdLiteConfig, select};
use tch::{Kind, Tensor};

use crate::config::ImageSize;
use crate::failure::Failure;
use crate::task::{OnnxGraph, Port, Shipped, foreign_outputs, relative_difference};

/// The suppression of [`heads::ssdlite`], in TorchScript: of one class's boxes, best first, the places of those that stay. An
/// overlap is compared in fp64, as there; one that is not a number suppresses nothing.
const SUPPRESS: &str = r#"
def suppress(self, boxes, threshold: float, most: int):
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept: List[Tensor] = []
    rest = torch.arange(boxes.size(0), device=boxes.device)
    while rest.numel() > 0 and len(kept) < most:
        best = rest[:1]
        kept.append(best)
        rest = rest[1:]
        corner = torch.max(boxes[best, :2], boxes[rest, :2])
        extent = (torch.min(boxes[best, 2:], boxes[rest, 2:]) - corner).clamp(min=0)
        shared = extent[:, 0] * extent[:, 1]
        overlap = shared / (areas[best] + areas[rest] - shared)
        rest = rest[torch.logical_not(overlap.double() > threshold)]
    if len(kept) == 0:
        return rest
    return torch.cat(kept)
"#;

/// Equal scores keep their order: the lower class first, within a class the earlier anchor.
const DETECT: &str = r#"
def detect(self, boxes, scores) -> Tuple[Tensor, Tensor, Tensor]:
    best_boxes: List[Tensor] = [boxes[:0]]
    best_scores: List[Tensor] = [scores[:0, 0]]
    labels: List[Tensor] = [torch.zeros([0], dtype=4, device=boxes.device)]
    for label in range(1, scores.size(1)):
        column = scores[:, label]
        chosen = torch.where(column > {SCORE})[0]
        if chosen.numel() > 0:
            values, order = torch.sort(column[chosen], stable=True, dim=0, descending=True)
            values = values[:{TOPK}]
            candidates = boxes[chosen[order[:{TOPK}]]]
            kept = self.suppress(candidates, {IOU}, {MOST})
            best_boxes.append(candidates[kept])
            best_scores.append(values[kept])
            labels.append(torch.full_like(kept, label))
    values, order = torch.sort(torch.cat(best_scores), stable=True, dim=0, descending=True)
    order = order[:{MOST}]
    return torch.cat(best_boxes)[order], values[:{MOST}], torch.cat(labels)[order]
"#;

const BODY: &str = "\
all_boxes: List[Tensor] = []
all_scores: List[Tensor] = []
all_labels: List[Tensor] = []
all_images: List[Tensor] = []
for image in range(boxes.size(0)):
    found, values, labels = self.detect(boxes[image], scores[image])
    all_boxes.append(found)
    all_scores.append(values)
    all_labels.append(labels)
    all_images.append(torch.full_like(labels, image))
return torch.cat(all_boxes), torch.cat(all_scores), torch.cat(all_labels), torch.cat(all_images)";

pub(super) fn detector(config: &SsdLiteConfig, classes: usize, raw: bool) -> Shipped {
    let names = &["boxes", "scores"];
    if raw {
        let columns = (classes + 1).to_string();
        let boxes = "corners x1, y1, x2, y2 in pixels of the input, one box an anchor";
        let outputs = vec![
            Port::new("boxes", "float32", &["N", "A", "4"], boxes),
            Port::new("scores", "float32", &["N", "A", &columns], "probabilities of the classes, background first"),
        ];
        let body = "return boxes, scores".to_owned();
        return Shipped { helpers: String::new(), names, body, outputs, fixed_size: true };
    }
    let numbers = [
        // Compared with fp32 scores, and to the bit as the fp32 threshold of the head.
        ("{SCORE}", format!("{:?}", f64::from(config.score_threshold as f32))),
        ("{IOU}", format!("{:?}", config.nms_threshold)),
        ("{TOPK}", config.topk_candidates.to_string()),
        ("{MOST}", config.detections_per_image.to_string()),
    ];
    let detect = numbers.iter().fold(DETECT.to_owned(), |text, (name, value)| text.replace(name, value));
    let outputs = vec![
        Port::new("boxes", "float32", &["M", "4"], "corners x1, y1, x2, y2 in pixels of the input"),
        Port::new("scores", "float32", &["M"], "probabilities, within an image the best first"),
        Port::new("labels", "int64", &["M"], "places in the list of classes, from 1"),
        Port::new("image_index", "int64", &["M"], "which image of the batch, from 0"),
    ];
    Shipped { helpers: format!("{SUPPRESS}{detect}"), names, body: BODY.to_owned(), outputs, fixed_size: true }
}

/// The same last steps as nodes of an ONNX file.
pub(super) fn onnx(
    config: &SsdLiteConfig,
    decoding: &Decoding<'_>,
    graph: &mut OnnxGraph<'_>,
    raw: bool,
) -> Result<(), onnx::Error> {
    let OnnxGraph { builder, numbers, batch, .. } = graph;
    let decoded = builder.decode(&numbers[0], &numbers[1], decoding)?;
    if raw {
        let (anchors, columns) = (decoding.anchors.len() as i64, decoding.classes as i64 + 1);
        let sides = |last| [batch.clone(), Dim::Fixed(anchors), Dim::Fixed(last)];
        builder.output("boxes", &decoded.boxes, &sides(4))?;
        return builder.output("scores", &decoded.scores, &sides(columns));
    }
    let limits = onnx::Suppression {
        score_threshold: config.score_threshold,
        iou_threshold: config.nms_threshold,
        topk_candidates: config.topk_candidates,
        detections_per_image: config.detections_per_image,
    };
    let found = builder.suppress(&decoded, &limits)?;
    let count = Dim::named("detections");
    builder.output("boxes", &found.boxes, &[count.clone(), Dim::Fixed(4)])?;
    for (name, value) in [("scores", &found.scores), ("labels", &found.labels), ("image_index", &found.images)] {
        builder.output(name, value, std::slice::from_ref(&count))?;
    }
    Ok(())
}

pub(super) fn read(
    config: &SsdLiteConfig,
    outputs: &[Tensor],
    raw: bool,
    images: usize,
) -> Result<Vec<Detections>, Failure> {
    if raw {
        let [boxes, scores] = outputs else { return Err(foreign_outputs("boxes and scores", outputs)) };
        let decoded = Decoded { scores: scores.shallow_clone(), boxes: boxes.shallow_clone() };
        return select(&decoded, config).map_err(Failure::failed);
    }
    let [boxes, scores, labels, places] = outputs else {
        return Err(foreign_outputs("boxes, scores, labels and image_index", outputs));
    };
    let flat = boxes.to_kind(Kind::Float).contiguous().view(-1);
    let flat = Vec::<f32>::try_from(flat).map_err(Failure::failed)?;
    let scores = Vec::<f32>::try_from(scores.to_kind(Kind::Float)).map_err(Failure::failed)?;
    let whole = |numbers: &Tensor| Vec::<i64>::try_from(numbers.to_kind(Kind::Int64)).map_err(Failure::failed);
    let (labels, places) = (whole(labels)?, whole(places)?);
    let (corners, _) = flat.as_chunks::<4>();
    if [corners.len(), labels.len(), places.len()] != [scores.len(); 3] {
        return Err(foreign_outputs("as many boxes as scores, labels and images", outputs));
    }
    let mut found = vec![Detections::default(); images];
    for ((corners, score), (label, place)) in corners.iter().zip(scores).zip(labels.into_iter().zip(places)) {
        let Some(found) = usize::try_from(place).ok().and_then(|place| found.get_mut(place)) else {
            return Err(Failure::failed(format!("the file says something about image {place} of {images}")));
        };
        found.boxes.push(*corners);
        found.scores.push(score);
        found.labels.push(label);
    }
    Ok(found)
}

/// Detections in the shape of an exported file's outputs.
pub(super) fn as_outputs(found: &[Detections]) -> Vec<Tensor> {
    let boxes: Vec<f32> = found.iter().flat_map(|found| found.boxes.as_flattened().iter().copied()).collect();
    let scores: Vec<f32> = found.iter().flat_map(|found| found.scores.iter().copied()).collect();
    let labels: Vec<i64> = found.iter().flat_map(|found| found.labels.iter().copied()).collect();
    let images = (0i64..).zip(found).flat_map(|(image, found)| vec![image; found.labels.len()]);
    let images: Vec<i64> = images.collect();
    vec![
        Tensor::from_slice(&boxes).view([-1, 4]),
        Tensor::from_slice(&scores),
        Tensor::from_slice(&labels),
        Tensor::from_slice(&images),
    ]
}

/// How far raw outputs are from the network's.
pub(super) fn raw_difference(expected: &Decoded, outputs: &[Tensor]) -> Result<f64, Failure> {
    let [boxes, scores] = outputs else { return Err(foreign_outputs("boxes and scores", outputs)) };
    Ok(relative_difference(&expected.boxes, boxes)?.max(relative_difference(&expected.scores, scores)?))
}

/// Two scores so near to each other that rounding decides which of them makes the list.
const TIE: f32 = 1e-5;

/// The largest difference between a detection of one list and the nearest of its class in the other: of scores, and of
/// corners relative to the longer side of the image. Detections that are only just in a list, by the threshold or by the
/// number of detections, may be missing from the other.
pub(super) fn difference(a: &Detections, b: &Detections, config: &SsdLiteConfig, size: ImageSize) -> f64 {
    let side = size.height.max(size.width) as f32;
    let last = |list: &Detections| {
        let full = list.scores.len() == config.detections_per_image;
        list.scores.last().copied().filter(|_| full).unwrap_or(config.score_threshold as f32)
    };
    let cut = last(a).max(last(b)) + TIE;
    let farthest = |from: &Detections, to: &Detections| -> f32 {
        let one = |index: usize| {
            let same = (0..to.labels.len()).filter(|&other| to.labels[other] == from.labels[index]);
            let distance = |other: usize| {
                let corners = from.boxes[index].iter().zip(&to.boxes[other]).map(|(a, b)| (a - b).abs() / side);
                corners.fold((from.scores[index] - to.scores[other]).abs(), f32::max)
            };
            same.map(distance).fold(1.0, f32::min)
        };
        (0..from.scores.len()).filter(|&index| from.scores[index] > cut).map(one).fold(0.0, f32::max)
    };
    f64::from(farthest(a, b).max(farthest(b, a)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tch::Device;
    use tch_ext::jit::Module;

    fn scripted(config: &SsdLiteConfig, classes: usize) -> Module {
        let Shipped { helpers, body, .. } = detector(config, classes, false);
        let body: String = body.lines().map(|line| format!("    {line}\n")).collect();
        let mut module = Module::new("Detector").unwrap();
        let result = "Tuple[Tensor, Tensor, Tensor, Tensor]";
        module.define(&format!("{helpers}\ndef forward(self, boxes, scores) -> {result}:\n{body}")).unwrap();
        module
    }

    /// Boxes on a coarse grid and scores of few values, so that overlaps meet the threshold exactly and scores are equal.
    fn decoded(images: usize, anchors: usize, classes: usize, numbers: &[u8]) -> Decoded {
        let mut numbers = numbers.iter().copied().cycle();
        let mut next = |levels: u8| f32::from(numbers.next().unwrap_or(0) % levels);
        let mut boxes = Vec::new();
        let mut scores = Vec::new();
        for _ in 0..images * anchors {
            let (x, y, width, height) = (next(6), next(6), next(5), next(5));
            boxes.extend([x, y, x + width, y + height]);
            scores.extend((0..=classes).map(|_| next(9) / 8.0));
        }
        let (images, anchors) = (images as i64, anchors as i64);
        Decoded {
            boxes: Tensor::from_slice(&boxes).view([images, anchors, 4]),
            scores: Tensor::from_slice(&scores).view([images, anchors, -1]),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// The suppression inside an exported file keeps the same boxes in the same order as the head, ties included.
        #[test]
        fn suppression_in_torchscript_is_that_of_the_head(
            images in 1usize..3, anchors in 1usize..25, classes in 1usize..4,
            numbers in proptest::collection::vec(any::<u8>(), 97..398),
            (topk, most) in (1usize..12, 1usize..12),
            threshold in prop::sample::select(vec![0.0, 0.25, 1.0 / 3.0, 0.45, 0.5, 0.55, 1.0]),
        ) {
            let config = SsdLiteConfig {
                score_threshold: 0.2,
                nms_threshold: threshold,
                topk_candidates: topk,
                detections_per_image: most,
                ..SsdLiteConfig::default()
            };
            let decoded = decoded(images, anchors, classes, &numbers);
            let outputs = scripted(&config, classes).run(&[decoded.boxes.shallow_clone(), decoded.scores.shallow_clone()]);
            let found = read(&config, &outputs.unwrap(), false, images).unwrap();
            prop_assert_eq!(&found, &select(&decoded, &config).unwrap());
            prop_assert_eq!(&found, &read(&config, &[decoded.boxes, decoded.scores], true, images).unwrap());
        }
    }

    #[test]
    fn no_detections_are_a_list_too() {
        let empty = Decoded {
            boxes: Tensor::zeros([2, 3, 4], (Kind::Float, Device::Cpu)),
            scores: Tensor::zeros([2, 3, 5], (Kind::Float, Device::Cpu)),
        };
        let outputs = scripted(&SsdLiteConfig::default(), 4).run(&[empty.boxes, empty.scores]).unwrap();
        assert_eq!(outputs.iter().map(Tensor::size).collect::<Vec<_>>(), [vec![0, 4], vec![0], vec![0], vec![0]]);
        assert!(outputs[2].kind() == Kind::Int64 && outputs[3].kind() == Kind::Int64);
    }

    #[test]
    fn lists_differ_by_what_one_has_and_the_other_has_not() {
        let config = SsdLiteConfig::default();
        let size = ImageSize { height: 100, width: 200 };
        let a = Detections {
            boxes: vec![[0., 0., 10., 10.], [5., 5., 9., 9.]],
            scores: vec![0.9, 0.5],
            labels: vec![1, 2],
        };
        let close = |found: f64, expected: f64| (found - expected).abs() < 1e-6;
        assert_eq!(difference(&a, &a, &config, size), 0.0);
        let mut moved = a.clone();
        moved.boxes[1][2] += 2.0;
        assert!(close(difference(&a, &moved, &config, size), 0.01));
        let fewer = Detections { boxes: vec![a.boxes[0]], scores: vec![0.9], labels: vec![1] };
        assert_eq!(difference(&a, &fewer, &config, size), 1.0);
        assert_eq!(difference(&fewer, &a, &config, size), 1.0);
        let mut faint = a.clone();
        faint.scores[1] = config.score_threshold as f32;
        assert_eq!(difference(&faint, &fewer, &config, size), 0.0);
    }
}
