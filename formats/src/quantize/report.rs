//! What was found and done, layer by layer.

use serde::Serialize;
use tch::{Kind, Tensor};

use super::name;
use crate::graph::Graph;

/// A convolution or linear layer of a quantised graph.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerReport {
    /// The name of its weights, without `.weight`.
    pub name: String,
    /// What it is.
    pub operation: String,
    /// Whether it computes in int8.
    pub int8: bool,
    /// The layer's output in the quantised network against the float network's: signal to noise in decibels, all errors before it
    /// included. None where both are equal.
    pub signal_to_noise: Option<f64>,
    /// The same for this layer alone, with the float network's inputs.
    pub own_signal_to_noise: Option<f64>,
    /// The least and the largest value that its input can have in int8.
    pub input_range: Option<[f64; 2]>,
    /// The largest weight of an output channel by the mean of its absolute values, for the worst channel of the float network after
    /// equalisation: what few large weights take from the resolution of the others.
    pub outliers: f64,
}

/// The report on a layer; the tensors are its float input, its float output and its output in the quantised graph. They are compared
/// behind the activation: numbers that it cuts off do not matter.
pub(super) fn layer(
    float: &Graph,
    graph: &Graph,
    position: usize,
    (input, expected, found): (&Tensor, &Tensor, &Tensor),
) -> Result<LayerReport, tch::TchError> {
    let node = graph.node(position);
    let grid = graph.facts(node.inputs[0]).grid;
    let int8 = graph.layer(position).scales.is_some();
    let own = match grid {
        Some(grid) if int8 => node.compute(&[&grid.round(input)?])?,
        _ => node.compute(&[input])?,
    };
    let end = graph.writer(graph.end_of(position)).filter(|&end| end != position).map(|end| graph.node(end));
    let behind = |tensor: &Tensor| end.map_or_else(|| Ok(tensor.shallow_clone()), |end| end.compute(&[tensor]));
    let (expected, found, own) = (behind(expected)?, behind(found)?, behind(&own)?);
    let rows = float.layer(position).weight.tensor.f_flatten(1, -1)?.f_abs()?;
    let outliers = rows.f_amax(1, false)?.f_div(&rows.f_mean_dim(1, false, None)?.f_clamp_min(f64::MIN_POSITIVE)?)?;
    Ok(LayerReport {
        name: name(graph, position).to_owned(),
        operation: node.operation.name().to_owned(),
        int8,
        signal_to_noise: decibels(&expected, &found)?,
        own_signal_to_noise: decibels(&expected, &own)?,
        input_range: grid.filter(|_| int8).map(|grid| grid.range()),
        outliers: outliers.f_max()?.double_value(&[]),
    })
}

/// Signal to noise in decibels; none without noise.
pub(crate) fn decibels(expected: &Tensor, found: &Tensor) -> Result<Option<f64>, tch::TchError> {
    let power = |tensor: &Tensor| Ok::<_, tch::TchError>(tensor.f_square()?.f_sum(Kind::Double)?.double_value(&[]));
    let noise = power(&found.f_sub(expected)?)?;
    Ok((noise > 0.0).then_some(10.0 * (power(expected)? / noise).log10()))
}
