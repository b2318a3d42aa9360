//! Channels scaled against each other.
//!
//! Between two layers, with nothing but a rectifier or a mean between them, a channel may be divided by any positive number in the
//! first and multiplied by it in the second: the network computes the same. Before a depthwise layer, whose weights have a grid for
//! each channel, this costs nothing, and all channels can be brought to one range. Before another layer it moves the difficulty from
//! the activations into the weights, and the two are balanced (Nagel et al., arXiv 1906.04721; Xiao et al., arXiv 2211.10438).

use tch::Tensor;

use super::observe::Observed;
use crate::Error;
use crate::graph::{Convolution, Graph, Operation, Unary, along};

/// The share of the activations' ranges in the balance before layers that are not depthwise; the rest is the weights'.
const BALANCE: f64 = 0.5;
/// The least factor: channels that hardly ever fire are not blown up without limit.
const LEAST: f64 = 1e-2;

/// A graph with the same outputs.
pub(super) fn equalize(graph: &Graph, observed: &Observed) -> Result<Graph, Error> {
    let mut graph = graph.detached();
    for writer in graph.layers().collect::<Vec<_>>() {
        let Some(link) = Link::from(&graph, writer) else { continue };
        let Some([low, high]) = &observed.ranges[graph.end_of(writer).index()].channels else { continue };
        let torch = |cause| Error::Torch { action: "equalising channels".to_owned(), cause };
        let factors = link.factors(&graph, &high.maximum(&low.abs())).map_err(torch)?;
        link.apply(&mut graph, &factors).map_err(torch)?;
    }
    Ok(graph)
}

/// A layer and those that read its channels.
struct Link {
    writer: usize,
    readers: Vec<usize>,
}

impl Link {
    /// None where something else than a rectifier, a mean over pixels or a change of shape lies between, or a channel is an output.
    fn from(graph: &Graph, writer: usize) -> Option<Self> {
        if !matches!(graph.node(writer).operation, Operation::Convolution(_)) {
            return None;
        }
        let mut link = Self { writer, readers: Vec::new() };
        let mut open = vec![graph.node(writer).output];
        while let Some(edge) = open.pop() {
            if graph.outputs().contains(&edge) {
                return None;
            }
            for reader in graph.readers(edge) {
                let node = graph.node(reader);
                match &node.operation {
                    Operation::Convolution(convolution) if convolution.groups == 1 || convolution.is_depthwise() => {
                        link.readers.push(reader);
                    }
                    Operation::Linear(_) if graph.facts(edge).rank == 2 => link.readers.push(reader),
                    Operation::Unary(Unary::Relu) | Operation::GlobalAveragePool | Operation::Flatten(1) => {
                        open.push(node.output);
                    }
                    Operation::Mean { axes, .. } if axes.iter().all(|&axis| axis > 1) => open.push(node.output),
                    _ => return None,
                }
            }
        }
        // After pooling and flattening the channels of a linear layer's input are those of the maps only where each had one number.
        let channels = graph.layer(writer).weight.tensor.size()[0];
        let fits = |&reader: &usize| match &graph.node(reader).operation {
            Operation::Linear(layer) => layer.weight.tensor.size()[1] == channels,
            _ => true,
        };
        (!link.readers.is_empty() && link.readers.iter().all(fits)).then_some(link)
    }

    /// What each channel is divided by, from 0 to 1.
    fn factors(&self, graph: &Graph, largest: &Tensor) -> Result<Tensor, tch::TchError> {
        let relative = |values: &Tensor| values.f_div(&values.f_max()?.f_clamp_min(f64::MIN_POSITIVE)?);
        let activations = relative(largest)?.f_clamp_min(LEAST)?;
        let mut dense: Option<Tensor> = None;
        for &reader in &self.readers {
            let Some(columns) = columns(&graph.node(reader).operation)? else { continue };
            dense = Some(match dense {
                Some(known) => known.f_maximum(&columns)?,
                None => columns,
            });
        }
        match dense {
            None => Ok(activations),
            Some(columns) => {
                let weights = relative(&columns)?.f_clamp_min(LEAST)?;
                let balanced =
                    activations.f_pow_tensor_scalar(BALANCE)?.f_div(&weights.f_pow_tensor_scalar(1.0 - BALANCE)?)?;
                relative(&balanced)?.f_clamp_min(LEAST)
            }
        }
    }

    fn apply(&self, graph: &mut Graph, factors: &Tensor) -> Result<(), tch::TchError> {
        let inverse = factors.f_reciprocal()?;
        let writer = graph.layer_mut(self.writer);
        writer.weight.tensor = writer.weight.tensor.f_mul(&along(&inverse, 0, writer.weight.tensor.dim())?)?;
        if let Some(bias) = &mut writer.bias {
            bias.tensor = bias.tensor.f_mul(&inverse)?;
        }
        for &reader in &self.readers {
            let depthwise =
                matches!(&graph.node(reader).operation, Operation::Convolution(layer) if layer.is_depthwise());
            let layer = graph.layer_mut(reader);
            let axis = if depthwise { 0 } else { 1 };
            layer.weight.tensor = layer.weight.tensor.f_mul(&along(factors, axis, layer.weight.tensor.dim())?)?;
        }
        Ok(())
    }
}

/// The largest weight that reads each input channel; none for a depthwise layer.
fn columns(operation: &Operation) -> Result<Option<Tensor>, tch::TchError> {
    let weight = match operation {
        Operation::Convolution(convolution) if convolution.is_depthwise() => return Ok(None),
        Operation::Convolution(Convolution { layer, .. }) | Operation::Linear(layer) => &layer.weight.tensor,
        _ => return Ok(None),
    };
    weight.f_transpose(0, 1)?.f_flatten(1, -1)?.f_abs()?.f_amax(1, false).map(Some)
}
