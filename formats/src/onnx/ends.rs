//! What comes before and after a network, and small operations for it.

use crate::onnx::{Builder, Value, graph::Setting};
use crate::{Array, Data, Element, Error};

/// The position of the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `[N, C, H, W]`
    ChannelsFirst,
    /// `[N, H, W, C]`, as decoders and cameras return them.
    ChannelsLast,
}

impl Builder {
    /// `(x / 255 - mean) / std` of images of bytes or of floats from 0 to 255, in either layout, as the network's input
    /// `[N, C, H, W]`; `mean` and `std` have a number for each channel.
    ///
    /// # Errors
    /// [`Error::Value`] where the images have another rank or kind, or a standard deviation is not above zero.
    pub fn normalize(&mut self, images: &Value, layout: Layout, mean: &[f64], std: &[f64]) -> Result<Value, Error> {
        if images.rank != 4 || !matches!(images.element, Element::U8 | Element::F32) {
            let found = format!("{} of {} sides", images.element.name(), images.rank);
            return Err(Error::value("the images", "uint8 or float of 4 sides", found));
        }
        if let Some(std) = std.iter().find(|&&std| std <= 0.0 || !std.is_finite()) {
            return Err(Error::value("a standard deviation", "above zero", std.to_string()));
        }
        if mean.len() != std.len() {
            let found = format!("{} and {}", mean.len(), std.len());
            return Err(Error::value("means and standard deviations", "as many of both", found));
        }
        self.scope("normalize");
        // Transposing bytes is cheaper than transposing floats.
        let planes = match layout {
            Layout::ChannelsFirst => images.clone(),
            Layout::ChannelsLast => self.transpose(images, &[0, 3, 1, 2]),
        };
        let numbers = self.cast(&planes, Element::F32);
        let channels = |values: &mut dyn Iterator<Item = f64>| {
            let values: Vec<f32> = values.map(|value| value as f32).collect();
            Array::new(vec![1, values.len(), 1, 1], Data::F32(values))
        };
        let scale = channels(&mut std.iter().map(|std| 1.0 / (255.0 * std)))?;
        let shift = channels(&mut mean.iter().zip(std).map(|(mean, std)| -mean / std))?;
        let (scale, shift) = (self.constant("scale", &scale), self.constant("shift", &shift));
        let scaled = self.map("Mul", &[&numbers, &scale]);
        Ok(self.map("Add", &[&scaled, &shift]))
    }

    /// Probabilities along an axis; a negative axis counts from the last.
    pub fn softmax(&mut self, logits: &Value, axis: i64) -> Value {
        self.node("Softmax", &[logits], &[("axis", Setting::Int(axis))], (logits.element, logits.rank))
    }

    /// Zeros in the shape of a value.
    pub(crate) fn zeros_like(&mut self, xs: &Value) -> Value {
        let (zero, shape) = (self.number("zero", 0.0, xs.element), self.shape(xs));
        self.node("Expand", &[&zero, &shape], &[], (xs.element, xs.rank))
    }

    /// `size` is the height and width, int64 `[2]`.
    pub(crate) fn resize(&mut self, maps: &Value, size: &Value) -> Value {
        let sides = self.shape(maps);
        let kept = self.slice(&sides, 0, 0, 2, 1);
        let sizes = self.concat(&[&kept, size], 0);
        let settings =
            [("coordinate_transformation_mode", Setting::Text("half_pixel")), ("mode", Setting::Text("linear"))];
        let mut outputs =
            self.nodes("Resize", &[Some(maps), None, None, Some(&sizes)], &settings, &[(maps.element, maps.rank)]);
        outputs.remove(0)
    }

    pub(crate) fn cast(&mut self, xs: &Value, element: Element) -> Value {
        if xs.element == element {
            return xs.clone();
        }
        self.node("Cast", &[xs], &[("to", Setting::Int(element.code().into()))], (element, xs.rank))
    }

    pub(crate) fn clip(&mut self, xs: &Value, low: Option<f64>, high: Option<f64>) -> Value {
        let low = low.map(|low| self.number("low", low, xs.element));
        let high = high.map(|high| self.number("high", high, xs.element));
        let mut outputs = match &high {
            Some(_) => self.nodes("Clip", &[Some(xs), low.as_ref(), high.as_ref()], &[], &[(xs.element, xs.rank)]),
            None => self.nodes("Clip", &[Some(xs), low.as_ref()], &[], &[(xs.element, xs.rank)]),
        };
        outputs.remove(0)
    }

    /// A side of 0 is kept; one side may be -1, the rest.
    pub(crate) fn reshape(&mut self, xs: &Value, sides: &[i64]) -> Value {
        let shape = self.ints("shape", sides);
        self.node("Reshape", &[xs, &shape], &[], (xs.element, sides.len()))
    }

    pub(crate) fn transpose(&mut self, xs: &Value, order: &[i64]) -> Value {
        self.node("Transpose", &[xs], &[("perm", Setting::Ints(order))], (xs.element, xs.rank))
    }

    pub(crate) fn unsqueeze(&mut self, xs: &Value, axis: i64) -> Value {
        let axes = self.ints("axes", &[axis]);
        self.node("Unsqueeze", &[xs, &axes], &[], (xs.element, xs.rank + 1))
    }

    pub(crate) fn slice(&mut self, xs: &Value, axis: i64, start: i64, end: i64, step: i64) -> Value {
        let [start, end, axis, step] = [("start", start), ("end", end), ("axis", axis), ("step", step)]
            .map(|(role, value)| self.ints(role, &[value]));
        self.node("Slice", &[xs, &start, &end, &axis, &step], &[], (xs.element, xs.rank))
    }

    pub(crate) fn concat(&mut self, parts: &[&Value], axis: i64) -> Value {
        let like = (parts[0].element, parts[0].rank);
        self.node("Concat", parts, &[("axis", Setting::Int(axis))], like)
    }

    pub(crate) fn shape(&mut self, xs: &Value) -> Value {
        self.node("Shape", &[xs], &[], (Element::I64, 1))
    }
}
