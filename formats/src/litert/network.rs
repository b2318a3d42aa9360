//! A graph as LiteRT operators: one arm for each operation.
//!
//! LiteRT keeps channels last. An edge of rank 4 is kept so wherever a convolution computed it, and turned only for operations to
//! which the order matters. Graphs in int8 become int8: an edge on a grid is a tensor of signed bytes, and is turned into numbers for
//! operations that have none in int8.

use tch::{Kind as TorchKind, Tensor};

use super::layers::activation;
use super::model::{Builder, Kind, Value};
use super::operators::{self, Activation};
use crate::Error;
use crate::graph::{Binary, Edge, Graph, Grid, Node, Operation, Side, is_single_pixel};

/// What `[N, C, H, W]` is when its channels are last, and back.
const LAST: [usize; 4] = [0, 2, 3, 1];
const FIRST: [usize; 4] = [0, 3, 1, 2];

/// An output of a network.
#[derive(Debug, Clone)]
pub struct Output {
    /// The tensor.
    pub value: Value,
    /// Whether its channels are last, where the graph has them behind the batch.
    pub channels_last: bool,
}

/// What is kept of an edge.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    pub float: Option<Value>,
    /// On the grid of the edge.
    pub bytes: Option<Value>,
    pub channels_last: bool,
}

impl Builder {
    /// Adds the operators of a network for `images`, float `[N, H, W, C]`; where their height is free, the images may have any size.
    ///
    /// # Errors
    /// [`Error::Value`] for an operation that LiteRT has not; libtorch's.
    pub fn network(&mut self, graph: &Graph, images: &Value) -> Result<Vec<Output>, Error> {
        let lengths: Vec<i64> = images.sides.iter().map(|side| side.length).collect();
        let [_, height, width, channels] = lengths[..] else {
            return Err(Error::value("the images of a network", "of rank 4", lengths.len().to_string()));
        };
        let sides = graph.sides([channels, height, width], images.sides[1].free)?;
        let held = vec![Held::default(); graph.edges()];
        let mut network = Network { builder: self, graph, sides, held, passed: vec![false; graph.nodes().len()] };
        let input =
            graph.inputs().first().copied().ok_or_else(|| Error::value("a network", "with an input", "none"))?;
        network.keep(input, images.clone(), true);
        for (position, node) in graph.nodes().iter().enumerate() {
            if !network.passed[position] {
                network.builder.scope.clone_from(&node.scope);
                network.node(position, node).map_err(|error| at(node, error))?;
            }
        }
        graph
            .outputs()
            .iter()
            .map(|&edge| {
                let value = network.float(edge)?;
                Ok(Output { value, channels_last: network.held[edge.index()].channels_last })
            })
            .collect()
    }
}

pub(super) struct Network<'a> {
    pub builder: &'a mut Builder,
    pub graph: &'a Graph,
    /// Of each edge, in the graph's own order.
    pub sides: Vec<Vec<Side>>,
    pub held: Vec<Held>,
    /// Nodes that the layer before them computes.
    pub passed: Vec<bool>,
}

pub(super) fn unsupported(what: &str) -> Error {
    Error::Unsupported { format: "LiteRT", what: what.to_owned(), place: String::new() }
}

/// An error with its place.
fn at(node: &Node, error: Error) -> Error {
    match error {
        Error::Unsupported { format, what, .. } => Error::Unsupported { format, what, place: node.place() },
        error => error,
    }
}

pub(super) fn torch(cause: tch::TchError) -> Error {
    Error::Torch { action: "writing a LiteRT file".to_owned(), cause }
}

fn turned<T: Clone>(sides: &[T], order: [usize; 4]) -> Vec<T> {
    order.iter().map(|&axis| sides[axis].clone()).collect()
}

/// What XNNPACK joins at a time.
const MOST_PARTS: usize = 4;
/// Where an axis of `[N, C, H, W]` is when the channels are last.
const FIRST_AXIS: [usize; 4] = [0, 3, 1, 2];

pub(super) fn numbers(tensor: &Tensor) -> Result<Vec<f32>, Error> {
    Vec::try_from(tensor.detach().to_kind(TorchKind::Float).contiguous().view(-1)).map_err(torch)
}

impl Network<'_> {
    pub(super) fn grid(&self, edge: Edge) -> Option<Grid> {
        self.graph.facts(edge).grid
    }

    pub(super) fn sides_as(&self, edge: Edge, channels_last: bool) -> Vec<Side> {
        let sides = &self.sides[edge.index()];
        if channels_last { turned(sides, LAST) } else { sides.clone() }
    }

    /// Keeps numbers as an edge, on its grid where it has one.
    pub(super) fn keep(&mut self, edge: Edge, float: Value, channels_last: bool) {
        let held = match self.grid(edge) {
            Some(grid) => {
                let bytes = self.builder.tensor("bytes", Kind::I8, &float.sides, Some(grid.into()));
                self.builder.operator(operators::quantize(), &[&float], &[&bytes]);
                Held { float: None, bytes: Some(bytes), channels_last }
            }
            None => Held { float: Some(float), bytes: None, channels_last },
        };
        self.held[edge.index()] = held;
    }

    /// An edge as numbers, in the layout in which it is kept.
    pub(super) fn float(&mut self, edge: Edge) -> Result<Value, Error> {
        let held = self.held[edge.index()].clone();
        match (held.float, held.bytes) {
            (Some(float), _) => Ok(float),
            (None, Some(bytes)) => {
                let float = self.builder.tensor("numbers", Kind::F32, &bytes.sides, None);
                self.builder.operator(operators::dequantize(), &[&bytes], &[&float]);
                self.held[edge.index()].float = Some(float.clone());
                Ok(float)
            }
            (None, None) => self.constant(edge, false),
        }
    }

    /// A constant, as it is broadcast to maps with their channels last or as it is.
    fn constant(&mut self, edge: Edge, channels_last: bool) -> Result<Value, Error> {
        let writer = self.graph.writer(edge).map(|writer| &self.graph.node(writer).operation);
        let Some(Operation::Constant(weight)) = writer else {
            return Err(Error::value("an edge of a graph", "computed before it is read", "not computed"));
        };
        let mut tensor = weight.tensor.to_kind(TorchKind::Float);
        if channels_last && tensor.dim() > 0 {
            let mut shape = vec![1; 4 - tensor.dim()];
            shape.extend(tensor.size());
            tensor =
                tensor.f_view(shape.as_slice()).and_then(|tensor| tensor.f_permute([0, 2, 3, 1])).map_err(torch)?;
        }
        let name = if weight.name.is_empty() { "number" } else { &weight.name };
        let (shape, numbers) = (tensor.size(), numbers(&tensor)?);
        Ok(self.builder.floats(name, &numbers, &shape))
    }

    /// The same with channels last or first.
    pub(super) fn float_as(&mut self, edge: Edge, channels_last: bool) -> Result<Value, Error> {
        let value = self.float(edge)?;
        let order = match (self.held[edge.index()].channels_last, channels_last) {
            (true, false) => FIRST,
            (false, true) => LAST,
            _ => return Ok(value),
        };
        Ok(self.transposed(&value, &order))
    }

    fn transposed(&mut self, value: &Value, order: &[usize]) -> Value {
        let axes: Vec<i32> = order.iter().map(|&axis| axis as i32).collect();
        let axes = self.builder.ints("axes", &axes, &[order.len() as i64]);
        let sides: Vec<Side> = order.iter().map(|&axis| value.sides[axis]).collect();
        self.builder.compute("transposed", operators::transpose(), &[value, &axes], &sides)
    }

    fn node(&mut self, position: usize, node: &Node) -> Result<(), Error> {
        let output = node.output;
        match &node.operation {
            // Written where they are read.
            Operation::Constant(_) | Operation::ZerosLike => Ok(()),
            Operation::Convolution(convolution) => self.convolution(position, convolution),
            Operation::Linear(layer) => self.linear(position, layer),
            Operation::Concat(axis) => self.concat(node, *axis),
            Operation::Binary(Binary::Add) if let Some([other, like]) = self.graph.spread(node, &self.sides) => {
                let sides = self.sides_as(output, true);
                let xs = self.float_as(other, true)?;
                let value = self.resized(&xs, &sides, Some(like))?;
                self.keep(output, value, true);
                Ok(())
            }
            Operation::Binary(function) => {
                let kept_last = |edge: &Edge| self.held[edge.index()].channels_last;
                let last = node.inputs.iter().any(kept_last);
                let left = self.operand(node.inputs[0], last)?;
                let right = self.operand(node.inputs[1], last)?;
                let sides = self.sides_as(output, last);
                let value = self.builder.compute("values", operators::binary(*function), &[&left, &right], &sides);
                self.keep(output, value, last);
                Ok(())
            }
            operation => {
                let (value, last) = self.plain(node, operation)?;
                self.keep(output, value, last);
                Ok(())
            }
        }
    }

    fn is_single_pixel(&self, edge: Edge) -> bool {
        is_single_pixel(&self.sides[edge.index()])
    }

    /// The operations of one tensor, in numbers; whether the result has its channels last.
    fn plain(&mut self, node: &Node, operation: &Operation) -> Result<(Value, bool), Error> {
        let (input, output) = (node.inputs[0], node.output);
        let last = self.held[input.index()].channels_last;
        let axis = |axis: usize| if last { LAST.iter().position(|&from| from == axis).unwrap_or(axis) } else { axis };
        let same = self.sides_as(output, last && self.sides[output.index()].len() == 4);
        Ok(match operation {
            Operation::Unary(function) => {
                let operator = operators::unary(*function);
                let xs = self.float(input)?;
                (self.builder.compute("values", operator, &[&xs], &same), last)
            }
            Operation::Clip { low, high } => {
                let xs = self.float(input)?;
                match activation(operation) {
                    Some(Activation::Relu6) => {
                        (self.builder.compute("values", operators::relu6(), &[&xs], &same), last)
                    }
                    _ => {
                        let mut value = xs;
                        for (limit, function) in [(low, Binary::Max), (high, Binary::Min)] {
                            if let Some(limit) = limit {
                                let limit = self.builder.floats("limit", &[*limit as f32], &[]);
                                let operator = operators::binary(function);
                                value = self.builder.compute("values", operator, &[&value, &limit], &same);
                            }
                        }
                        (value, last)
                    }
                }
            }
            Operation::MatMul => {
                let left = self.float_as(input, false)?;
                let right = self.operand(node.inputs[1], false)?;
                let sides = self.sides_as(output, false);
                (self.builder.compute("products", operators::mat_mul(), &[&left, &right], &sides), false)
            }
            Operation::Softmax(at) => {
                let xs = self.float(input)?;
                if axis(*at) + 1 != xs.sides.len() {
                    return Err(unsupported("a softmax along another axis than the last"));
                }
                (self.builder.compute("probabilities", operators::softmax(), &[&xs], &same), last)
            }
            Operation::Mean { axes, keep } => {
                let xs = self.float(input)?;
                let mut axes: Vec<i32> = axes.iter().map(|&at| axis(at) as i32).collect();
                axes.sort_unstable();
                if last && !keep && axes != [1, 2] {
                    return Err(unsupported("a mean over other axes than those of images"));
                }
                (self.mean(&xs, &axes, *keep, &same), last && *keep)
            }
            Operation::GlobalAveragePool => {
                let xs = self.float_as(input, true)?;
                let sides = self.sides_as(output, true);
                (self.mean(&xs, &[1, 2], true, &sides), true)
            }
            Operation::MaxPool { kernel, stride, padding, dilation: [1, 1], ceil: false } => {
                let xs = self.float_as(input, true)?;
                let xs = if *padding == [0, 0] { xs } else { self.padded_with_least(&xs, *padding) };
                let sides = self.sides_as(output, true);
                (self.builder.compute("largest", operators::max_pool(*kernel, *stride), &[&xs], &sides), true)
            }
            Operation::ArgMax { axis: at, keep: false } if *at == 1 || !last => {
                let xs = self.float(input)?;
                let at = self.builder.ints("axis", &[axis(*at) as i32], &[]);
                let ids = self.builder.tensor("classes", Kind::I64, &same, None);
                self.builder.operator(operators::arg_max(), &[&xs, &at], &[&ids]);
                (ids, false)
            }
            // A map of one pixel that becomes one of many is a resizing of it.
            Operation::Resize(_) | Operation::ResizeAs | Operation::ExpandAs => {
                if matches!(operation, Operation::ExpandAs) && !self.is_single_pixel(input) {
                    return Err(unsupported("an expansion of other maps than those of one pixel"));
                }
                let xs = self.float_as(input, true)?;
                let sides = self.sides_as(output, true);
                (self.resized(&xs, &sides, node.inputs.get(1).copied())?, true)
            }
            Operation::Transpose(order) if last && *order == LAST => (self.float(input)?, false),
            Operation::Transpose(order) => {
                let xs = self.float_as(input, false)?;
                (self.transposed(&xs, order), false)
            }
            Operation::Reshape(_) | Operation::Flatten(_) | Operation::Unsqueeze(_) => {
                // A map of one pixel has the same order either way.
                let xs = if self.is_single_pixel(input) { self.float(input)? } else { self.float_as(input, false)? };
                let sides = self.sides_as(output, false);
                (self.reshaped(&xs, &sides)?, false)
            }
            Operation::ChannelShuffle(groups) => {
                let (xs, sides) = (self.float_as(input, true)?, self.sides_as(output, true));
                let [groups, each] = [*groups, sides[3].length / groups].map(Side::fixed);
                let apart = self.reshaped(&xs, &[sides[0], sides[1], sides[2], groups, each])?;
                let turned = self.transposed(&apart, &[0, 1, 2, 4, 3]);
                (self.reshaped(&turned, &sides)?, true)
            }
            Operation::Slice { axis: at, start, end, step } => {
                let xs = self.float(input)?;
                (self.builder.sliced(&xs, axis(*at), [*start, *end, *step], false, &same), last)
            }
            Operation::Select { axis: at, position } if !last => {
                let xs = self.float(input)?;
                (self.builder.sliced(&xs, *at, [*position, position + 1, 1], true, &same), false)
            }
            Operation::Cast(element) => {
                let xs = self.float(input)?;
                let value = self.builder.tensor("values", (*element).into(), &same, None);
                self.builder.operator(operators::cast(), &[&xs], &[&value]);
                (value, last)
            }
            other => return Err(unsupported(other.name())),
        })
    }

    fn mean(&mut self, xs: &Value, axes: &[i32], keep: bool, sides: &[Side]) -> Value {
        let axes = self.builder.ints("axes", axes, &[axes.len() as i64]);
        self.builder.compute("means", operators::mean(keep), &[xs, &axes], sides)
    }

    /// Maps at the size of these sides, which is that of the map `like` where it is free.
    fn resized(&mut self, xs: &Value, sides: &[Side], like: Option<Edge>) -> Result<Value, Error> {
        let size = match like.filter(|_| sides[1].free || sides[2].free) {
            None => self.builder.ints("size", &[sides[1].length as i32, sides[2].length as i32], &[2]),
            Some(like) => {
                let held = &self.held[like.index()];
                let known = held.channels_last.then(|| held.float.as_ref().or(held.bytes.as_ref())).flatten().cloned();
                let map = known.map_or_else(|| self.float_as(like, true), Ok)?;
                let shape = self.builder.tensor("shape", Kind::I32, &[Side::fixed(4)], None);
                self.builder.operator(operators::shape(), &[&map], &[&shape]);
                self.builder.sliced(&shape, 0, [1, 3, 1], false, &[Side::fixed(2)])
            }
        };
        Ok(self.builder.compute("resized", operators::resize(), &[xs, &size], sides))
    }

    fn reshaped(&mut self, xs: &Value, sides: &[Side]) -> Result<Value, Error> {
        if sides.iter().filter(|side| side.free).count() > 1 {
            return Err(unsupported("a change of shape with several free sides"));
        }
        let shape: Vec<i32> = sides.iter().map(|side| if side.free { -1 } else { side.length as i32 }).collect();
        let shape = self.builder.ints("shape", &shape, &[sides.len() as i64]);
        Ok(self.builder.compute("reshaped", operators::reshape(), &[xs, &shape], sides))
    }

    /// An input of an arithmetic operation.
    fn operand(&mut self, edge: Edge, channels_last: bool) -> Result<Value, Error> {
        let held = &self.held[edge.index()];
        if held.float.is_none() && held.bytes.is_none() {
            return self.constant(edge, channels_last);
        }
        self.float_as(edge, channels_last)
    }

    fn concat(&mut self, node: &Node, axis: usize) -> Result<(), Error> {
        let output = node.output;
        let last = node.inputs.iter().any(|edge| self.held[edge.index()].channels_last);
        let at = if last { FIRST_AXIS[axis] } else { axis };
        let sides = self.sides_as(output, last);
        let kept: Option<Vec<Value>> =
            node.inputs.iter().map(|edge| self.held[edge.index()].bytes.clone().filter(|_| last)).collect();
        match (self.grid(output), kept) {
            (Some(grid), Some(parts)) => {
                let mut same = Vec::new();
                for (part, edge) in parts.iter().zip(&node.inputs) {
                    if self.grid(*edge) == Some(grid) {
                        same.push(part.clone());
                    } else {
                        let other = self.builder.tensor("part", Kind::I8, &part.sides, Some(grid.into()));
                        self.builder.operator(operators::requantize(), &[part], &[&other]);
                        same.push(other);
                    }
                }
                let joined = self.joined(same, at, &sides, Some(grid));
                self.held[output.index()] = Held { float: None, bytes: Some(joined), channels_last: last };
            }
            _ => {
                let parts: Vec<Value> =
                    node.inputs.iter().map(|&edge| self.float_as(edge, last)).collect::<Result<_, _>>()?;
                let joined = self.joined(parts, at, &sides, None);
                self.keep(output, joined, last);
            }
        }
        Ok(())
    }

    /// Parts one behind the other along an axis. XNNPACK joins a few at a time, so more are joined in steps.
    fn joined(&mut self, mut parts: Vec<Value>, axis: usize, sides: &[Side], grid: Option<Grid>) -> Value {
        let kind = if grid.is_some() { Kind::I8 } else { Kind::F32 };
        loop {
            let some: Vec<Value> = parts.drain(..parts.len().min(MOST_PARTS)).collect();
            let mut sides = sides.to_vec();
            if !parts.is_empty() {
                sides[axis].length = some.iter().map(|part| part.sides[axis].length).sum();
            }
            let joined = self.builder.tensor("joined", kind, &sides, grid.map(Into::into));
            self.builder.operator(
                operators::concat(grid.is_some(), axis),
                &some.iter().collect::<Vec<_>>(),
                &[&joined],
            );
            if parts.is_empty() {
                return joined;
            }
            parts.insert(0, joined);
        }
    }
}
