//! The range of every edge over the calibration images.

use tch::{Kind, Tensor};

use super::{Images, Progress};
use crate::graph::{Edge, Graph};
use crate::{Element, Error};

/// What was seen of the edges of a graph.
#[derive(Debug)]
pub(super) struct Observed {
    /// Of each edge.
    pub ranges: Vec<Range>,
    /// Bytes of the largest set of tensors that lives at one time, for one image.
    pub bytes_per_image: f64,
}

impl Observed {
    /// Whether the edge has maps of a single pixel.
    pub fn is_single_pixel(&self, edge: Edge) -> bool {
        matches!(self.ranges[edge.index()].shape[..], [_, _, 1, 1])
    }
}

/// What was seen of an edge.
#[derive(Debug, Default)]
pub(super) struct Range {
    /// The least and the largest value of each channel (axis 1), where the edge is float and has channels.
    pub channels: Option<[Tensor; 2]>,
    /// Its shape for the first batch.
    pub shape: Vec<i64>,
}

impl Range {
    fn add(&mut self, tensor: &Tensor) -> Result<(), tch::TchError> {
        if self.shape.is_empty() {
            self.shape = tensor.size();
        }
        if tensor.kind() != Kind::Float || tensor.dim() < 2 || tensor.numel() == 0 {
            return Ok(());
        }
        let rows = tensor.f_transpose(0, 1)?.f_flatten(1, -1)?;
        let (low, high) = (rows.f_amin(1, false)?, rows.f_amax(1, false)?);
        self.channels = Some(match self.channels.take() {
            Some([least, largest]) => [least.f_minimum(&low)?, largest.f_maximum(&high)?],
            None => [low, high],
        });
        Ok(())
    }
}

/// Runs the graph over the images.
pub(super) fn observe(graph: &Graph, images: &dyn Images, progress: &mut Progress<'_>) -> Result<Observed, Error> {
    let mut ranges: Vec<Range> = Vec::new();
    ranges.resize_with(graph.edges(), Range::default);
    for index in 0..images.batches() {
        let batch = images.batch(index)?;
        graph.run_watched(&[batch], &mut |edge, tensor| {
            ranges[edge.index()].add(tensor).map_err(|cause| Error::Torch { action: "observing a range".into(), cause })
        })?;
        progress(index + 1, images.batches(), "ranges");
    }
    let bytes_per_image = peak(graph, &ranges);
    Ok(Observed { ranges, bytes_per_image })
}

/// Bytes of the largest set of tensors that lives at one time, for one image.
fn peak(graph: &Graph, ranges: &[Range]) -> f64 {
    let bytes = |edge: Edge| {
        let [images, sides @ ..] = ranges[edge.index()].shape.as_slice() else { return 0.0 };
        let float = graph.facts(edge).element == Element::F32 && *images > 0;
        if float { 4.0 * sides.iter().product::<i64>() as f64 } else { 0.0 }
    };
    let last = |edge: Edge| match graph.outputs().contains(&edge) {
        true => usize::MAX,
        false => graph.readers(edge).last().unwrap_or(0),
    };
    let mut alive: Vec<Edge> = graph.inputs().to_vec();
    let mut most: f64 = 0.0;
    for (position, node) in graph.nodes().iter().enumerate() {
        alive.push(node.output);
        most = most.max(alive.iter().map(|&edge| bytes(edge)).sum());
        alive.retain(|&edge| last(edge) > position);
    }
    most
}
