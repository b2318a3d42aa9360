//! Convolutions, linear layers, pooling, resizing.

use super::call::Call;
use crate::onnx::{Error, Value, graph::Setting};

impl Call<'_> {
    /// The translation of a layer; `None` for another operator.
    pub fn layer(&mut self) -> Result<Option<Value>, Error> {
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
                self.builder.map("GlobalAveragePool", &[&xs])
            }
            "max_pool2d" => self.max_pool()?,
            "upsample_bilinear2d" => self.upsample()?,
            _ => return Ok(None),
        }))
    }

    /// Arguments 0 to 5 are images, weight, bias, stride, padding and dilation.
    fn convolution(&mut self, groups: usize) -> Result<Value, Error> {
        let weight_shape = self.weight_shape(1)?;
        self.require(weight_shape.len() == 4, 1, "[outputs, inputs, rows, columns]")?;
        let (strides, padding, dilations) = (self.ints(3)?, self.ints(4)?, self.ints(5)?);
        for (index, sides) in [(3, &strides), (4, &padding), (5, &dilations)] {
            self.require(sides.len() == 2, index, "two numbers")?;
        }
        let xs = self.tensor(0)?;
        let weight = self.tensor(1)?;
        let bias = if self.is_none(2) { None } else { Some(self.tensor(2)?) };
        let settings = [
            ("dilations", Setting::Ints(&dilations)),
            ("group", Setting::Int(self.int(groups)?)),
            ("kernel_shape", Setting::Ints(&weight_shape[2..])),
            ("pads", Setting::Ints(&[padding[0], padding[1], padding[0], padding[1]])),
            ("strides", Setting::Ints(&strides)),
        ];
        let inputs: Vec<_> = [&xs, &weight].into_iter().chain(&bias).collect();
        Ok(self.builder.node("Conv", &inputs, &settings, (xs.element, 4)))
    }

    fn linear(&mut self) -> Result<Value, Error> {
        let (xs, weight) = (self.tensor(0)?, self.tensor(1)?);
        self.require(weight.rank == 2, 1, "[outputs, inputs]")?;
        let bias = if self.is_none(2) { None } else { Some(self.tensor(2)?) };
        if xs.rank == 2 {
            let inputs: Vec<_> = [&xs, &weight].into_iter().chain(&bias).collect();
            return Ok(self.builder.node("Gemm", &inputs, &[("transB", Setting::Int(1))], (xs.element, 2)));
        }
        let settings = [("perm", Setting::Ints(&[1, 0]))];
        let turned = self.builder.node("Transpose", &[&weight], &settings, (weight.element, 2));
        let product = self.builder.node("MatMul", &[&xs, &turned], &[], (xs.element, xs.rank));
        Ok(bias.map_or_else(|| product.clone(), |bias| self.builder.map("Add", &[&product, &bias])))
    }

    fn addmm(&mut self) -> Result<Value, Error> {
        for index in [3, 4] {
            self.require(self.float(index)? == 1.0, index, "1")?;
        }
        let (bias, xs, weight) = (self.tensor(0)?, self.tensor(1)?, self.tensor(2)?);
        Ok(self.builder.node("Gemm", &[&xs, &weight, &bias], &[], (xs.element, 2)))
    }

    fn matmul(&mut self) -> Result<Value, Error> {
        let (left, right) = (self.tensor(0)?, self.tensor(1)?);
        for (index, value) in [&left, &right].into_iter().enumerate() {
            self.require(value.rank >= 2, index, "a matrix, or several")?;
        }
        Ok(self.builder.map("MatMul", &[&left, &right]))
    }

    fn max_pool(&mut self) -> Result<Value, Error> {
        let (kernel, padding, dilations) = (self.ints(1)?, self.ints(3)?, self.ints(4)?);
        let strides = if self.ints(2)?.is_empty() { kernel.clone() } else { self.ints(2)? };
        for (index, sides) in [(1, &kernel), (2, &strides), (3, &padding), (4, &dilations)] {
            self.require(sides.len() == 2, index, "two numbers")?;
        }
        let xs = self.tensor(0)?;
        let settings = [
            ("ceil_mode", Setting::Int(self.bool(5)?.into())),
            ("dilations", Setting::Ints(&dilations)),
            ("kernel_shape", Setting::Ints(&kernel)),
            ("pads", Setting::Ints(&[padding[0], padding[1], padding[0], padding[1]])),
            ("strides", Setting::Ints(&strides)),
        ];
        Ok(self.builder.node("MaxPool", &[&xs], &settings, (xs.element, 4)))
    }

    /// To a size that is known; factors must agree with it.
    fn upsample(&mut self) -> Result<Value, Error> {
        let size = self.ints(1)?;
        self.require(size.len() == 2, 1, "two numbers")?;
        self.require(!self.bool(2)?, 2, "False")?;
        for index in 3..self.len() {
            self.require(self.is_none(index), index, "None")?;
        }
        let xs = self.tensor(0)?;
        let size = self.builder.ints("size", &size);
        Ok(self.builder.resize(&xs, &size))
    }
}
