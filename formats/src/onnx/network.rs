//! A graph as ONNX nodes: one arm for each operation.

use tch::{Kind, Tensor};

use crate::graph::{Binary, Convolution, Edge, Graph, Grid, Layer, Node, Operation, Unary, Weight};
use crate::onnx::{Builder, Value, graph::Setting};
use crate::{Array, Data, Element, Error};

impl Builder {
    /// Adds the nodes of a network; returns a value for each of its outputs. Weights keep their names, and a node is named after the
    /// layer that it belongs to.
    ///
    /// # Errors
    /// [`Error::Value`] where the network has another number of inputs, [`Error::Name`] where a weight's name is taken.
    pub fn network(&mut self, graph: &Graph, inputs: &[Value]) -> Result<Vec<Value>, Error> {
        if graph.inputs().len() != inputs.len() {
            let (expected, found) = (graph.inputs().len().to_string(), inputs.len().to_string());
            return Err(Error::value("the number of the network's inputs", expected, found));
        }
        let mut values: Vec<Option<Value>> = vec![None; graph.edges()];
        for (&edge, value) in graph.inputs().iter().zip(inputs) {
            self.scope("input");
            values[edge.index()] = Some(self.rounded(graph, edge, value.clone()));
        }
        let of =
            |values: &[Option<Value>], edge: Edge| values[edge.index()].clone().expect("computed before it is read");
        for node in graph.nodes() {
            self.scope(&node.scope);
            let given: Vec<Value> = node.inputs.iter().map(|&edge| of(&values, edge)).collect();
            let value = self.operation(graph, node, &given)?;
            values[node.output.index()] = Some(self.rounded(graph, node.output, value));
        }
        Ok(graph.outputs().iter().map(|&edge| of(&values, edge)).collect())
    }

    fn operation(&mut self, graph: &Graph, node: &Node, inputs: &[Value]) -> Result<Value, Error> {
        let facts = graph.facts(node.output);
        let like = (facts.element, facts.rank);
        let first = || &inputs[0];
        let int = |value: usize| Setting::Int(value as i64);
        Ok(match &node.operation {
            Operation::Constant(weight) => self.known(weight)?,
            Operation::Convolution(convolution) => {
                self.convolution(first(), convolution, graph.facts(node.inputs[0]).grid)?
            }
            Operation::Linear(layer) => self.linear(first(), layer, graph.facts(node.inputs[0]).grid)?,
            Operation::Unary(Unary::Gelu) => self.gelu(first()),
            Operation::Unary(function) => self.map(unary(*function), &[first()]),
            Operation::Binary(function) => self.map(binary(*function), &[first(), &inputs[1]]),
            Operation::Clip { low, high } => self.clip(first(), *low, *high),
            Operation::MatMul => self.map("MatMul", &[first(), &inputs[1]]),
            Operation::Softmax(axis) => self.softmax(first(), *axis as i64),
            Operation::ArgMax { axis, keep } => {
                let settings = [("axis", int(*axis)), ("keepdims", Setting::Int((*keep).into()))];
                self.node("ArgMax", &[first()], &settings, like)
            }
            Operation::Mean { axes, keep } => {
                let axes: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
                let settings = [("axes", Setting::Ints(&axes)), ("keepdims", Setting::Int((*keep).into()))];
                self.node("ReduceMean", &[first()], &settings, like)
            }
            Operation::GlobalAveragePool => self.map("GlobalAveragePool", &[first()]),
            Operation::MaxPool { kernel, stride, padding, dilation, ceil } => {
                let settings = [
                    ("ceil_mode", Setting::Int((*ceil).into())),
                    ("dilations", Setting::Ints(dilation)),
                    ("kernel_shape", Setting::Ints(kernel)),
                    ("pads", Setting::Ints(&both_sides(padding))),
                    ("strides", Setting::Ints(stride)),
                ];
                self.node("MaxPool", &[first()], &settings, like)
            }
            Operation::Resize(size) => {
                let size = self.ints("size", size);
                self.resize(first(), &size)
            }
            Operation::ResizeAs => {
                let sides = self.shape(&inputs[1]);
                let size = self.slice(&sides, 0, 2, 4, 1);
                self.resize(first(), &size)
            }
            Operation::Concat(axis) => self.concat(&inputs.iter().collect::<Vec<_>>(), *axis as i64),
            Operation::Reshape(sides) => self.reshape(first(), sides),
            // `Flatten` is valid for empty tensors too; a reshape to -1 is not.
            Operation::Flatten(1) => self.node("Flatten", &[first()], &[("axis", Setting::Int(1))], like),
            Operation::Flatten(start) => {
                let mut sides = vec![0; *start];
                sides.push(-1);
                self.reshape(first(), &sides)
            }
            Operation::Transpose(order) => {
                self.transpose(first(), &order.iter().map(|&axis| axis as i64).collect::<Vec<_>>())
            }
            Operation::ChannelShuffle(groups) => self.channel_shuffle(first(), *groups),
            Operation::Unsqueeze(axis) => self.unsqueeze(first(), *axis as i64),
            Operation::ExpandAs => {
                let shape = self.shape(&inputs[1]);
                self.node("Expand", &[first(), &shape], &[], like)
            }
            Operation::Expand(sides) => {
                // A side that is kept is 1 in ONNX.
                let sides: Vec<i64> = sides.iter().map(|&side| if side == -1 { 1 } else { side }).collect();
                let shape = self.ints("shape", &sides);
                self.node("Expand", &[first(), &shape], &[], like)
            }
            Operation::ZerosLike => self.zeros_like(first()),
            Operation::Slice { axis, start, end, step } => self.slice(first(), *axis as i64, *start, *end, *step),
            Operation::Select { axis, position } => {
                let position = self.number("position", *position as f64, Element::I64);
                self.node("Gather", &[first(), &position], &[("axis", int(*axis))], like)
            }
            Operation::Cast(element) => self.cast(first(), *element),
        })
    }

    /// Groups and their channels as two axes, exchanged; the sides of the maps are computed, so that they may vary.
    fn channel_shuffle(&mut self, xs: &Value, groups: i64) -> Value {
        let shape = self.shape(xs);
        let sides = self.slice(&shape, 0, 2, 4, 1);
        // 0 keeps a side in its place, -1 is what is left.
        let [apart, together] = [&[0, groups, -1][..], &[0, -1]].map(|start| {
            let start = self.ints("start", start);
            self.concat(&[&start, &sides], 0)
        });
        let apart = self.node("Reshape", &[xs, &apart], &[], (xs.element, 5));
        let turned = self.transpose(&apart, &[0, 2, 1, 3, 4]);
        self.node("Reshape", &[&turned, &together], &[], (xs.element, 4))
    }

    fn known(&mut self, Weight { name, tensor }: &Weight) -> Result<Value, Error> {
        if name.is_empty() {
            let number = tensor.double_value(&[]);
            let element = if tensor.kind() == Kind::Float { Element::F32 } else { Element::I64 };
            Ok(self.number("number", number, element))
        } else {
            self.weight(name, tensor)
        }
    }

    fn convolution(&mut self, xs: &Value, convolution: &Convolution, grid: Option<Grid>) -> Result<Value, Error> {
        let Convolution { layer, stride, padding, dilation, groups } = convolution;
        let shape = layer.weight.tensor.size();
        let settings = [
            ("dilations", Setting::Ints(dilation)),
            ("group", Setting::Int(*groups)),
            ("kernel_shape", Setting::Ints(&shape[2..])),
            ("pads", Setting::Ints(&both_sides(padding))),
            ("strides", Setting::Ints(stride)),
        ];
        let (weight, bias) = self.parameters(layer, grid)?;
        let inputs: Vec<_> = [xs, &weight].into_iter().chain(&bias).collect();
        Ok(self.node("Conv", &inputs, &settings, (xs.element, 4)))
    }

    fn linear(&mut self, xs: &Value, layer: &Layer, grid: Option<Grid>) -> Result<Value, Error> {
        let (weight, bias) = self.parameters(layer, grid)?;
        if xs.rank == 2 {
            let inputs: Vec<_> = [xs, &weight].into_iter().chain(&bias).collect();
            return Ok(self.node("Gemm", &inputs, &[("transB", Setting::Int(1))], (xs.element, 2)));
        }
        let turned = self.transpose(&weight, &[1, 0]);
        let product = self.node("MatMul", &[xs, &turned], &[], (xs.element, xs.rank));
        Ok(bias.map_or_else(|| product.clone(), |bias| self.map("Add", &[&product, &bias])))
    }

    /// Weight and bias; of a layer in int8, whose input is on `grid`, as integers and what turns them into numbers.
    fn parameters(&mut self, layer: &Layer, grid: Option<Grid>) -> Result<(Value, Option<Value>), Error> {
        let (weight, bias) = (&layer.weight, layer.bias.as_ref());
        let Some((scales, grid)) = layer.scales.as_ref().zip(grid) else {
            let weight = self.weight(&weight.name, &weight.tensor)?;
            return Ok((weight, bias.map(|bias| self.weight(&bias.name, &bias.tensor)).transpose()?));
        };
        let torch = |cause| Error::Torch { action: format!("quantising `{}`", weight.name), cause };
        let integers = layer.integers().map_err(torch)?;
        let steps = self.weight(&weight.name, &integers)?;
        let weight = self.dequantized(&steps, scales)?;
        let bias = bias.map(|bias| {
            let scales = (scales.to_kind(Kind::Double) * grid.scale).to_kind(Kind::Float);
            let limit = f64::from(i32::MAX);
            let steps = (bias.tensor.to_kind(Kind::Double) / scales.to_kind(Kind::Double)).round();
            let steps = self.weight(&bias.name, &steps.clamp(-limit, limit).to_kind(Kind::Int))?;
            self.dequantized(&steps, &scales)
        });
        Ok((weight, bias.transpose()?))
    }

    /// Integers as numbers, with a scale for each position of the first axis.
    fn dequantized(&mut self, integers: &Value, scales: &Tensor) -> Result<Value, Error> {
        let scales =
            Array::floats(&Vec::try_from(scales).map_err(|cause| Error::Torch {
                action: format!("copying the scales of `{}`", integers.name),
                cause,
            })?);
        let count = scales.len();
        let scales = self.constant("scales", &scales);
        let mut inputs = vec![integers.clone(), scales];
        // All are 0, as where none are given; but ONNX Runtime computes a linear layer in int8 only where they are.
        if integers.element == Element::I8 {
            let zeros = Array::new(vec![count], Data::I8(vec![0; count]))?;
            inputs.push(self.constant("zero_points", &zeros));
        }
        let like = (Element::F32, integers.rank);
        Ok(self.node("DequantizeLinear", &inputs.iter().collect::<Vec<_>>(), &[("axis", Setting::Int(0))], like))
    }

    /// `x * (1 + erf(x / sqrt(2))) / 2`: older opsets have no operator of its own.
    fn gelu(&mut self, xs: &Value) -> Value {
        let [scale, one, half] =
            [std::f64::consts::FRAC_1_SQRT_2, 1.0, 0.5].map(|value| self.number("factor", value, Element::F32));
        let scaled = self.map("Mul", &[xs, &scale]);
        let inner = self.map("Erf", &[&scaled]);
        let gate = self.map("Add", &[&inner, &one]);
        let product = self.map("Mul", &[xs, &gate]);
        self.map("Mul", &[&product, &half])
    }

    /// The value on an edge: rounded where it has a grid.
    fn rounded(&mut self, graph: &Graph, edge: Edge, value: Value) -> Value {
        let Some(Grid { scale, zero_point }) = graph.facts(edge).grid else { return value };
        let scale = self.number("scale", scale, Element::F32);
        let zero_point = self.number("zero_point", zero_point as f64, Element::U8);
        let bytes = self.node("QuantizeLinear", &[&value, &scale, &zero_point], &[], (Element::U8, value.rank));
        self.node("DequantizeLinear", &[&bytes, &scale, &zero_point], &[], (Element::F32, value.rank))
    }
}

fn both_sides(&[rows, columns]: &[i64; 2]) -> [i64; 4] {
    [rows, columns, rows, columns]
}

fn unary(function: Unary) -> &'static str {
    match function {
        Unary::Relu => "Relu",
        Unary::Sigmoid => "Sigmoid",
        Unary::Tanh => "Tanh",
        Unary::Exp => "Exp",
        Unary::Sqrt => "Sqrt",
        Unary::Neg => "Neg",
        Unary::HardSwish => "HardSwish",
        Unary::Gelu => unreachable!("written as other operations"),
    }
}

fn binary(function: Binary) -> &'static str {
    match function {
        Binary::Add => "Add",
        Binary::Sub => "Sub",
        Binary::Mul => "Mul",
        Binary::Div => "Div",
        Binary::Min => "Min",
        Binary::Max => "Max",
    }
}
