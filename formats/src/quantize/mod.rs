//! From a graph in floating point to one in int8, by images without labels.
//!
//! | module | holds |
//! |---|---|
//! | `equalize` | channels scaled against each other, so that one grid fits all |
//! | `observe` | the range of every edge, the memory that a walk needs |
//! | `walk` | both graphs side by side, layer by layer: ranges, weights, biases |
//! | `ranges` | the grid of an edge |
//! | `weights` | the grid and the rounding of a layer's weights |
//! | [`parameters`](parameters()) | what is trained of a quantised graph, under names |
//! | [`reconstruct`](reconstruct()) | all of it trained to give the float network's outputs |
//! | `report` | what was found and done, layer by layer |
//!
//! Activations are unsigned bytes with one grid for an edge, weights signed bytes with a grid for each output channel, biases 32-bit
//! integers: what ONNX Runtime, OpenVINO, LiteRT and libtorch's quantised kernels compute. `docs/quantization.md` says why each step
//! is there, with the measurements.

mod equalize;
mod observe;
mod parameters;
mod ranges;
mod reconstruct;
mod report;
mod walk;
mod weights;

use std::collections::BTreeSet;

use tch::Tensor;

pub use parameters::{PREFIX, TRAINED, parameters, settled, units, with_parameters};
pub use reconstruct::{Reconstruction, noise, reconstruct};
pub use report::{LayerReport, layers};

use crate::Error;
use crate::graph::{Edge, Graph, Operation};

/// Images that a graph is calibrated with.
pub trait Images {
    /// How many batches there are, at least one.
    fn batches(&self) -> usize;

    /// A batch as the graph takes it: float `[n, C, H, W]`, normalised. The last batch may have fewer images.
    ///
    /// # Errors
    /// Those of the caller's images.
    fn batch(&self, index: usize) -> Result<Tensor, Error>;
}

/// A quantised graph, and how it came about.
#[derive(Debug)]
pub struct Quantized {
    /// The graph, with grids on edges and scales at layers.
    pub graph: Graph,
    /// The same graph in floating point: that which was quantised, with channels scaled against each other.
    pub reference: Graph,
    /// Its layers, in order.
    pub layers: Vec<LayerReport>,
}

/// Takes the progress: a step, the number of steps, and what is being done.
pub type Progress<'a> = dyn FnMut(usize, usize, &str) + 'a;

/// Quantises a graph by calibration images. The layers named in `float` stay in floating point, and so do convolutions over single
/// pixels, which cost nothing (squeeze-and-excitation, the pooled branch of ASPP).
///
/// # Errors
/// [`Error::Value`] for a weight that is not finite, or a name that no layer has; those of `images`; libtorch's.
pub fn quantize(
    graph: &Graph,
    images: &dyn Images,
    float: &BTreeSet<String>,
    progress: &mut Progress<'_>,
) -> Result<Quantized, Error> {
    check_names(graph, float)?;
    check_finite(graph)?;
    tch::no_grad(|| {
        let observed = observe::observe(graph, images, progress)?;
        let graph = equalize::equalize(graph, &observed)?;
        let int8 = graph.layers().filter(|&layer| {
            !float.contains(name(&graph, layer)) && !observed.is_single_pixel(graph.node(layer).inputs[0])
        });
        walk::walk(&graph, &int8.collect(), images, &observed, progress)
    })
}

/// The name of a layer, without that of its weight.
fn name(graph: &Graph, layer: usize) -> &str {
    let weight = &graph.layer(layer).weight.name;
    weight.rsplit_once('.').map_or(weight, |(name, _)| name)
}

fn check_names(graph: &Graph, wanted: &BTreeSet<String>) -> Result<(), Error> {
    let known: BTreeSet<&str> = graph.layers().map(|layer| name(graph, layer)).collect();
    match wanted.iter().find(|wanted| !known.contains(wanted.as_str())) {
        Some(unknown) => {
            let known: Vec<&str> = known.into_iter().collect();
            Err(Error::value("the name of a layer", format!("one of {}", known.join(", ")), format!("`{unknown}`")))
        }
        None => Ok(()),
    }
}

fn check_finite(graph: &Graph) -> Result<(), Error> {
    for layer in graph.layers() {
        let parameters = graph.layer(layer);
        for weight in std::iter::once(&parameters.weight).chain(&parameters.bias) {
            if weight.tensor.isfinite().all().int64_value(&[]) == 0 {
                return Err(Error::value(format!("`{}`", weight.name), "finite", "not a finite number in places"));
            }
        }
    }
    Ok(())
}

/// The edges that need a grid when these layers compute in int8: what they read and what they compute, and where several tensors
/// become one that they read, each of these.
fn gridded(graph: &Graph, int8: &BTreeSet<usize>) -> BTreeSet<Edge> {
    let mut edges = BTreeSet::new();
    for &layer in int8 {
        edges.insert(graph.node(layer).inputs[0]);
        let end = graph.end_of(layer);
        // Runtimes have linear layers from bytes to numbers, and no such convolutions.
        if !(graph.outputs().contains(&end) && matches!(graph.node(layer).operation, Operation::Linear(_))) {
            edges.insert(end);
        }
    }
    for node in graph.nodes().iter().rev() {
        if matches!(node.operation, Operation::Concat(_)) && edges.contains(&node.output) {
            edges.extend(&node.inputs);
        }
    }
    edges
}
