//! The grid of an edge.
//!
//! A narrower range has finer steps and cuts off more. Which one is best is seen behind the layers that read the edge, not in the
//! tensor itself: of several shares of the whole range the one with the least error there is taken.

use tch::Tensor;

use crate::graph::{Edge, Graph, Grid, Node};

/// Shares of the range that are tried.
const SHARES: [f64; 10] = [1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3];
/// Images that they are compared on.
const IMAGES: i64 = 32;

/// The grid of an edge whose tensors are `float` in the float graph and `rounded` behind everything that was quantised so far.
///
/// # Errors
/// libtorch's.
pub(super) fn choose(graph: &Graph, edge: Edge, float: &[Tensor], rounded: &[Tensor]) -> Result<Grid, tch::TchError> {
    let [mut low, mut high] = [0.0_f64; 2];
    for tensor in rounded {
        low = low.min(tensor.f_min()?.double_value(&[]));
        high = high.max(tensor.f_max()?.double_value(&[]));
    }
    let readers: Vec<[Option<&Node>; 2]> = graph.readers(edge).filter_map(|reader| pair(graph, reader)).collect();
    let behind = |tensor: &Tensor| -> Result<Vec<Tensor>, tch::TchError> {
        let one = |nodes: &[Option<&Node>; 2]| {
            nodes.iter().flatten().try_fold(tensor.shallow_clone(), |tensor, node| node.compute(&[&tensor]))
        };
        if readers.is_empty() { Ok(vec![tensor.shallow_clone()]) } else { readers.iter().map(one).collect() }
    };
    let mut compared: Vec<(Vec<Tensor>, &Tensor)> = Vec::new();
    let mut images = 0;
    for (float, rounded) in float.iter().zip(rounded) {
        if images >= IMAGES {
            break;
        }
        images += rounded.size()[0];
        compared.push((behind(float)?, rounded));
    }
    let mut best = (f64::INFINITY, Grid::over(low, high));
    for share in SHARES {
        let grid = Grid::over(low * share, high * share);
        let mut error = 0.0;
        for (expected, tensor) in &compared {
            let found = behind(&grid.round(tensor)?)?;
            for (expected, found) in expected.iter().zip(&found) {
                error += (found.f_sub(expected)?).f_square()?.f_sum(tch::Kind::Double)?.double_value(&[]);
            }
        }
        if error < best.0 {
            best = (error, grid);
        }
    }
    Ok(best.1)
}

/// A layer and the activation behind it; none for a node that is no layer.
fn pair(graph: &Graph, reader: usize) -> Option<[Option<&Node>; 2]> {
    graph.node(reader).operation.layer()?;
    let end = graph.writer(graph.end_of(reader)).filter(|&end| end != reader);
    Some([Some(graph.node(reader)), end.map(|end| graph.node(end))])
}
