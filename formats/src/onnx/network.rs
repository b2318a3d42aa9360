//! A graph as ONNX nodes: one arm for each operation.

use tch::Kind;

use crate::graph::{Binary, Convolution, Edge, Graph, Layer, Node, Operation, Unary, Weight};
use crate::onnx::{Builder, Element, Error, Value, graph::Setting};

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
            values[edge.index()] = Some(value.clone());
        }
        let of =
            |values: &[Option<Value>], edge: Edge| values[edge.index()].clone().expect("computed before it is read");
        for node in graph.nodes() {
            self.scope(&node.scope);
            let given: Vec<Value> = node.inputs.iter().map(|&edge| of(&values, edge)).collect();
            let value = self.operation(graph, node, &given)?;
            values[node.output.index()] = Some(value);
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
            Operation::Convolution(convolution) => self.convolution(first(), convolution)?,
            Operation::Linear(layer) => self.linear(first(), layer)?,
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

    fn known(&mut self, Weight { name, tensor }: &Weight) -> Result<Value, Error> {
        if name.is_empty() {
            let number = tensor.double_value(&[]);
            let element = if tensor.kind() == Kind::Float { Element::F32 } else { Element::I64 };
            Ok(self.number("number", number, element))
        } else {
            self.weight(name, tensor)
        }
    }

    fn convolution(&mut self, xs: &Value, convolution: &Convolution) -> Result<Value, Error> {
        let Convolution { layer, stride, padding, dilation, groups } = convolution;
        let shape = layer.weight.tensor.size();
        let settings = [
            ("dilations", Setting::Ints(dilation)),
            ("group", Setting::Int(*groups)),
            ("kernel_shape", Setting::Ints(&shape[2..])),
            ("pads", Setting::Ints(&both_sides(padding))),
            ("strides", Setting::Ints(stride)),
        ];
        let (weight, bias) = self.parameters(layer)?;
        let inputs: Vec<_> = [xs, &weight].into_iter().chain(&bias).collect();
        Ok(self.node("Conv", &inputs, &settings, (xs.element, 4)))
    }

    fn linear(&mut self, xs: &Value, layer: &Layer) -> Result<Value, Error> {
        let (weight, bias) = self.parameters(layer)?;
        if xs.rank == 2 {
            let inputs: Vec<_> = [xs, &weight].into_iter().chain(&bias).collect();
            return Ok(self.node("Gemm", &inputs, &[("transB", Setting::Int(1))], (xs.element, 2)));
        }
        let turned = self.transpose(&weight, &[1, 0]);
        let product = self.node("MatMul", &[xs, &turned], &[], (xs.element, xs.rank));
        Ok(bias.map_or_else(|| product.clone(), |bias| self.map("Add", &[&product, &bias])))
    }

    fn parameters(&mut self, layer: &Layer) -> Result<(Value, Option<Value>), Error> {
        let weight = self.weight(&layer.weight.name, &layer.weight.tensor)?;
        let bias = layer.bias.as_ref().map(|bias| self.weight(&bias.name, &bias.tensor)).transpose()?;
        Ok((weight, bias))
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
        Unary::Erf => "Erf",
        Unary::HardSwish => "HardSwish",
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
