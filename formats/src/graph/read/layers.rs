//! Convolutions, linear layers, pooling, resizing.

use super::call::Call;
use crate::Error;
use crate::graph::{Binary, Convolution, Edge, Layer, Operation};

impl Call<'_> {
    /// A layer; `None` for another operator.
    pub fn layer(&mut self) -> Result<Option<Edge>, Error> {
        Ok(Some(match self.operator() {
            "conv2d" => self.convolution(6)?,
            "_convolution" => {
                self.require(!self.bool(6)?, 6, "False (no transposed convolution)")?;
                self.convolution(8)?
            }
            "linear" => self.linear()?,
            "addmm" => self.addmm()?,
            "matmul" | "mm" => self.matmul()?,
            "adaptive_avg_pool2d" => {
                self.require(self.ints(1)? == [1, 1], 1, "[1, 1]")?;
                let xs = self.tensor(0)?;
                self.draft.like(Operation::GlobalAveragePool, &[xs])
            }
            "max_pool2d" => self.max_pool()?,
            "upsample_bilinear2d" => self.upsample()?,
            _ => return Ok(None),
        }))
    }

    /// Arguments 0 to 5 are images, weight, bias, stride, padding and dilation.
    fn convolution(&mut self, groups: usize) -> Result<Edge, Error> {
        let xs = self.tensor(0)?;
        let expected = "[outputs, inputs, rows, columns]";
        let weight = self.weight(1, expected)?;
        self.require(weight.tensor.dim() == 4, 1, expected)?;
        let bias = if self.is_none(2) { None } else { Some(self.weight(2, "a weight")?) };
        let convolution = Convolution {
            layer: Layer { weight, bias, scales: None },
            stride: self.pair(3)?,
            padding: self.pair(4)?,
            dilation: self.pair(5)?,
            groups: self.int(groups)?,
        };
        Ok(self.draft.like(Operation::Convolution(convolution), &[xs]))
    }

    fn linear(&mut self) -> Result<Edge, Error> {
        let xs = self.tensor(0)?;
        let weight = self.weight(1, "[outputs, inputs]")?;
        self.require(weight.tensor.dim() == 2, 1, "[outputs, inputs]")?;
        let bias = if self.is_none(2) { None } else { Some(self.weight(2, "a weight")?) };
        Ok(self.draft.like(Operation::Linear(Layer { weight, bias, scales: None }), &[xs]))
    }

    fn addmm(&mut self) -> Result<Edge, Error> {
        for index in [3, 4] {
            self.require(self.float(index)? == 1.0, index, "1")?;
        }
        let (bias, xs, weight) = (self.tensor(0)?, self.tensor(1)?, self.tensor(2)?);
        let product = self.draft.like(Operation::MatMul, &[xs, weight]);
        Ok(self.draft.like(Operation::Binary(Binary::Add), &[product, bias]))
    }

    fn matmul(&mut self) -> Result<Edge, Error> {
        let (left, right) = (self.tensor(0)?, self.tensor(1)?);
        for (index, edge) in [left, right].into_iter().enumerate() {
            self.require(self.draft.rank(edge) >= 2, index, "a matrix, or several")?;
        }
        Ok(self.draft.like(Operation::MatMul, &[left, right]))
    }

    fn max_pool(&mut self) -> Result<Edge, Error> {
        let xs = self.tensor(0)?;
        let kernel = self.pair(1)?;
        let stride = if self.ints(2)?.is_empty() { kernel } else { self.pair(2)? };
        let (padding, dilation, ceil) = (self.pair(3)?, self.pair(4)?, self.bool(5)?);
        Ok(self.draft.like(Operation::MaxPool { kernel, stride, padding, dilation, ceil }, &[xs]))
    }

    /// To a size that is known; factors must agree with it.
    fn upsample(&mut self) -> Result<Edge, Error> {
        let size = self.pair(1)?;
        self.require(!self.bool(2)?, 2, "False")?;
        for index in 3..self.len() {
            self.require(self.is_none(index), index, "None")?;
        }
        let xs = self.tensor(0)?;
        Ok(self.draft.like(Operation::Resize(size), &[xs]))
    }
}
