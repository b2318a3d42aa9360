//! The detections of an image, by the operator that applications for Android expect: `TFLite_Detection_PostProcess`.
//!
//! It suppresses as torchvision does, class by class, when it gets what torchvision's suppression gets: boxes that are decoded and
//! clipped already, and of each class the best candidates alone. So its own decoding is given boxes as offsets from one anchor that is
//! the whole image.

use super::model::{Builder, Kind, Value};
use super::operators;
use crate::Error;
use crate::graph::ends::Suppression;
use crate::graph::{Binary, Side};

/// The outputs of the operator, for one image; rows behind the number of detections mean nothing.
#[derive(Debug, Clone)]
pub struct Detections {
    /// Float `[1, M, 4]`: top, left, bottom, right as shares of the image.
    pub boxes: Value,
    /// Float `[1, M]`: positions in the list of classes, from 0.
    pub classes: Value,
    /// Float `[1, M]`, the best first.
    pub scores: Value,
    /// Float `[1]`: the number of detections.
    pub count: Value,
}

impl Builder {
    /// The detections of boxes `[1, A, 4]` (corners in pixels) and probabilities `[1, A, classes + 1]` (background first) in an image of
    /// this height and width.
    ///
    /// # Errors
    /// [`Error::Value`] where the values have other shapes, a threshold is not from 0 to 1, or a limit is 0.
    pub fn detections(
        &mut self,
        boxes: &Value,
        scores: &Value,
        limits: &Suppression,
        size: [i64; 2],
    ) -> Result<Detections, Error> {
        limits.check()?;
        let ([_, anchors, corners], [_, _, columns]) = (&boxes.sides[..], &scores.sides[..]) else {
            return Err(Error::value(
                "boxes and scores",
                "of rank 3",
                format!("{:?}, {:?}", boxes.sides, scores.sides),
            ));
        };
        if corners.length != 4 || columns.length < 2 {
            return Err(Error::value("boxes", "of 4 corners", corners.length.to_string()));
        }
        let (anchors, classes) = (anchors.length, columns.length - 1);
        "suppress".clone_into(&mut self.scope);
        let offsets = self.offsets(boxes, anchors, size);
        let scores = self.candidates(scores, [anchors, classes], limits.topk_candidates as i64);
        let whole: Vec<f32> = (0..anchors).flat_map(|_| [0.0, 0.0, 1.0, 1.0]).collect();
        let whole = self.floats("whole", &whole, &[anchors, 4]);
        let most = limits.detections_per_image as i64;
        let tensor = |builder: &mut Self, name: &str, sides: &[i64]| {
            let sides: Vec<Side> = sides.iter().map(|&length| Side::fixed(length)).collect();
            builder.tensor(name, Kind::F32, &sides, None)
        };
        let found = Detections {
            boxes: tensor(self, "boxes", &[1, most, 4]),
            classes: tensor(self, "classes", &[1, most]),
            scores: tensor(self, "scores", &[1, most]),
            count: tensor(self, "count", &[1]),
        };
        let operator = operators::custom("TFLite_Detection_PostProcess", options(limits, classes));
        let outputs = [&found.boxes, &found.classes, &found.scores, &found.count];
        self.operator(operator, &[&offsets, &scores, &whole], &outputs);
        Ok(found)
    }

    /// Boxes as offsets from the whole image: centre y, centre x, and the logarithms of height and width, all as shares of its sides.
    fn offsets(&mut self, boxes: &Value, anchors: i64, [height, width]: [i64; 2]) -> Value {
        let pair: Vec<Side> = vec![boxes.sides[0], Side::fixed(anchors), Side::fixed(2)];
        let column: Vec<Side> = vec![boxes.sides[0], Side::fixed(anchors), Side::fixed(1)];
        let [low, high] = [0, 2].map(|start| self.last_axis(boxes, start, start + 2, &pair));
        let share = self.floats("share", &[1.0 / width as f32, 1.0 / height as f32], &[2]);
        let half = self.floats("half", &[0.5 / width as f32, 0.5 / height as f32], &[2]);
        let sum = self.compute("sum", operators::binary(Binary::Add), &[&low, &high], &pair);
        let centres = self.compute("centres", operators::binary(Binary::Mul), &[&sum, &half], &pair);
        let sides = self.compute("sides", operators::binary(Binary::Sub), &[&high, &low], &pair);
        let sides = self.compute("shares", operators::binary(Binary::Mul), &[&sides, &share], &pair);
        let sides = self.compute("logarithms", operators::logarithm(), &[&sides], &pair);
        // The operator's order is y before x.
        let columns = [(&centres, 1), (&centres, 0), (&sides, 1), (&sides, 0)];
        let columns = columns.map(|(of, at)| self.last_axis(of, at, at + 1, &column));
        self.compute("offsets", operators::concat(false, 2), &columns.each_ref(), &boxes.sides)
    }

    /// The scores `[1, A, classes]` of the best candidates of each class; 0 for others.
    fn candidates(&mut self, scores: &Value, [anchors, classes]: [i64; 2], most: i64) -> Value {
        let batch = scores.sides[0];
        let sides = |last: [i64; 2]| vec![batch, Side::fixed(last[0]), Side::fixed(last[1])];
        let foreground = self.last_axis(scores, 1, classes + 1, &sides([anchors, classes]));
        if most >= anchors {
            return foreground;
        }
        let order = self.ints("order", &[0, 2, 1], &[3]);
        let turned = |builder: &mut Self, xs: &Value, sides: &[Side]| {
            builder.compute("turned", operators::transpose(), &[xs, &order], sides)
        };
        let rows = sides([classes, anchors]);
        let scores = turned(self, &foreground, &rows);
        let count = self.ints("count", &[most as i32], &[]);
        let best = self.tensor("best", Kind::F32, &sides([classes, most]), None);
        let places = self.tensor("places", Kind::I32, &sides([classes, most]), None);
        self.operator(operators::top(), &[&scores, &count], &[&best, &places]);
        let last = self.last_axis(&best, most - 1, most, &sides([classes, 1]));
        let among = self.tensor("among", Kind::Bool, &rows, None);
        self.operator(operators::greater_equal(), &[&scores, &last], &[&among]);
        let kept = self.tensor("kept", Kind::F32, &rows, None);
        self.operator(operators::cast(), &[&among], &[&kept]);
        let scores = self.compute("candidates", operators::binary(Binary::Mul), &[&scores, &kept], &rows);
        turned(self, &scores, &sides([anchors, classes]))
    }

    /// A part of the last of three axes.
    fn last_axis(&mut self, xs: &Value, start: i64, end: i64, sides: &[Side]) -> Value {
        self.sliced(xs, 2, [start, end, 1], false, sides)
    }
}

/// A FlexBuffers map, every element four bytes wide: <https://flatbuffers.dev/internals/#flexbuffers>.
fn options(limits: &Suppression, classes: i64) -> Vec<u8> {
    const INT: u8 = 1;
    const FLOAT: u8 = 3;
    const MAP: u8 = 9;
    const BOOL: u8 = 26;
    const FOUR_BYTES: u8 = 2;
    let int = |value: i64| (INT, (value as i32).to_le_bytes());
    let float = |value: f64| (FLOAT, (value as f32).to_le_bytes());
    // The operator keeps scores from the threshold on, torchvision those above it.
    let threshold = f64::from((limits.score_threshold as f32).next_up());
    let entries = [
        ("detections_per_class", int(limits.topk_candidates as i64)),
        ("h_scale", float(1.0)),
        ("max_classes_per_detection", int(1)),
        ("max_detections", int(limits.detections_per_image as i64)),
        ("nms_iou_threshold", float(limits.iou_threshold)),
        ("nms_score_threshold", float(threshold)),
        ("num_classes", int(classes)),
        ("use_regular_nms", (BOOL, 1i32.to_le_bytes())),
        ("w_scale", float(1.0)),
        ("x_scale", float(1.0)),
        ("y_scale", float(1.0)),
    ];
    let mut bytes: Vec<u8> = Vec::new();
    let places: Vec<usize> = entries
        .iter()
        .map(|(key, _)| {
            let place = bytes.len();
            bytes.extend(key.as_bytes());
            bytes.push(0);
            place
        })
        .collect();
    let number = |bytes: &mut Vec<u8>, value: usize| bytes.extend((value as u32).to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    number(&mut bytes, entries.len());
    let keys = bytes.len();
    for place in places {
        let distance = bytes.len() - place;
        number(&mut bytes, distance);
    }
    let distance = bytes.len() - keys;
    number(&mut bytes, distance);
    number(&mut bytes, 4);
    number(&mut bytes, entries.len());
    let map = bytes.len();
    entries.iter().for_each(|(_, (_, value))| bytes.extend(value));
    bytes.extend(entries.iter().map(|(_, (kind, _))| kind << 2 | FOUR_BYTES));
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let distance = bytes.len() - map;
    number(&mut bytes, distance);
    bytes.extend([MAP << 2 | FOUR_BYTES, 4]);
    bytes
}
