//! Layers of int8 weights, and what makes them valid.

use tch::{Device, Kind, Tensor};

use crate::Error;

/// The largest stride, padding and dilation: engines compute sizes in 32 bits without a check.
const LARGEST: i64 = i16::MAX as i64;

/// A convolution with int8 weights, symmetric for each output channel: channel `o` of the float weight is
/// `weight[o] * scales[o]`.
#[derive(Debug)]
pub struct Convolution {
    /// `[O, I / groups, h, w]`, of kind Int8, on the CPU. Where the engine [saturates](super::saturates), only values from
    /// -64 to 64 are safe.
    pub weight: Tensor,
    /// `[O]`, positive.
    pub scales: Vec<f64>,
    /// `[O]`, of kind Float, on the CPU, not quantised.
    pub bias: Option<Tensor>,
    /// Height, then width; at least 1.
    pub strides: [i64; 2],
    /// Height, then width, on both sides; at least 0.
    pub padding: [i64; 2],
    /// Height, then width; at least 1.
    pub dilations: [i64; 2],
    /// Divides the input and the output channels.
    pub groups: i64,
}

/// A linear layer with int8 weights, symmetric for each output: row `o` of the float weight is `weight[o] * scales[o]`.
#[derive(Debug)]
pub struct Linear {
    /// `[O, I]`, of kind Int8, on the CPU. Where the engine [saturates](super::saturates), only values from -64 to 64 are
    /// safe.
    pub weight: Tensor,
    /// `[O]`, positive.
    pub scales: Vec<f64>,
    /// `[O]`, of kind Float, on the CPU, not quantised.
    pub bias: Option<Tensor>,
}

impl Convolution {
    pub(crate) fn check(&self, name: &str) -> Result<(), Error> {
        check_parameters(4, &self.weight, &self.scales, self.bias.as_ref())
            .and_then(|()| self.check_geometry())
            .map_err(|reason| Error::Layer { name: name.to_owned(), reason })
    }

    fn check_geometry(&self) -> Result<(), String> {
        for (what, values, least) in
            [("strides", self.strides, 1), ("padding", self.padding, 0), ("dilations", self.dilations, 1)]
        {
            if values.iter().any(|value| !(least..=LARGEST).contains(value)) {
                return Err(format!("has {what} {values:?}, expected {least} to {LARGEST}"));
            }
        }
        let outputs = self.weight.size()[0];
        if self.groups < 1 || outputs % self.groups != 0 {
            return Err(format!("has {} groups, which do not divide its {outputs} outputs", self.groups));
        }
        Ok(())
    }
}

impl Linear {
    pub(crate) fn check(&self, name: &str) -> Result<(), Error> {
        check_parameters(2, &self.weight, &self.scales, self.bias.as_ref())
            .map_err(|reason| Error::Layer { name: name.to_owned(), reason })
    }
}

fn check_parameters(dimensions: usize, weight: &Tensor, scales: &[f64], bias: Option<&Tensor>) -> Result<(), String> {
    check_tensor("weight", weight, Kind::Int8)?;
    let shape = weight.size();
    if shape.len() != dimensions || shape.contains(&0) {
        return Err(format!("has a weight of shape {shape:?}, expected {dimensions} dimensions, none of them 0"));
    }
    if scales.len() as i64 != shape[0] {
        return Err(format!("has {} scales for {} outputs", scales.len(), shape[0]));
    }
    if let Some(scale) = scales.iter().find(|&&scale| !(scale > 0.0 && (scale as f32).is_normal())) {
        return Err(format!("has a scale of {scale:e}, expected positive numbers in the range of f32"));
    }
    let Some(bias) = bias else { return Ok(()) };
    check_tensor("bias", bias, Kind::Float)?;
    if bias.size() != shape[..1] {
        return Err(format!("has a bias of shape {:?} for {} outputs", bias.size(), shape[0]));
    }
    Ok(())
}

fn check_tensor(what: &str, tensor: &Tensor, expected: Kind) -> Result<(), String> {
    if !tensor.defined() {
        return Err(format!("has an undefined {what}"));
    }
    let (kind, device) = (tensor.kind(), tensor.device());
    if kind != expected || device != Device::Cpu || tensor.is_sparse() {
        return Err(format!(
            "has a {what} of kind {kind:?} on {device:?}, expected a dense one of kind {expected:?} on Cpu"
        ));
    }
    Ok(())
}
