//! The suppression of [`heads::ssdlite`] in TorchScript.

use heads::ssdlite::SsdLiteConfig;

/// From the boxes of one class, best first, to the indices of those that are kept. An overlap is compared in fp64, as in the
/// head; one that is not a number suppresses nothing. Areas are larger than what fp16 can hold: overlaps are computed in fp32
/// (6) at least.
const SUPPRESS: &str = r#"
def suppress(self, boxes, threshold: float, most: int):
    boxes = boxes.to(torch.promote_types(boxes.dtype, 6))
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

/// Each list begins with an empty tensor, for a batch without images.
const BODY: &str = "\
all_boxes: List[Tensor] = [boxes[:0, 0]]
all_scores: List[Tensor] = [scores[:0, 0, 0]]
all_labels: List[Tensor] = [torch.zeros([0], dtype=4, device=boxes.device)]
all_images: List[Tensor] = [all_labels[0]]
for image in range(boxes.size(0)):
    found, values, labels = self.detect(boxes[image], scores[image])
    all_boxes.append(found)
    all_scores.append(values)
    all_labels.append(labels)
    all_images.append(torch.full_like(labels, image))
return torch.cat(all_boxes), torch.cat(all_scores), torch.cat(all_labels), torch.cat(all_images)";

/// Helpers and body of the final steps.
pub(super) fn script(config: &SsdLiteConfig) -> (String, String) {
    let numbers = [
        // Compared with fp32 scores, and equal bit by bit to the fp32 threshold of the head.
        ("{SCORE}", format!("{:?}", f64::from(config.score_threshold as f32))),
        ("{IOU}", format!("{:?}", config.nms_threshold)),
        ("{TOPK}", config.topk_candidates.to_string()),
        ("{MOST}", config.detections_per_image.to_string()),
    ];
    let detect = numbers.iter().fold(DETECT.to_owned(), |text, (name, value)| text.replace(name, value));
    (format!("{SUPPRESS}{detect}"), BODY.to_owned())
}
