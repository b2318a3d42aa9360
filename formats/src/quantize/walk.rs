//! The float graph and the quantised one side by side over calibration images, layer by layer.
//!
//! A layer is quantised when everything before it is: so its bias and the range behind it can make up for errors of earlier layers.
//! Biases are corrected by the difference of each channel's mean, which quantised layers shift (Nagel et al., arXiv 1906.04721).

use std::collections::BTreeSet;

use tch::{Kind, Tensor};

use super::observe::Observed;
use super::{Images, Progress, Quantized, gridded, ranges, report, weights};
use crate::Error;
use crate::graph::{Edge, Graph, along};

/// Bytes for the tensors between layers, of both graphs. Fewer images than there are take part where all of them need more.
const BYTES: f64 = 2e9;

/// Quantises the layers `int8` of a graph.
pub(super) fn walk(
    float: &Graph,
    int8: &BTreeSet<usize>,
    images: &dyn Images,
    observed: &Observed,
    progress: &mut Progress<'_>,
) -> Result<Quantized, Error> {
    let batches = batches(images, observed)?;
    let mut walk = Walk {
        float,
        graph: float.detached(),
        int8,
        gridded: gridded(float, int8),
        batches: batches.len(),
        alive: (0..float.edges()).map(|_| None).collect(),
    };
    for &edge in float.inputs() {
        let pair = Pair {
            float: batches.iter().map(Tensor::shallow_clone).collect(),
            rounded: batches.iter().map(Tensor::shallow_clone).collect(),
        };
        let pair = walk.on_grid(edge, pair).map_err(|cause| failed("choosing the range of an input", cause))?;
        walk.alive[edge.index()] = Some(pair);
    }
    let total = float.nodes().len();
    for position in 0..total {
        let place = float.node(position).place();
        walk.node(position).map_err(|cause| failed(&format!("quantising {place}"), cause))?;
        progress(position + 1, total, "layers");
    }
    let layers = report::layers(float, &walk.graph, images)?;
    Ok(Quantized { graph: walk.graph, reference: float.clone(), layers })
}

fn failed(action: &str, cause: tch::TchError) -> Error {
    Error::Torch { action: action.to_owned(), cause }
}

/// As many of the images as fit.
fn batches(images: &dyn Images, observed: &Observed) -> Result<Vec<Tensor>, Error> {
    let most = BYTES / (2.0 * observed.bytes_per_image.max(1.0));
    let mut batches: Vec<Tensor> = Vec::new();
    let mut count = 0.0;
    for index in 0..images.batches() {
        let batch = images.batch(index)?;
        count += batch.size()[0] as f64;
        if !batches.is_empty() && count > most {
            break;
        }
        batches.push(batch);
    }
    Ok(batches)
}

/// An edge's tensors in both graphs, batch by batch.
struct Pair {
    float: Vec<Tensor>,
    rounded: Vec<Tensor>,
}

struct Walk<'a> {
    float: &'a Graph,
    graph: Graph,
    int8: &'a BTreeSet<usize>,
    gridded: BTreeSet<Edge>,
    batches: usize,
    alive: Vec<Option<Pair>>,
}

impl Walk<'_> {
    fn node(&mut self, position: usize) -> Result<(), tch::TchError> {
        let node = self.float.node(position);
        let inputs = |of: fn(&Pair) -> &Vec<Tensor>, batch: usize| -> Vec<&Tensor> {
            let tensor = |edge: &Edge| &of(self.alive[edge.index()].as_ref().expect("computed before"))[batch];
            node.inputs.iter().map(tensor).collect()
        };
        let batches = self.batches;
        let float: Vec<Tensor> =
            (0..batches).map(|batch| node.compute(&inputs(|pair| &pair.float, batch))).collect::<Result<_, _>>()?;
        if self.int8.contains(&position) {
            let pair = self.alive[node.inputs[0].index()].as_ref().expect("computed before");
            let moments = weights::moments(&node.operation, &pair.rounded)?;
            let limit = node.operation.largest_weight();
            weights::fit(self.graph.layer_mut(position), limit, moments.as_ref())?;
        }
        let node = self.graph.node(position);
        let inputs = |batch: usize| -> Vec<&Tensor> {
            let tensor = |edge: &Edge| &self.alive[edge.index()].as_ref().expect("computed before").rounded[batch];
            node.inputs.iter().map(tensor).collect()
        };
        let mut rounded: Vec<Tensor> =
            (0..batches).map(|batch| node.compute(&inputs(batch))).collect::<Result<_, _>>()?;
        if node.operation.layer().is_some() {
            self.correct_bias(position, &float, &mut rounded)?;
        }
        let output = self.float.node(position).output;
        let pair = self.on_grid(output, Pair { float, rounded })?;
        self.alive[output.index()] = Some(pair);
        self.drop_read(position);
        Ok(())
    }

    /// Adds to a layer's bias what its channels lack on average.
    fn correct_bias(&mut self, position: usize, float: &[Tensor], rounded: &mut [Tensor]) -> Result<(), tch::TchError> {
        let means = |tensors: &[Tensor]| -> Result<Tensor, tch::TchError> {
            let mut sum: Option<Tensor> = None;
            let mut count = 0;
            for tensor in tensors {
                let rows = tensor.f_transpose(0, channel_axis(tensor) as i64)?.f_flatten(1, -1)?;
                count += rows.size()[1];
                let own = rows.f_sum_dim_intlist(1, false, Kind::Double)?;
                sum = Some(match sum {
                    Some(sum) => sum.f_add(&own)?,
                    None => own,
                });
            }
            sum.unwrap_or_else(|| Tensor::from(0.0)).f_div_scalar(count.max(1) as f64)
        };
        let Some(bias) = &mut self.graph.layer_mut(position).bias else { return Ok(()) };
        let difference = means(float)?.f_sub(&means(rounded)?)?.f_to_kind(Kind::Float)?;
        bias.tensor = bias.tensor.f_add(&difference)?;
        for tensor in rounded {
            *tensor = tensor.f_add(&along(&difference, channel_axis(tensor), tensor.dim())?)?;
        }
        Ok(())
    }

    /// Chooses the grid of an edge that needs one, and rounds its tensors.
    fn on_grid(&mut self, edge: Edge, pair: Pair) -> Result<Pair, tch::TchError> {
        if !self.gridded.contains(&edge) {
            return Ok(pair);
        }
        let grid = ranges::choose(&self.graph, edge, &pair.float, &pair.rounded)?;
        self.graph.set_grid(edge, Some(grid));
        let rounded = pair.rounded.iter().map(|tensor| grid.round(tensor)).collect::<Result<_, _>>()?;
        Ok(Pair { rounded, ..pair })
    }

    fn drop_read(&mut self, position: usize) {
        for edge in &self.float.node(position).inputs {
            let last = self.float.readers(*edge).last();
            if last == Some(position) && !self.float.outputs().contains(edge) {
                self.alive[edge.index()] = None;
            }
        }
    }
}

/// The axis of the channels in a layer's output.
fn channel_axis(tensor: &Tensor) -> usize {
    if tensor.dim() == 4 { 1 } else { tensor.dim() - 1 }
}
