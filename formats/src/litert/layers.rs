//! Convolutions and linear layers as LiteRT operators, with their weights.

use tch::{Kind as TorchKind, Tensor};

use super::model::{Kind, Quantization, Value};
use super::network::{Held, Network, numbers, torch, unsupported};
use super::operators::{self, Activation, Moves};
use crate::Error;
use crate::graph::{Convolution, Edge, Grid, Layer, Node, Operation, Side, Unary};

/// An activation that layers have built in.
pub(super) fn activation(operation: &Operation) -> Option<Activation> {
    match operation {
        Operation::Unary(Unary::Relu) => Some(Activation::Relu),
        Operation::Clip { low: Some(low), high: Some(high) } if (*low, *high) == (0.0, 6.0) => Some(Activation::Relu6),
        _ => None,
    }
}

impl Network<'_> {
    /// A layer with the activation behind it, where LiteRT computes both at once.
    fn fused(&mut self, position: usize) -> (Edge, Activation) {
        let node = self.graph.node(position);
        let end = self.graph.end_of(position);
        let behind = self.graph.writer(end).filter(|&writer| writer != position);
        let function = behind.and_then(|behind| activation(&self.graph.node(behind).operation));
        match (behind, function) {
            (Some(behind), Some(function)) => {
                self.passed[behind] = true;
                (end, function)
            }
            _ => (node.output, Activation::None),
        }
    }

    pub(super) fn convolution(&mut self, position: usize, convolution: &Convolution) -> Result<(), Error> {
        let node = self.graph.node(position);
        let Convolution { layer, stride, padding, dilation, groups } = convolution;
        let [outputs, per_group, ..] = layer.weight.tensor.size()[..] else {
            return Err(unsupported("a convolution of this shape"));
        };
        let depthwise = (*groups > 1 && per_group == 1).then(|| outputs / groups);
        if *groups != 1 && depthwise.is_none() {
            return Err(unsupported("a convolution in groups"));
        }
        let (input, (end, activation)) = (node.inputs[0], self.fused(position));
        let grids = layer.scales.as_ref().and(self.grid(input).zip(self.grid(end)));
        let bytes = self.held[input.index()].bytes.clone().filter(|_| self.held[input.index()].channels_last);
        let int8 = grids.zip(bytes);
        let xs = match &int8 {
            Some((_, bytes)) => bytes.clone(),
            None => self.float_as(input, true)?,
        };
        let shape = layer.weight.tensor.size();
        let around: [i64; 2] = std::array::from_fn(|axis| dilation[axis] * (shape[2 + axis] - 1));
        let keeps_size = *stride == [1, 1] && (0..2).all(|axis| 2 * padding[axis] == around[axis]);
        let xs = if keeps_size || *padding == [0, 0] { xs } else { self.padded(&xs, *padding, self.grid(input))? };
        let order: [i64; 4] = if depthwise.is_some() { [1, 2, 3, 0] } else { [0, 2, 3, 1] };
        let (sides, axis) = (self.sides_as(end, true), if depthwise.is_some() { 3 } else { 0 });
        let parameters = self.parameters(node, layer, int8.as_ref().map(|((grid, _), _)| *grid), &order, axis)?;
        let grid = int8.as_ref().map(|((_, grid), _)| *grid);
        let output = self.builder.tensor("values", xs.kind, &sides, grid.map(Quantization::from));
        let moves = Moves { depthwise, int8: grid.is_some(), keeps_size, stride: *stride, dilation: *dilation };
        let operator = operators::convolution(moves, activation);
        self.builder.operator(operator, &[&xs, &parameters[0], &parameters[1]], &[&output]);
        match grid {
            Some(_) => self.held[end.index()] = Held { float: None, bytes: Some(output), channels_last: true },
            None => self.keep(end, output, true),
        }
        Ok(())
    }

    /// A map with zeros around it, as PyTorch pads: LiteRT's own padding of strided layers is another one for even sizes.
    fn padded(&mut self, xs: &Value, padding: [i64; 2], grid: Option<Grid>) -> Result<Value, Error> {
        let (around, sides) = self.around(xs, padding);
        let int8 = xs.kind == Kind::I8;
        let grid = grid.filter(|_| int8);
        let padded = self.builder.tensor("padded", xs.kind, &sides, grid.map(Quantization::from));
        self.builder.operator(operators::pad(int8), &[xs, &around], &[&padded]);
        Ok(padded)
    }

    /// A map with the least number around it, which no maximum is.
    pub(super) fn padded_with_least(&mut self, xs: &Value, padding: [i64; 2]) -> Value {
        let (around, sides) = self.around(xs, padding);
        let least = self.builder.floats("least", &[f32::MIN], &[]);
        self.builder.compute("padded", operators::pad_with(), &[xs, &around, &least], &sides)
    }

    /// How many pixels are added on each side of each axis, and the sides with them.
    fn around(&mut self, xs: &Value, [rows, columns]: [i64; 2]) -> (Value, Vec<Side>) {
        let around = [0, 0, rows, rows, columns, columns, 0, 0].map(|side| side as i32);
        let mut sides = xs.sides.clone();
        sides[1].length += 2 * rows;
        sides[2].length += 2 * columns;
        (self.builder.ints("padding", &around, &[4, 2]), sides)
    }

    pub(super) fn linear(&mut self, position: usize, layer: &Layer) -> Result<(), Error> {
        let node = self.graph.node(position);
        let input = node.inputs[0];
        let (end, activation) = self.fused(position);
        let is_row = self.sides[input.index()].len() == 2;
        let bytes = self.held[input.index()].bytes.clone().filter(|_| is_row);
        let int8 = layer.scales.as_ref().and(self.grid(input).zip(self.grid(end))).zip(bytes);
        let xs = match &int8 {
            Some((_, bytes)) => bytes.clone(),
            None => self.float_as(input, false)?,
        };
        let parameters = self.parameters(node, layer, int8.as_ref().map(|((grid, _), _)| *grid), &[0, 1], 0)?;
        let grid = int8.map(|((_, grid), _)| grid);
        let sides = self.sides_as(end, false);
        let output = self.builder.tensor("values", xs.kind, &sides, grid.map(Quantization::from));
        let operator = match is_row {
            true => operators::linear(grid.is_some(), activation),
            false => operators::linear_of_any_rank(activation),
        };
        self.builder.operator(operator, &[&xs, &parameters[0], &parameters[1]], &[&output]);
        match grid {
            Some(_) => self.held[end.index()] = Held { float: None, bytes: Some(output), channels_last: false },
            None => self.keep(end, output, false),
        }
        Ok(())
    }

    /// Weight, in this order of its axes, and bias; of a layer in int8, whose input is on `grid`, as integers.
    fn parameters(
        &mut self,
        node: &Node,
        layer: &Layer,
        grid: Option<Grid>,
        order: &[i64],
        axis: i32,
    ) -> Result<[Value; 2], Error> {
        let outputs = layer.weight.tensor.size()[0];
        let weight = match &layer.scales {
            Some(_) => layer.integers(),
            None => node.operation.rounded_weight(),
        };
        let weight = weight.and_then(|weight| weight.detach().f_permute(order)).map_err(torch)?.contiguous();
        let name = &layer.weight.name;
        let weight = match &layer.scales {
            Some(scales) => {
                self.integers(name, &weight, Quantization { scales: numbers(scales)?, zero_point: 0, axis })?
            }
            None => self.weight(name, &weight)?,
        };
        let no_bias = Tensor::zeros([outputs], (TorchKind::Float, tch::Device::Cpu));
        let bias = layer.bias.as_ref().map_or(&no_bias, |bias| &bias.tensor).detach();
        let bias_name = layer.bias.as_ref().map_or("bias", |bias| &bias.name);
        let Some((scales, grid)) = layer.scales.as_ref().zip(grid) else {
            let bias = self.builder.floats(bias_name, &numbers(&bias)?, &[outputs]);
            let weight = match weight.kind {
                Kind::I8 => self.widened(&weight, operators::dequantize_channels()),
                _ => weight,
            };
            return Ok([weight, bias]);
        };
        let scales = (scales.to_kind(TorchKind::Double) * grid.scale).to_kind(TorchKind::Float);
        let limit = f64::from(i32::MAX);
        let steps = (bias.to_kind(TorchKind::Double) / scales.to_kind(TorchKind::Double)).round().clamp(-limit, limit);
        let steps: Vec<i32> = Vec::try_from(steps.to_kind(TorchKind::Int)).map_err(torch)?;
        let quantization = Quantization { scales: numbers(&scales)?, zero_point: 0, axis: 0 };
        let bytes = steps.iter().flat_map(|step| step.to_le_bytes()).collect();
        let bias = self.builder.constant(bias_name, Kind::I32, &[outputs], bytes, Some(quantization));
        Ok([weight, bias])
    }

    /// Weights in floating point; kept in 16 bits where that is wanted.
    pub(super) fn weight(&mut self, name: &str, weight: &Tensor) -> Result<Value, Error> {
        let shape = weight.size();
        if !self.builder.half {
            return Ok(self.builder.floats(name, &numbers(weight)?, &shape));
        }
        let halves = weight
            .f_to_kind(TorchKind::Half)
            .and_then(|halves| halves.f_view_dtype(TorchKind::Int16))
            .map_err(torch)?;
        let halves: Vec<i16> = Vec::try_from(halves.contiguous().view(-1)).map_err(torch)?;
        let bytes = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
        let kept = self.builder.constant(name, Kind::F16, &shape, bytes, None);
        Ok(self.widened(&kept, operators::widen()))
    }

    /// Weights as steps of their grids.
    fn integers(&mut self, name: &str, steps: &Tensor, quantization: Quantization) -> Result<Value, Error> {
        let bytes: Vec<i8> = Vec::try_from(steps.view(-1)).map_err(torch)?;
        let bytes = bytes.into_iter().map(|value| value as u8).collect();
        Ok(self.builder.constant(name, Kind::I8, &steps.size(), bytes, Some(quantization)))
    }

    /// Weights that are kept in fewer bits, as numbers of 32.
    fn widened(&mut self, kept: &Value, operator: operators::Operator) -> Value {
        let weight = self.builder.tensor("weight", Kind::F32, &kept.sides, None);
        self.builder.operator(operator, &[kept], &[&weight]);
        weight
    }
}
