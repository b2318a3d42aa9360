//! What comes before a network, and the boxes behind a detector's.

use super::model::{Argument, Builder, Value};
use super::network::bytes;
use super::suppression::BEFORE;
use super::value::Kind;
use crate::Error;
use tch::Tensor;

impl Builder {
    /// `(x / 255 - mean) / std` of pictures `[1, C, H, W]`, computed in `kind`; `mean` and `std` have a number for each channel.
    ///
    /// # Errors
    /// [`Error::Value`] where there are as many of these as there are channels, or a standard deviation is not above zero.
    pub fn normalize(&mut self, images: &Value, mean: &[f64], std: &[f64], kind: Kind) -> Result<Value, Error> {
        let channels = images.sides[1].length;
        if [mean.len() as i64, std.len() as i64] != [channels; 2] {
            let found = format!("{} and {}", mean.len(), std.len());
            return Err(Error::value("means and standard deviations", format!("{channels} of both"), found));
        }
        if let Some(std) = std.iter().find(|&&std| std <= 0.0 || !std.is_finite()) {
            return Err(Error::value("a standard deviation", "above zero", std.to_string()));
        }
        "normalize".clone_into(&mut self.scope);
        let images = self.cast(images, kind);
        let shape = [1, channels, 1, 1];
        let constant = |builder: &mut Self, role: &str, values: Vec<f64>| -> Result<Value, Error> {
            Ok(builder.constant(role, kind, &shape, &bytes(&Tensor::from_slice(&values), kind)?))
        };
        let scale = constant(self, "scale", std.iter().map(|std| 1.0 / (255.0 * std)).collect())?;
        let shift = constant(self, "shift", mean.iter().zip(std).map(|(mean, std)| -mean / std).collect())?;
        let scaled = [("x", Argument::Of(&images)), ("y", Argument::Of(&scale))];
        let scaled = self.operation("mul", &scaled, kind, &images.sides);
        let shifted = [("x", Argument::Of(&scaled)), ("y", Argument::Of(&shift))];
        Ok(self.operation("add", &shifted, kind, &images.sides))
    }

    /// Makes what a suppression needs the outputs: of boxes `[1, A, 4]` (corners in pixels) and probabilities `[1, A, K + 1]`
    /// (background first) in an image of this height and width.
    ///
    /// # Errors
    /// [`Error::Value`] where the values have other shapes.
    pub fn candidates(&mut self, boxes: &Value, scores: &Value, [height, width]: [i64; 2]) -> Result<(), Error> {
        let lengths = |value: &Value| value.sides.iter().map(|side| side.length).collect::<Vec<_>>();
        let (&[1, anchors, 4], &[1, _, columns]) = (&lengths(boxes)[..], &lengths(scores)[..]) else {
            let found = format!("{:?} and {:?}", lengths(boxes), lengths(scores));
            return Err(Error::value("boxes and scores", "[1, A, 4] and [1, A, K + 1]", found));
        };
        "suppress".clone_into(&mut self.scope);
        let confidence = self.columns(scores, [1, columns]);
        let [low, high] = [0, 2].map(|start| self.columns(boxes, [start, start + 2]));
        let pair = low.sides.clone();
        let binary = |builder: &mut Self, function: &str, left: &Value, right: &Value| {
            let arguments = [("x", Argument::Of(left)), ("y", Argument::Of(right))];
            builder.operation(function, &arguments, left.kind, &pair)
        };
        let share = |builder: &mut Self, role: &str, whole: f64| -> Result<Value, Error> {
            let shares = [whole / width as f64, whole / height as f64];
            Ok(builder.constant(role, boxes.kind, &[2], &bytes(&Tensor::from_slice(&shares), boxes.kind)?))
        };
        let (half, whole) = (share(self, "half", 0.5)?, share(self, "share", 1.0)?);
        let sum = binary(self, "add", &low, &high);
        let centres = binary(self, "mul", &sum, &half);
        let extent = binary(self, "sub", &high, &low);
        let extent = binary(self, "mul", &extent, &whole);
        let sides = [anchors, 4].map(crate::graph::Side::fixed);
        let parts = [
            ("values", Argument::All(&[&centres, &extent])),
            ("axis", Argument::Int(1)),
            ("interleave", Argument::Flag(false)),
        ];
        let coordinates = self.operation("concat", &parts, boxes.kind, &sides);
        self.output(BEFORE[0], &confidence);
        self.output(BEFORE[1], &coordinates);
        Ok(())
    }

    /// Some columns `[A, to - from]` of the only image's rows.
    fn columns(&mut self, rows: &Value, [from, to]: [i64; 2]) -> Value {
        let sides = [rows.sides[1], crate::graph::Side::fixed(to - from)];
        let arguments = [
            ("x", Argument::Of(rows)),
            ("begin", Argument::Ints(&[0, 0, from])),
            ("end", Argument::Ints(&[1, 0, to])),
            ("stride", Argument::Ints(&[1, 1, 1])),
            ("begin_mask", Argument::Flags(&[false, true, false])),
            ("end_mask", Argument::Flags(&[false, true, false])),
            ("squeeze_mask", Argument::Flags(&[true, false, false])),
        ];
        self.operation("slice_by_index", &arguments, rows.kind, &sides)
    }
}
