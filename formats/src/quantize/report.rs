//! What was found and done, layer by layer.

use serde::Serialize;
use tch::{Kind, Tensor};

use super::{Images, name};
use crate::Error;
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

/// Images that the layers are compared on.
const IMAGES: i64 = 4;

/// The report on each layer of a quantised graph beside the same graph in floating point, on the first images.
///
/// # Errors
/// Those of `images`; libtorch's.
pub fn layers(float: &Graph, graph: &Graph, images: &dyn Images) -> Result<Vec<LayerReport>, Error> {
    let batch = images.batch(0)?;
    let inputs = [batch.narrow(0, 0, IMAGES.min(batch.size()[0]))];
    tch::no_grad(|| {
        let (expected, found) = (tensors(float, &inputs)?, tensors(graph, &inputs)?);
        let report = |position| {
            layer(float, graph, position, (&expected, &found))
                .map_err(|cause| Error::Torch { action: format!("comparing {}", graph.node(position).place()), cause })
        };
        graph.layers().map(report).collect()
    })
}

/// The tensor on every edge.
fn tensors(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
    let mut tensors: Vec<Tensor> = (0..graph.edges()).map(|_| Tensor::new()).collect();
    graph.run_watched(inputs, &mut |edge, tensor| {
        tensors[edge.index()] = tensor.shallow_clone();
        Ok(())
    })?;
    Ok(tensors)
}

/// The report on a layer. It is compared behind its activation: numbers that this cuts off do not matter.
fn layer(
    float: &Graph,
    graph: &Graph,
    position: usize,
    (expected, found): (&[Tensor], &[Tensor]),
) -> Result<LayerReport, tch::TchError> {
    let node = graph.node(position);
    let (input, end) = (node.inputs[0], graph.end_of(position));
    let grid = graph.facts(input).grid;
    let int8 = graph.layer(position).scales.is_some();
    let own = match grid {
        Some(grid) if int8 => node.compute(&[&grid.round(&expected[input.index()])?])?,
        _ => node.compute(&[&expected[input.index()]])?,
    };
    let activation = graph.writer(end).filter(|&writer| writer != position);
    let own = activation.map_or_else(|| Ok(own.shallow_clone()), |writer| graph.node(writer).compute(&[&own]))?;
    let rows = float.layer(position).weight.tensor.f_flatten(1, -1)?.f_abs()?;
    let outliers = rows.f_amax(1, false)?.f_div(&rows.f_mean_dim(1, false, None)?.f_clamp_min(f64::MIN_POSITIVE)?)?;
    Ok(LayerReport {
        name: name(graph, position).to_owned(),
        operation: node.operation.name().to_owned(),
        int8,
        signal_to_noise: decibels(&expected[end.index()], &found[end.index()])?,
        own_signal_to_noise: decibels(&expected[end.index()], &own)?,
        input_range: grid.filter(|_| int8).map(|grid| grid.range()),
        outliers: outliers.f_max()?.double_value(&[]),
    })
}

/// Signal to noise in decibels; none without noise.
fn decibels(expected: &Tensor, found: &Tensor) -> Result<Option<f64>, tch::TchError> {
    let power = |tensor: &Tensor| Ok::<_, tch::TchError>(tensor.f_square()?.f_sum(Kind::Double)?.double_value(&[]));
    let noise = power(&found.f_sub(expected)?)?;
    Ok((noise > 0.0).then_some(10.0 * (power(expected)? / noise).log10()))
}
