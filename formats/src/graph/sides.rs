//! The shapes of a graph's tensors.

use tch::{Device, Kind, Tensor};

use super::Graph;
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

/// Added to the sides of images to see what follows them.
const MORE_PIXELS: i64 = 32;

impl Graph {
    /// The sides of every edge for an image of these channels, height and width, from two runs. The batch is free, and the size where
    /// `any_size`.
    ///
    /// # Errors
    /// [`Error::Torch`] where the graph does not take such images.
    pub fn sides(&self, image: [i64; 3], any_size: bool) -> Result<Vec<Vec<Side>>, Error> {
        let run = |batch: i64, more: i64| -> Result<Vec<Vec<i64>>, Error> {
            let mut found = vec![Vec::new(); self.edges.len()];
            let shape = [batch, image[0], image[1] + more, image[2] + more];
            tch::no_grad(|| {
                let images = Tensor::zeros(shape, (Kind::Float, Device::Cpu));
                self.run_watched(&[images], &mut |edge, tensor| {
                    found[edge.0] = tensor.size();
                    Ok(())
                })
            })?;
            Ok(found)
        };
        let (one, two) = (run(1, 0)?, run(2, if any_size { MORE_PIXELS } else { 0 })?);
        let pair = |(one, two): (&Vec<i64>, &Vec<i64>)| {
            one.iter().zip(two).map(|(&length, &other)| Side { length, free: length != other }).collect()
        };
        Ok(one.iter().zip(&two).map(pair).collect())
    }
}
