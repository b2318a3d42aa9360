//! Predictions as probabilities and boxes, by tensor operations only, so that they can be traced.

use tch::{Device, Kind, Tensor};

use crate::{
    Error,
    ssdlite::{
        anchors::Anchors,
        box_coder::{BoxCoder, MAX_LOG_RATIO},
        multibox::Predictions,
    },
    transfer::to_device,
};

/// The predictions for every anchor as probabilities and boxes.
#[derive(Debug)]
pub struct Decoded {
    /// `[N, A, classes + 1]` in fp32, background first.
    pub scores: Tensor,
    /// `[N, A, 4]` in fp32: corners in pixels of the input, within it.
    pub boxes: Tensor,
}

/// [`BoxCoder::decode`] and clipping for all anchors at once.
///
/// The constants are created beforehand: a trace records zeros for a tensor that is filled from a slice inside it.
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

    pub fn decode(&self, Predictions { logits, deltas }: &Predictions) -> Result<Decoded, Error> {
        let deltas = deltas.f_to_kind(Kind::Float)?.f_div(&self.weights)?;
        let centres = deltas.f_narrow(-1, 0, 2)?.f_mul(&self.sides)?.f_add(&self.centres)?;
        let ratios = deltas.f_narrow(-1, 2, 2)?.f_clamp_max(MAX_LOG_RATIO)?.f_exp()?;
        let half = ratios.f_mul(&self.sides)?.f_mul_scalar(0.5)?;
        let boxes = Tensor::f_cat(&[centres.f_sub(&half)?, centres.f_add(&half)?], -1)?;
        Ok(Decoded {
            scores: logits.f_softmax(-1, Kind::Float)?,
            boxes: boxes.f_clamp_min(0.0)?.f_minimum(&self.limits)?,
        })
    }
}
