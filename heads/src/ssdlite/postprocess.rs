//! From scores and offsets to detections, equal to torchvision's `SSD.postprocess_detections`.
//!
//! Torchvision takes the best boxes of each class, suppresses among them, and keeps the best of what stays. Here all candidates
//! are visited once in descending order of score, which decides the same, and the visit ends with the last detection wanted:
//! boxes that could not be among them are neither sorted nor decoded.

use std::cmp::Reverse;

use crate::{
    Error,
    ssdlite::{
        anchors::{Anchors, Corners},
        box_coder::BoxCoder,
        nms::Suppression,
    },
};

/// How many candidates are sorted at first; each further portion is twice as large.
const FIRST_PORTION: usize = 1024;

/// What was found in one image, by descending score.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Detections {
    /// Corners in pixels of the input, within it.
    pub boxes: Vec<Corners>,
    /// Probabilities of the classes.
    pub scores: Vec<f32>,
    /// Classes, from 1.
    pub labels: Vec<i64>,
}

/// A class at an anchor; the better, the lower it sorts. Of equal scores the lower class, then the earlier anchor comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    /// Positive numbers sort like their bits.
    score: Reverse<u32>,
    class: u32,
    anchor: u32,
}

/// Turns the outputs for one image into detections.
#[derive(Debug)]
pub(super) struct PostProcessor<'a> {
    pub anchors: &'a Anchors,
    pub coder: &'a BoxCoder,
    /// Number of classes with the background.
    pub columns: usize,
    pub score_threshold: f32,
    pub nms_threshold: f64,
    pub topk_candidates: usize,
    pub detections_per_image: usize,
}

impl PostProcessor<'_> {
    /// Detections from `scores` (`[A, columns]`, background first) and `deltas` (`[A]` offsets) of the image at position `image`.
    ///
    /// # Errors
    /// [`Error::NotANumber`] where the box of a candidate is not a number. Scores that are not numbers are no candidates.
    pub fn detections(&self, image: usize, scores: &[f32], deltas: &[[f32; 4]]) -> Result<Detections, Error> {
        let mut candidates = self.candidates(scores);
        let mut rest = candidates.as_mut_slice();
        let mut portion = FIRST_PORTION;
        let mut seen = vec![0; self.columns];
        let mut suppression = Suppression::new(self.columns, self.nms_threshold);
        let mut found = Detections::default();
        while !rest.is_empty() {
            if portion < rest.len() {
                rest.select_nth_unstable(portion);
            }
            let (best, others) = rest.split_at_mut(portion.min(rest.len()));
            best.sort_unstable();
            for candidate in best {
                let class = candidate.class as usize;
                seen[class] += 1;
                if seen[class] > self.topk_candidates {
                    continue;
                }
                let bbox = self.bbox(image, candidate.anchor as usize, deltas)?;
                if suppression.admit(class, bbox) {
                    found.boxes.push(bbox);
                    found.scores.push(f32::from_bits(candidate.score.0));
                    found.labels.push(i64::from(candidate.class));
                    if found.boxes.len() == self.detections_per_image {
                        return Ok(found);
                    }
                }
            }
            rest = others;
            portion *= 2;
        }
        Ok(found)
    }

    fn candidates(&self, scores: &[f32]) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for (anchor, row) in (0..).zip(scores.chunks_exact(self.columns)) {
            for (class, &score) in (0..).zip(row).skip(1) {
                if score > self.score_threshold {
                    candidates.push(Candidate { score: Reverse(score.to_bits()), class, anchor });
                }
            }
        }
        candidates
    }

    fn bbox(&self, image: usize, anchor: usize, deltas: &[[f32; 4]]) -> Result<Corners, Error> {
        let [height, width] = self.anchors.size().map(|side| side as f32);
        let [x1, y1, x2, y2] = self.coder.decode(&deltas[anchor], &self.anchors.boxes()[anchor]);
        let bbox = [x1.clamp(0.0, width), y1.clamp(0.0, height), x2.clamp(0.0, width), y2.clamp(0.0, height)];
        if bbox.iter().any(|corner| corner.is_nan()) { Err(Error::NotANumber { image, anchor }) } else { Ok(bbox) }
    }
}
