//! Predictions as probabilities and boxes, by tensor operations only, so that they can be traced.

use tch::{Device, Tensor};

use crate::{
    Error,
    ssdlite::{
        anchors::Anchors,
        box_coder::{BoxCoder, MAX_LOG_RATIO},
        multibox::Predictions,
    },
    tensors::full_precision,
    transfer::to_device,
};

/// A lower limit for the logarithm of a ratio of sides that changes nothing: its exponential is zero in every kind. (ncnn has
/// no clamp with one limit.)
const NO_SIZE: f64 = -1000.0;

/// The predictions for every anchor as probabilities and boxes.
#[derive(Debug)]
pub struct Decoded {
    /// `[N, A, classes + 1]`, background first; like the boxes in the kind of the head's weights.
    pub scores: Tensor,
    /// `[N, A, 4]`: corners in pixels of the input, within it.
    pub boxes: Tensor,
}

/// [`BoxCoder::decode`] and clipping for all anchors at once.
///
/// The constants are created beforehand: a trace records zeros for a tensor that is filled from a slice inside it. Of the
/// operations that would do, those are used that ncnn has too.
#[derive(Debug)]
pub(super) struct Decoder {
    /// `[4]`
    weights: Tensor,
    /// `[A, 2]`
    centres: Tensor,
    /// `[A, 2]`
    sides: Tensor,
    /// Width, height, width, height of the input.
    limits: Tensor,
}

impl Decoder {
    pub fn new(anchors: &Anchors, coder: &BoxCoder, device: Device) -> Result<Self, Error> {
        let corners = to_device(anchors.boxes().as_flattened(), device)?.f_view([-1, 4])?;
        let sides = corners.f_narrow(-1, 2, 2)?.f_sub(&corners.f_narrow(-1, 0, 2)?)?;
        let centres = corners.f_narrow(-1, 0, 2)?.f_add(&sides.f_mul_scalar(0.5)?)?;
        let [height, width] = anchors.size().map(|side| side as f32);
        let limits = to_device(&[width, height, width, height], device)?;
        Ok(Self { weights: to_device(&coder.weights(), device)?, centres, sides, limits })
    }

    /// The constants by name; they share memory with the decoder.
    pub fn constants(&self) -> Vec<(String, Tensor)> {
        let named = [
            ("box_weights", &self.weights),
            ("centres", &self.centres),
            ("sides", &self.sides),
            ("limits", &self.limits),
        ];
        named.map(|(name, tensor)| (format!("anchors.{name}"), tensor.shallow_clone())).into()
    }

    pub fn decode(&self, Predictions { logits, deltas }: &Predictions) -> Result<Decoded, Error> {
        let parts = deltas.f_div(&self.weights)?.f_split_with_sizes([2, 2], -1)?;
        let centres = parts[0].f_mul(&self.sides)?.f_add(&self.centres)?;
        let ratios = parts[1].f_clamp(NO_SIZE, MAX_LOG_RATIO)?.f_exp()?;
        let half = ratios.f_mul(&self.sides)?.f_mul_scalar(0.5)?;
        let boxes = Tensor::f_cat(&[centres.f_sub(&half)?, centres.f_add(&half)?], -1)?;
        Ok(Decoded {
            scores: full_precision(logits)?.f_softmax(-1, None)?,
            boxes: boxes.f_relu()?.f_minimum(&self.limits)?,
        })
    }
}
