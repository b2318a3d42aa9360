//! The shapes of a graph's tensors.

use tch::{Device, Kind, Tensor};

use super::{Binary, Edge, Graph, Node, Operation};
use crate::Error;

/// A side of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// Its length for one image of the usual size.
    pub length: i64,
    /// Whether another batch or size changes it.
    pub free: bool,
}

impl Side {
    /// A side that never changes.
    pub fn fixed(length: i64) -> Self {
        Self { length, free: false }
    }
}

/// Added to the free sides of inputs to see what follows them.
const MORE_IMAGES: i64 = 1;
const MORE_PIXELS: i64 = 32;

impl Graph {
    /// The sides of every edge for an image of these channels, height and width. The batch is free, and the size where `any_size`.
    ///
    /// # Errors
    /// [`Error::Torch`] where the graph does not take such images.
    pub fn sides(&self, [channels, height, width]: [i64; 3], any_size: bool) -> Result<Vec<Vec<Side>>, Error> {
        let [height, width] = [height, width].map(|length| Side { length, free: any_size });
        self.sides_for(&[&[Side { length: 1, free: true }, Side::fixed(channels), height, width]])
    }

    /// The sides of every edge for inputs of these sides, from two runs.
    ///
    /// # Errors
    /// [`Error::Torch`] where the graph does not take such inputs.
    pub fn sides_for(&self, inputs: &[&[Side]]) -> Result<Vec<Vec<Side>>, Error> {
        let run = |more: [i64; 2]| -> Result<Vec<Vec<i64>>, Error> {
            let mut found = vec![Vec::new(); self.edges.len()];
            let length =
                |(axis, side): (usize, &Side)| side.length + if side.free { more[usize::from(axis > 0)] } else { 0 };
            let zeros = |sides: &&[Side]| {
                let shape: Vec<i64> = sides.iter().enumerate().map(length).collect();
                Tensor::zeros(shape, (Kind::Float, Device::Cpu))
            };
            tch::no_grad(|| {
                let inputs: Vec<Tensor> = inputs.iter().take(self.inputs.len()).map(zeros).collect();
                self.run_watched(&inputs, &mut |edge, tensor| {
                    found[edge.0] = tensor.size();
                    Ok(())
                })
            })?;
            Ok(found)
        };
        let (one, two) = (run([0; 2])?, run([MORE_IMAGES, MORE_PIXELS])?);
        let pair = |(one, two): (&Vec<i64>, &Vec<i64>)| {
            one.iter().zip(two).map(|(&length, &other)| Side { length, free: length != other }).collect()
        };
        Ok(one.iter().zip(&two).map(pair).collect())
    }

    /// Bytes that the operations read and write for one image `[C, H, W]` in fp32, each operation by itself: maps, and the weights of
    /// layers once. Activations are computed with the layer before them; a change of shape moves nothing.
    ///
    /// # Errors
    /// [`Error::Torch`] where the graph does not take such an image.
    pub fn traffic(&self, image: [i64; 3]) -> Result<i64, Error> {
        let sides = self.sides(image, false)?;
        let numbers = |edge: &Edge| sides[edge.0].iter().map(|side| side.length).product::<i64>();
        let moved = |node: &Node| match &node.operation {
            Operation::Constant(_)
            | Operation::Reshape(_)
            | Operation::Flatten(_)
            | Operation::Unsqueeze(_)
            | Operation::Expand(_)
            | Operation::ExpandAs
            | Operation::ZerosLike => 0,
            operation if operation.is_activation() => 0,
            operation => {
                let weights = operation.layer().map_or(0, |layer| {
                    let bias = layer.bias.as_ref().map_or(0, |bias| bias.tensor.numel());
                    (layer.weight.tensor.numel() + bias) as i64
                });
                node.inputs.iter().chain([&node.output]).map(numbers).sum::<i64>() + weights
            }
        };
        Ok(self.nodes.iter().map(moved).sum::<i64>() * size_of::<f32>() as i64)
    }

    /// Of a node that adds a map of one pixel to zeros, by which it becomes one of many: the map, and the one whose size the zeros have.
    pub(crate) fn spread(&self, node: &Node, sides: &[Vec<Side>]) -> Option<[Edge; 2]> {
        let like = |edge: Edge| {
            let writer = self.node(self.writer(edge)?);
            matches!(writer.operation, Operation::ZerosLike).then(|| writer.inputs[0])
        };
        if !matches!(node.operation, Operation::Binary(Binary::Add)) {
            return None;
        }
        let like_of_zeros = node.inputs.iter().find_map(|&edge| like(edge))?;
        let other = *node.inputs.iter().find(|&&edge| like(edge).is_none())?;
        is_single_pixel(&sides[other.0]).then_some([other, like_of_zeros])
    }
}

/// Whether these are the sides of maps `[N, C, 1, 1]`.
pub(crate) fn is_single_pixel(sides: &[Side]) -> bool {
    matches!(sides, [_, _, rows, columns] if [*rows, *columns] == [Side::fixed(1); 2])
}
