//! From the offsets and logits of an anchor-based detector to boxes, as torchvision's `SSD.postprocess_detections` computes them.
//!
//! # What non-maximum suppression guarantees
//! The graph does what torchvision does, for any number of images: for each class the best `topk_candidates` above the threshold
//! go into `NonMaxSuppression`, and the best `detections_per_image` of its output are returned. Of equal scores the lower class
//! comes first, then the earlier anchor, in both limits and in the order of the output. A box is suppressed where the overlap is
//! larger than the threshold in 64-bit arithmetic, as in torchvision.
//!
//! ONNX leaves two things to the runtime: how an overlap is rounded, and what happens to boxes that are NaN.

use crate::graph::ends::{Decoding, Suppression};
use crate::onnx::{Builder, Value, graph::Setting};
use crate::{Array, Element, Error};

/// Probabilities and boxes of all anchors.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// Float `[N, A, classes + 1]`, background first.
    pub scores: Value,
    /// Float `[N, A, 4]`: corners in pixels of the input, within it.
    pub boxes: Value,
    /// How many anchors there are.
    pub anchors: usize,
    /// How many classes, without the background.
    pub classes: usize,
}

/// The detections, image by image, by descending score.
#[derive(Debug, Clone)]
pub struct Detections {
    /// Float `[M, 4]`: corners in pixels of the input.
    pub boxes: Value,
    /// Float `[M]`.
    pub scores: Value,
    /// Int64 `[M]`: classes, from 1.
    pub labels: Value,
    /// Int64 `[M]`: positions of the images in the batch.
    pub images: Value,
}

impl Builder {
    /// Probabilities and boxes of `logits` (`[N, A, classes + 1]`, background first) and `deltas` (`[N, A, 4]`).
    ///
    /// # Errors
    /// [`Error::Value`] where there is no anchor or class, or a weight or side is not above zero.
    pub fn decode(&mut self, logits: &Value, deltas: &Value, decoding: &Decoding) -> Result<Decoded, Error> {
        for (what, value) in [("logits", logits), ("deltas", deltas)] {
            if (value.element, value.rank) != (Element::F32, 3) {
                let found = format!("{} of {} sides", value.element.name(), value.rank);
                return Err(Error::value(format!("the value of the {what}"), "float of 3 sides", found));
            }
        }
        let outputs = self.network(&decoding.graph()?, &[logits.clone(), deltas.clone()])?;
        let [boxes, scores] = <[Value; 2]>::try_from(outputs).expect("a decoding has two outputs");
        Ok(Decoded { scores, boxes, anchors: decoding.anchors.len(), classes: decoding.classes })
    }

    /// The best boxes of each image after suppression in each class; see the module for what is exact.
    ///
    /// # Errors
    /// [`Error::Value`] where a threshold is not from 0 to 1 or a limit is 0.
    pub fn suppress(&mut self, decoded: &Decoded, limits: &Suppression) -> Result<Detections, Error> {
        limits.check()?;
        self.scope("suppress");
        let (selected, scores) = self.select(decoded, limits);
        Ok(self.best(decoded, &selected, &scores, limits.detections_per_image))
    }

    /// The selected boxes as `[image, class, anchor]` (int64 `[M, 3]`), and the candidates' scores `[N, classes, A]`.
    fn select(&mut self, decoded: &Decoded, limits: &Suppression) -> (Value, Value) {
        let foreground = self.slice(&decoded.scores, 2, 1, i64::MAX, 1);
        let mut scores = self.transpose(&foreground, &[0, 2, 1]);
        let candidates = limits.topk_candidates.min(decoded.anchors) as i64;
        if candidates < decoded.anchors as i64 {
            let (values, positions) = self.top(&scores, candidates, 2);
            let nothing = self.zeros_like(&scores);
            let settings = [("axis", Setting::Int(2))];
            scores = self.node("ScatterElements", &[&nothing, &positions, &values], &settings, (Element::F32, 3));
        }
        let most = self.ints("max_output_boxes_per_class", &[candidates]);
        let iou_threshold = self.constant("iou_threshold", &Array::floats(&[rounded_down(limits.iou_threshold)]));
        let score_threshold = self.constant("score_threshold", &Array::floats(&[limits.score_threshold as f32]));
        let inputs = [&decoded.boxes, &scores, &most, &iou_threshold, &score_threshold];
        (self.node("NonMaxSuppression", &inputs, &[], (Element::I64, 2)), scores)
    }

    /// The scores of the selected boxes are scattered into zeros, so that one `TopK` of a fixed length selects the best of each
    /// image and keeps equal scores in the order of class and anchor.
    fn best(&mut self, decoded: &Decoded, selected: &Value, scores: &Value, limit: usize) -> Detections {
        let places = decoded.classes * decoded.anchors;
        let kept = self.node("GatherND", &[scores, selected], &[], (Element::F32, 1));
        let nothing = self.zeros_like(scores);
        let dense = self.node("ScatterND", &[&nothing, selected, &kept], &[], (Element::F32, 3));
        let flat = self.reshape(&dense, &[0, places as i64]);
        let (best, places) = self.top(&flat, limit.min(places) as i64, 1);

        let zero = self.number("zero", 0.0, Element::F32);
        let found = self.node("Greater", &[&best, &zero], &[], (Element::Bool, 2));
        let found = self.node("NonZero", &[&found], &[], (Element::I64, 2));
        let rows = self.transpose(&found, &[1, 0]);
        let place = self.node("GatherND", &[&places, &rows], &[], (Element::I64, 1));
        let scores = self.node("GatherND", &[&best, &rows], &[], (Element::F32, 1));

        let anchors = self.number("anchors", decoded.anchors as f64, Element::I64);
        let class = self.map("Div", &[&place, &anchors]);
        let one = self.number("one", 1.0, Element::I64);
        let labels = self.map("Add", &[&class, &one]);
        let anchor = self.map("Mod", &[&place, &anchors]);
        let images = self.pick(&found, 0, 0);
        let corners = self.pairs(&images, &anchor);
        let boxes = self.node("GatherND", &[&decoded.boxes, &corners], &[], (Element::F32, 2));
        Detections { boxes, scores, labels, images }
    }

    /// The largest values in descending order, of equal ones the earlier first, and their positions.
    fn top(&mut self, xs: &Value, count: i64, axis: i64) -> (Value, Value) {
        let count = self.ints("count", &[count]);
        let outputs = [(xs.element, xs.rank), (Element::I64, xs.rank)];
        let mut outputs =
            self.nodes("TopK", &[Some(xs), Some(&count)], &[("axis", Setting::Int(axis))], &outputs).into_iter();
        let (values, positions) = (outputs.next(), outputs.next());
        values.zip(positions).expect("TopK has two outputs")
    }

    /// The values at a position of an axis.
    fn pick(&mut self, xs: &Value, position: i64, axis: i64) -> Value {
        let position = self.number("position", position as f64, Element::I64);
        self.node("Gather", &[xs, &position], &[("axis", Setting::Int(axis))], (xs.element, xs.rank - 1))
    }

    /// Two lists side by side, `[M, 2]`.
    fn pairs(&mut self, left: &Value, right: &Value) -> Value {
        let columns = [self.unsqueeze(left, 1), self.unsqueeze(right, 1)];
        self.concat(&columns.each_ref(), 1)
    }
}

/// The largest 32-bit number that is not above the value: a 32-bit number is above both or above neither.
fn rounded_down(value: f64) -> f32 {
    let nearest = value as f32;
    if f64::from(nearest) > value { nearest.next_down() } else { nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparing_with_a_rounded_down_threshold_is_comparing_with_the_threshold() {
        for threshold in [0.0, 0.1, 0.3, 0.45, 0.5, 0.55, 0.6, 0.7, 1.0] {
            let rounded = rounded_down(threshold);
            for overlap in [rounded.next_down(), rounded, rounded.next_up(), threshold as f32] {
                assert_eq!(overlap > rounded, f64::from(overlap) > threshold, "{overlap} and {threshold}");
            }
        }
    }
}
