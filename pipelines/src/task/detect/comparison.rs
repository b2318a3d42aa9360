//! Two lists of detections compared.

use heads::ssdlite::{Detections, SsdLiteConfig};

use crate::config::ImageSize;

/// A difference of two scores that rounding alone can make.
const MAX_ROUNDING: f32 = 1e-5;

/// The largest difference between a detection of one list and the nearest of its class in the other: of scores, and of
/// corners relative to the longer side of the image. Detections at the end of a list, by the threshold or by the
/// number of detections, may be missing in the other.
pub(super) fn difference(a: &Detections, b: &Detections, config: &SsdLiteConfig, size: ImageSize) -> f64 {
    let side = size.height.max(size.width) as f32;
    let last = |list: &Detections| {
        let full = list.scores.len() == config.detections_per_image;
        list.scores.last().copied().filter(|_| full).unwrap_or(config.score_threshold as f32)
    };
    let cut = last(a).max(last(b)) + MAX_ROUNDING;
    let largest = |from: &Detections, to: &Detections| -> f32 {
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
    f64::from(largest(a, b).max(largest(b, a)))
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
}
