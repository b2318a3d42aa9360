//! A graph as operations of a program: one arm for each operation.

use tch::{Kind as TorchKind, Tensor};

use super::model::{Argument, Builder, System, Value};
use super::value::{self, Kind};
use crate::graph::{Binary, Convolution, Edge, Graph, Grid, Layer, Node, Operation, Side, Unary};
use crate::{Element, Error};

/// The zero of a grid, which counts from 0 to 255, among bytes with a sign.
const SIGNED: i64 = -128;

impl Builder {
    /// Adds the operations of a network for images `[1, C, H, W]`, computed in `kind`; returns a tensor for each output.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an operation that Core ML has not, [`Error::Value`] where the network has another number of inputs;
    /// libtorch's.
    pub fn network(&mut self, graph: &Graph, inputs: &[&Value], kind: Kind) -> Result<Vec<Value>, Error> {
        if graph.inputs().len() > inputs.len() {
            let (expected, found) = (graph.inputs().len().to_string(), inputs.len().to_string());
            return Err(Error::value("the number of the network's inputs", expected, found));
        }
        let sides = graph.sides_for(&inputs.iter().map(|value| value.sides.as_slice()).collect::<Vec<_>>())?;
        let mut network = Network { builder: self, graph, kind, sides, values: vec![None; graph.edges()] };
        for (&edge, &value) in graph.inputs().iter().zip(inputs) {
            network.builder.scope = "input".to_owned();
            let value = network.builder.cast(value, kind);
            network.keep(edge, value);
        }
        for node in graph.nodes() {
            network.builder.scope.clone_from(&node.scope);
            network.node(node).map_err(|error| at(node, error))?;
        }
        graph.outputs().iter().map(|&edge| network.value(edge)).collect()
    }
}

struct Network<'a> {
    builder: &'a mut Builder,
    graph: &'a Graph,
    kind: Kind,
    sides: Vec<Vec<Side>>,
    values: Vec<Option<Value>>,
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported { format: "Core ML", what: what.to_owned(), place: String::new() }
}

/// An error with its place.
fn at(node: &Node, error: Error) -> Error {
    match error {
        Error::Unsupported { format, what, .. } => Error::Unsupported { format, what, place: node.place() },
        error => error,
    }
}

fn torch(cause: tch::TchError) -> Error {
    Error::Torch { action: "writing a Core ML file".to_owned(), cause }
}

/// Numbers as a program keeps them, little-endian.
pub(super) fn bytes(tensor: &Tensor, kind: Kind) -> Result<Vec<u8>, Error> {
    let flat = tensor.detach().contiguous().view(-1);
    let floats = || Vec::<f32>::try_from(flat.to_kind(TorchKind::Float)).map_err(torch);
    Ok(match kind {
        Kind::F16 => floats()?.into_iter().flat_map(|number| half::f16::from_f32(number).to_le_bytes()).collect(),
        Kind::I8 => {
            let steps: Vec<i8> = Vec::try_from(flat.to_kind(TorchKind::Int8)).map_err(torch)?;
            steps.into_iter().map(|step| step as u8).collect()
        }
        _ => floats()?.into_iter().flat_map(f32::to_le_bytes).collect(),
    })
}

impl Network<'_> {
    fn value(&mut self, edge: Edge) -> Result<Value, Error> {
        let missing = || Error::value("an edge of a graph", "computed before it is read", "not computed");
        self.values[edge.index()].clone().ok_or_else(missing)
    }

    /// Keeps a tensor as an edge, rounded where it has a grid.
    fn keep(&mut self, edge: Edge, value: Value) {
        let value = match self.graph.facts(edge).grid {
            Some(grid) => self.rounded(&value, grid),
            None => value,
        };
        self.values[edge.index()] = Some(value);
    }

    fn rounded(&mut self, value: &Value, Grid { scale, zero_point }: Grid) -> Value {
        let builder = &mut *self.builder;
        builder.system = builder.system.max(System::Ios17);
        let scale = ("scale", Argument::Number(scale, value.kind));
        let zero_point = ("zero_point", Argument::Byte((zero_point + SIGNED) as i8));
        let arguments = [("input", Argument::Of(value)), scale, zero_point, ("output_dtype", Argument::Text("int8"))];
        let steps = builder.operation("quantize", &arguments, Kind::I8, &value.sides);
        builder.operation("dequantize", &[("input", Argument::Of(&steps)), scale, zero_point], value.kind, &value.sides)
    }

    fn node(&mut self, node: &Node) -> Result<(), Error> {
        if matches!(node.operation, Operation::ZerosLike) {
            // What they are added to is resized instead.
            return Ok(());
        }
        if let Some([other, like]) = self.graph.spread(node, &self.sides) {
            let (xs, like) = (self.value(other)?, self.value(like)?);
            let value = self.resized(&xs, node.output, &like);
            self.keep(node.output, value);
            return Ok(());
        }
        let inputs = node.inputs.iter().map(|&edge| self.value(edge)).collect::<Result<Vec<_>, _>>()?;
        let value = match &node.operation {
            Operation::Constant(weight) => {
                let kind = if weight.tensor.is_floating_point() { self.kind } else { Kind::I32 };
                let name = if weight.name.is_empty() { "number" } else { &weight.name };
                self.builder.constant(name, kind, &weight.tensor.size(), &bytes(&weight.tensor, kind)?)
            }
            Operation::Convolution(convolution) => self.convolution(node, convolution, &inputs[0])?,
            Operation::Linear(layer) => self.linear(node, layer, &inputs[0])?,
            operation => self.plain(node, operation, &inputs)?,
        };
        self.keep(node.output, value);
        Ok(())
    }

    /// An operation whose output is of the kind that the graph is computed in.
    fn simple(&mut self, operator: &str, output: Edge, arguments: &[(&str, Argument<'_>)]) -> Value {
        let sides = self.sides[output.index()].clone();
        self.builder.operation(operator, arguments, self.kind, &sides)
    }

    fn plain(&mut self, node: &Node, operation: &Operation, inputs: &[Value]) -> Result<Value, Error> {
        let (output, kind) = (node.output, self.kind);
        let x = inputs.first().map(|value| ("x", Argument::Of(value))).ok_or_else(|| unsupported(operation.name()))?;
        let xs = &inputs[0];
        let limit = |function: &'static str, limit: f64| (function, [x, ("y", Argument::Number(limit, kind))]);
        Ok(match operation {
            Operation::Unary(Unary::HardSwish) => {
                let sixth = ("alpha", Argument::Number(1.0 / 6.0, kind));
                let gate = self.simple("sigmoid_hard", output, &[x, sixth, ("beta", Argument::Number(0.5, kind))]);
                self.simple("mul", output, &[x, ("y", Argument::Of(&gate))])
            }
            Operation::Unary(Unary::Gelu) => {
                let y = |value: f64| ("y", Argument::Number(value, kind));
                let scaled = self.simple("mul", output, &[x, y(std::f64::consts::FRAC_1_SQRT_2)]);
                let inner = self.simple("erf", output, &[("x", Argument::Of(&scaled))]);
                let gate = self.simple("add", output, &[("x", Argument::Of(&inner)), y(1.0)]);
                let product = self.simple("mul", output, &[x, ("y", Argument::Of(&gate))]);
                self.simple("mul", output, &[("x", Argument::Of(&product)), y(0.5)])
            }
            Operation::Unary(Unary::Neg) => self.simple("mul", output, &[x, ("y", Argument::Number(-1.0, kind))]),
            Operation::Unary(function) => self.simple(unary(*function), output, &[x]),
            Operation::Binary(function) => {
                self.simple(binary(*function), output, &[x, ("y", Argument::Of(&inputs[1]))])
            }
            Operation::Clip { low: Some(low), high: Some(high) } => {
                let limits = [("alpha", Argument::Number(*low, kind)), ("beta", Argument::Number(*high, kind))];
                self.simple("clip", output, &[x, limits[0], limits[1]])
            }
            Operation::Clip { low, high } => {
                let limited = low.map(|low| limit("maximum", low)).or(high.map(|high| limit("minimum", high)));
                match limited {
                    Some((function, arguments)) => self.simple(function, output, &arguments),
                    None => xs.clone(),
                }
            }
            Operation::MatMul if inputs.len() == 2 => {
                let plain = ("transpose_x", Argument::Flag(false));
                let y = ("y", Argument::Of(&inputs[1]));
                self.simple("matmul", output, &[x, y, plain, ("transpose_y", Argument::Flag(false))])
            }
            Operation::Softmax(axis) => self.simple("softmax", output, &[x, ("axis", Argument::Int(*axis as i64))]),
            Operation::ArgMax { axis, keep } => {
                let arguments = [x, ("axis", Argument::Int(*axis as i64)), ("keep_dims", Argument::Flag(*keep))];
                let sides = self.sides[output.index()].clone();
                self.builder.operation("reduce_argmax", &arguments, Kind::I32, &sides)
            }
            Operation::Mean { axes, keep } => {
                let axes: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
                let arguments = [x, ("axes", Argument::Ints(&axes)), ("keep_dims", Argument::Flag(*keep))];
                self.simple("reduce_mean", output, &arguments)
            }
            Operation::GlobalAveragePool => {
                let arguments = [x, ("axes", Argument::Ints(&[2, 3])), ("keep_dims", Argument::Flag(true))];
                self.simple("reduce_mean", output, &arguments)
            }
            Operation::MaxPool { kernel, stride, padding, dilation: [1, 1], ceil } => {
                let pad = both_sides(padding);
                let arguments = [
                    x,
                    ("kernel_sizes", Argument::Ints(kernel)),
                    ("strides", Argument::Ints(stride)),
                    ("pad_type", Argument::Text("custom")),
                    ("pad", Argument::Ints(&pad)),
                    ("ceil_mode", Argument::Flag(*ceil)),
                ];
                self.simple("max_pool", output, &arguments)
            }
            Operation::Resize(_) => self.resized(xs, output, xs),
            Operation::ResizeAs => self.resized(xs, output, &inputs[1]),
            Operation::Concat(axis) => {
                let all: Vec<&Value> = inputs.iter().collect();
                let arguments = [
                    ("values", Argument::All(&all)),
                    ("axis", Argument::Int(*axis as i64)),
                    ("interleave", Argument::Flag(false)),
                ];
                self.simple("concat", output, &arguments)
            }
            Operation::Reshape(_) | Operation::Flatten(_) | Operation::Unsqueeze(_) => {
                let shape = self.shape_of(output)?;
                self.simple("reshape", output, &[x, ("shape", Argument::Ints(&shape))])
            }
            Operation::Transpose(order) => {
                let order: Vec<i64> = order.iter().map(|&axis| axis as i64).collect();
                self.simple("transpose", output, &[x, ("perm", Argument::Ints(&order))])
            }
            Operation::ChannelShuffle(groups) => self.channel_shuffle(xs, output, *groups)?,
            Operation::ExpandAs | Operation::Expand(_) => {
                let lengths = self.shape_of(output)?;
                let missing = lengths.len().saturating_sub(xs.sides.len());
                let from = std::iter::repeat_n(1, missing).chain(xs.sides.iter().map(|side| side.length));
                let times: Vec<i64> = lengths.iter().zip(from).map(|(to, from)| to / from.max(1)).collect();
                if missing > 0 || lengths.contains(&-1) {
                    return Err(unsupported("an expansion to a size that is computed"));
                }
                self.simple("tile", output, &[x, ("reps", Argument::Ints(&times))])
            }
            Operation::Slice { axis, start, end, step } => self.part(xs, output, *axis, [*start, *end, *step], false),
            Operation::Select { axis, position } => self.part(xs, output, *axis, [*position, position + 1, 1], true),
            Operation::Cast(Element::F32) => self.builder.cast(xs, kind),
            Operation::Cast(Element::I64 | Element::I32) => self.builder.cast(xs, Kind::I32),
            operation => return Err(unsupported(operation.name())),
        })
    }

    /// Groups and their channels as two axes, exchanged.
    fn channel_shuffle(&mut self, xs: &Value, output: Edge, groups: i64) -> Result<Value, Error> {
        let shape = self.shape_of(output)?;
        let [images, channels, rows, columns] = shape[..] else { return Err(unsupported("a channel shuffle")) };
        let apart = [images, groups, channels / groups, rows, columns];
        let sides = [&xs.sides[..1], &[groups, channels / groups].map(Side::fixed), &xs.sides[2..]].concat();
        let arguments = [("x", Argument::Of(xs)), ("shape", Argument::Ints(&apart))];
        let maps = self.builder.operation("reshape", &arguments, self.kind, &sides);
        let turned = [0, 2, 1, 3, 4].map(|axis| sides[axis]);
        let arguments = [("x", Argument::Of(&maps)), ("perm", Argument::Ints(&[0, 2, 1, 3, 4]))];
        let maps = self.builder.operation("transpose", &arguments, self.kind, &turned);
        Ok(self.simple("reshape", output, &[("x", Argument::Of(&maps)), ("shape", Argument::Ints(&shape))]))
    }

    /// The sides of an edge, -1 for one that is computed.
    fn shape_of(&self, edge: Edge) -> Result<Vec<i64>, Error> {
        let sides = &self.sides[edge.index()];
        if sides.iter().filter(|side| side.free).count() > 1 {
            return Err(unsupported("another shape of a map whose size is free"));
        }
        Ok(sides.iter().map(|side| if side.free { -1 } else { side.length }).collect())
    }

    /// A part along an axis.
    fn part(&mut self, xs: &Value, output: Edge, axis: usize, [start, end, step]: [i64; 3], squeeze: bool) -> Value {
        let rank = xs.sides.len();
        let only =
            |value: i64, other: i64| (0..rank).map(|at| if at == axis { value } else { other }).collect::<Vec<_>>();
        let length = xs.sides[axis].length;
        let to_end = if squeeze { start == -1 } else { end >= length };
        let begin = only(start, 0);
        let end = only(if to_end { length } else { end }, 0);
        let ends: Vec<bool> = (0..rank).map(|at| at != axis || to_end).collect();
        let begins: Vec<bool> = (0..rank).map(|at| at != axis).collect();
        let squeezed: Vec<bool> = (0..rank).map(|at| at == axis && squeeze).collect();
        let arguments = [
            ("x", Argument::Of(xs)),
            ("begin", Argument::Ints(&begin)),
            ("end", Argument::Ints(&end)),
            ("stride", Argument::Ints(&only(step, 1))),
            ("begin_mask", Argument::Flags(&begins)),
            ("end_mask", Argument::Flags(&ends)),
            ("squeeze_mask", Argument::Flags(&squeezed)),
        ];
        self.simple("slice_by_index", output, &arguments)
    }

    /// Maps at the height and width of the output, which are those of `like` where they are free: bilinear, `align_corners=False`.
    fn resized(&mut self, maps: &Value, output: Edge, like: &Value) -> Value {
        let x = ("x", Argument::Of(maps));
        let sampling = ("sampling_mode", Argument::Text("UNALIGN_CORNERS"));
        let [height, width] = [2, 3].map(|axis| self.sides[output.index()][axis]);
        if !height.free {
            let height = ("target_size_height", Argument::Int(height.length));
            let width = ("target_size_width", Argument::Int(width.length));
            return self.simple("resize_bilinear", output, &[x, height, width, sampling]);
        }
        self.builder.system = self.builder.system.max(System::Ios17);
        let rank = Side::fixed(like.sides.len() as i64);
        let sides = self.builder.operation("shape", &[("x", Argument::Of(like))], Kind::I32, &[rank]);
        let arguments = [
            ("x", Argument::Of(&sides)),
            ("begin", Argument::Ints(&[2])),
            ("end", Argument::Ints(&[4])),
            ("stride", Argument::Ints(&[1])),
            ("begin_mask", Argument::Flags(&[false])),
            ("end_mask", Argument::Flags(&[true])),
            ("squeeze_mask", Argument::Flags(&[false])),
        ];
        let size = self.builder.operation("slice_by_index", &arguments, Kind::I32, &[Side::fixed(2)]);
        let (shape, linear) = (("shape", Argument::Of(&size)), ("interpolation_mode", Argument::Text("LINEAR")));
        self.simple("resize", output, &[x, shape, ("resized_dims", Argument::Unsigned(2)), linear, sampling])
    }

    fn convolution(&mut self, node: &Node, convolution: &Convolution, xs: &Value) -> Result<Value, Error> {
        let Convolution { layer, stride, padding, dilation, groups } = convolution;
        let [weight, bias] = self.parameters(node, layer)?;
        let pad = both_sides(padding);
        let arguments = [
            ("x", Argument::Of(xs)),
            ("weight", Argument::Of(&weight)),
            ("bias", Argument::Of(&bias)),
            ("strides", Argument::Ints(stride)),
            ("pad_type", Argument::Text("custom")),
            ("pad", Argument::Ints(&pad)),
            ("dilations", Argument::Ints(dilation)),
            ("groups", Argument::Int(*groups)),
        ];
        Ok(self.simple("conv", node.output, &arguments))
    }

    fn linear(&mut self, node: &Node, layer: &Layer, xs: &Value) -> Result<Value, Error> {
        let [weight, bias] = self.parameters(node, layer)?;
        let arguments = [("x", Argument::Of(xs)), ("weight", Argument::Of(&weight)), ("bias", Argument::Of(&bias))];
        Ok(self.simple("linear", node.output, &arguments))
    }

    /// Weight and bias; the weight as integers where they have scales.
    fn parameters(&mut self, node: &Node, layer: &Layer) -> Result<[Value; 2], Error> {
        let (kind, name) = (self.kind, &layer.weight.name);
        let shape = layer.weight.tensor.size();
        let short = name.rsplit('.').next().unwrap_or(name);
        let weight = match &layer.scales {
            Some(scales) => {
                self.builder.system = self.builder.system.max(System::Ios17);
                let integers = bytes(&layer.integers().map_err(torch)?, Kind::I8)?;
                let scales = bytes(scales, kind)?;
                let attributes = vec![
                    ("quantized_data", self.builder.stored(Kind::I8, &shape, &integers)),
                    ("zero_point", value::numbers(Kind::I8, &[], &[0])),
                    ("scale", self.builder.stored(kind, &[shape[0]], &scales)),
                    ("axis", value::numbers(Kind::I32, &[], &0_i32.to_le_bytes())),
                ];
                self.builder.computed_weight(short, "constexpr_affine_dequantize", (kind, &shape), attributes)
            }
            None => {
                let weight = node.operation.rounded_weight().map_err(torch)?;
                self.builder.constant(short, kind, &shape, &bytes(&weight, kind)?)
            }
        };
        let none = Tensor::zeros([shape[0]], (TorchKind::Float, tch::Device::Cpu));
        let bias = layer.bias.as_ref().map_or(&none, |bias| &bias.tensor);
        let bias = self.builder.constant("bias", kind, &[shape[0]], &bytes(bias, kind)?);
        Ok([weight, bias])
    }
}

fn both_sides(&[rows, columns]: &[i64; 2]) -> [i64; 4] {
    [rows, rows, columns, columns]
}

fn unary(function: Unary) -> &'static str {
    match function {
        Unary::Relu => "relu",
        Unary::Sigmoid => "sigmoid",
        Unary::Tanh => "tanh",
        Unary::Exp => "exp",
        Unary::Sqrt => "sqrt",
        Unary::Neg | Unary::HardSwish | Unary::Gelu => unreachable!("written as other operations"),
    }
}

fn binary(function: Binary) -> &'static str {
    match function {
        Binary::Add => "add",
        Binary::Sub => "sub",
        Binary::Mul => "mul",
        Binary::Div => "real_div",
        Binary::Min => "minimum",
        Binary::Max => "maximum",
    }
}
