//! From scores and boxes to detections, equal to torchvision's `SSD.postprocess_detections`.
//!
//! Torchvision takes the best boxes of each class, suppresses among them, and keeps the best of the remaining ones. Here all
//! candidates are visited once in descending order of score, with the same result, and the visit ends at the limit of
//! detections: the candidates after it are not sorted.

use std::cmp::Reverse;

use rayon::prelude::*;
use tch::Kind;

use crate::{
    Error,
    ssdlite::{anchors::Corners, config::SsdLiteConfig, decoder::Decoded, nms::Suppression},
    transfer::to_host,
};

/// Number of candidates in the first sorted portion; each further portion is twice as large.
const FIRST_PORTION: usize = 1024;

/// The detections in one image, by descending score.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Detections {
    /// Corners in pixels of the input, within it.
    pub boxes: Vec<Corners>,
    /// Probabilities of the classes.
    pub scores: Vec<f32>,
    /// Classes, from 1.
    pub labels: Vec<i64>,
}

/// A class at an anchor. Better candidates sort first; of equal scores the lower class, then the earlier anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    /// The bits of a positive number, which sort like the number.
    score: Reverse<u32>,
    class: u32,
    anchor: u32,
}

/// The detections of each image of a batch.
///
/// # Errors
/// [`Error::Shape`] where scores and boxes do not fit, [`Error::NotANumber`] where a box is not a number.
pub fn select(Decoded { scores, boxes }: &Decoded, config: &SsdLiteConfig) -> Result<Vec<Detections>, Error> {
    let (images, anchors, columns) = match (&scores.size()[..], &boxes.size()[..]) {
        (&[n, a, columns], &[m, b, 4]) if (n, a) == (m, b) && columns > 1 => (n as usize, a as usize, columns as usize),
        _ => {
            let expected = "[N, A, classes + 1] for boxes [N, A, 4]".to_owned();
            return Err(Error::Shape { what: "scores", found: scores.size(), expected });
        }
    };
    let (scores, boxes) = (to_host(&scores.f_to_kind(Kind::Float)?)?, to_host(&boxes.f_to_kind(Kind::Float)?)?);
    let (boxes, _) = boxes.as_chunks::<4>();
    let detect = |image: usize| {
        let (first, end) = (image * anchors, (image + 1) * anchors);
        let found = detections(&scores[first * columns..end * columns], columns, &boxes[first..end], config);
        found.map_err(|anchor| Error::NotANumber { image, anchor })
    };
    (0..images).into_par_iter().map(detect).collect()
}

/// The detections in an image from `scores` (`[A, columns]`, background first) and the box at each anchor.
///
/// # Errors
/// The anchor of a candidate whose box is not a number. Scores that are not numbers are ignored.
fn detections(scores: &[f32], columns: usize, boxes: &[Corners], config: &SsdLiteConfig) -> Result<Detections, usize> {
    let mut candidates = candidates(scores, columns, config.score_threshold as f32);
    let mut rest = candidates.as_mut_slice();
    let mut portion = FIRST_PORTION;
    let mut visited = vec![0; columns];
    let mut suppression = Suppression::new(columns, config.nms_threshold);
    let mut detections = Detections::default();
    while !rest.is_empty() {
        if portion < rest.len() {
            rest.select_nth_unstable(portion);
        }
        let (best, others) = rest.split_at_mut(portion.min(rest.len()));
        best.sort_unstable();
        for candidate in best {
            let class = candidate.class as usize;
            visited[class] += 1;
            if visited[class] > config.topk_candidates {
                continue;
            }
            let anchor = candidate.anchor as usize;
            let bbox = boxes[anchor];
            if bbox.iter().any(|corner| corner.is_nan()) {
                return Err(anchor);
            }
            if suppression.admit(class, bbox) {
                detections.boxes.push(bbox);
                detections.scores.push(f32::from_bits(candidate.score.0));
                detections.labels.push(i64::from(candidate.class));
                if detections.boxes.len() == config.detections_per_image {
                    return Ok(detections);
                }
            }
        }
        rest = others;
        portion *= 2;
    }
    Ok(detections)
}

fn candidates(scores: &[f32], columns: usize, threshold: f32) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for (anchor, row) in (0..).zip(scores.chunks_exact(columns)) {
        for (class, &score) in (0..).zip(row).skip(1) {
            if score > threshold {
                candidates.push(Candidate { score: Reverse(score.to_bits()), class, anchor });
            }
        }
    }
    candidates
}
