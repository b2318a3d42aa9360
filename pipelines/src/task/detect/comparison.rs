//! Two lists of detections compared.

use heads::ssdlite::nms::iou;
use heads::ssdlite::{Detections, SsdLiteConfig};

use crate::config::ImageSize;

/// A difference of two scores, or of two overlaps, that rounding alone can make.
const MAX_ROUNDING: f32 = 1e-5;

/// The largest difference between a detection of one list and the nearest of its class in the other: of scores, and of
/// corners relative to the longer side of the image. Detections at the end of a list, by the threshold or by the
/// number of detections, may be missing in the other; so may one whose overlap with a better one is the suppression's threshold, and
/// those that it suppresses itself.
pub(super) fn difference(a: &Detections, b: &Detections, config: &SsdLiteConfig, size: ImageSize) -> f64 {
    let side = size.height.max(size.width) as f32;
    let last = |list: &Detections| {
        let full = list.scores.len() == config.detections_per_image;
        list.scores.last().copied().filter(|_| full).unwrap_or(config.score_threshold as f32)
    };
    let cut = last(a).max(last(b)) + MAX_ROUNDING;
    let ties = [tied(a, b, config), tied(b, a, config)];
    let largest = |from: &Detections, to: &Detections, ties: [&[bool]; 2]| -> f32 {
        let one = |index: usize| {
            let same = || (0..to.labels.len()).filter(|&other| to.labels[other] == from.labels[index]);
            let overlap = |other: usize| iou(&from.boxes[index], &to.boxes[other]);
            let behind = |other: usize| ties[1][other] && overlap(other) > config.nms_threshold as f32 - MAX_ROUNDING;
            if ties[0][index] || same().any(behind) {
                return 0.0;
            }
            let distance = |other: usize| {
                let corners = from.boxes[index].iter().zip(&to.boxes[other]).map(|(a, b)| (a - b).abs() / side);
                corners.fold((from.scores[index] - to.scores[other]).abs(), f32::max)
            };
            same().map(distance).fold(1.0, f32::min)
        };
        (0..from.scores.len()).filter(|&index| from.scores[index] > cut).map(one).fold(0.0, f32::max)
    };
    f64::from(largest(a, b, [&ties[0], &ties[1]]).max(largest(b, a, [&ties[1], &ties[0]])))
}

/// Which detections of `from` a better one of `to` overlaps by the threshold of suppression, up to rounding.
fn tied(from: &Detections, to: &Detections, config: &SsdLiteConfig) -> Vec<bool> {
    let tie = |index: usize, other: usize| {
        let overlap = iou(&from.boxes[index], &to.boxes[other]);
        from.labels[index] == to.labels[other]
            && to.scores[other] > from.scores[index] - MAX_ROUNDING
            && (overlap - config.nms_threshold as f32).abs() <= MAX_ROUNDING
    };
    (0..from.labels.len()).map(|index| (0..to.labels.len()).any(|other| tie(index, other))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_differ_by_detections_that_only_one_of_them_has() {
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

    #[test]
    fn a_box_that_overlaps_a_better_one_by_the_threshold_may_be_suppressed_or_not() {
        let config = SsdLiteConfig { nms_threshold: 0.5, ..SsdLiteConfig::default() };
        let size = ImageSize { height: 100, width: 100 };
        // The second overlaps the first by a half, and the third the second by more.
        let boxes = [[0., 0., 20., 10.], [10., 0., 20., 10.], [12., 0., 20., 10.]];
        let list = |kept: &[usize]| Detections {
            boxes: kept.iter().map(|&index| boxes[index]).collect(),
            scores: kept.iter().map(|&index| [0.9, 0.8, 0.7][index]).collect(),
            labels: vec![1; kept.len()],
        };
        assert_eq!(difference(&list(&[0, 1]), &list(&[0, 2]), &config, size), 0.0);
        assert_eq!(difference(&list(&[0, 1]), &list(&[0]), &config, size), 0.0);
        // Without the tie the third has to be there.
        assert!(difference(&list(&[0, 2]), &list(&[0]), &config, size) > 0.1);
    }
}
