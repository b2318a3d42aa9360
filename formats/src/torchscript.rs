//! A graph as a TorchScript module, with libtorch's quantised kernels where it is quantised.
//!
//! A convolution in int8, with the rectifier behind it, is one operator from bytes to bytes, and so is a concatenation of bytes. All
//! else is computed in floating point; bytes are made and undone where the graph has a grid. A linear layer whose output has no grid
//! has weights in floating point, on the grid's numbers.

use std::fmt::Write as _;

use tch::Tensor;
use tch_ext::jit::Module;
use tch_ext::quantized;

use crate::graph::{Binary, Convolution, Edge, Graph, Grid, Layer, Node, Operation, Unary, Weight};
use crate::{Element, Error};

/// The number of unsigned bytes with a scale in libtorch.
const QUINT8: i64 = 13;

/// A module whose `forward` takes the graph's inputs and returns its outputs, one tensor or a tuple.
///
/// # Errors
/// [`Error::Module`] where libtorch does not take a layer or the source.
pub fn module(graph: &Graph, name: &str) -> Result<Module, Error> {
    let mut writer = Writer { graph, module: Module::new(name).map_err(failed)?, body: String::new() };
    for &edge in graph.inputs() {
        writer.finish(edge, false);
    }
    let mut passed = vec![false; graph.nodes().len()];
    for position in 0..graph.nodes().len() {
        if !passed[position] {
            writer.node(position, &mut passed)?;
        }
    }
    let outputs: Vec<String> = graph.outputs().iter().map(|&edge| writer.float(edge)).collect();
    let kind = match outputs.len() {
        1 => "Tensor".to_owned(),
        count => format!("Tuple[{}]", vec!["Tensor"; count].join(", ")),
    };
    let inputs: Vec<String> = graph.inputs().iter().map(|&edge| value(edge)).collect();
    let source = format!(
        "def forward(self, {}) -> {kind}:\n{}    return {}\n",
        inputs.join(", "),
        writer.body,
        outputs.join(", ")
    );
    writer.module.define(&source).map_err(failed)?;
    Ok(writer.module)
}

fn failed(cause: tch_ext::Error) -> Error {
    Error::Module { reason: cause.to_string() }
}

/// The variable of an edge's numbers.
fn value(edge: Edge) -> String {
    format!("v{}", edge.index())
}

/// The variable of an edge's bytes.
fn bytes(edge: Edge) -> String {
    format!("q{}", edge.index())
}

struct Writer<'a> {
    graph: &'a Graph,
    module: Module,
    body: String,
}

impl Writer<'_> {
    fn grid(&self, edge: Edge) -> Option<Grid> {
        self.graph.facts(edge).grid
    }

    fn line(&mut self, variable: &str, expression: &str) {
        let _ = writeln!(self.body, "    {variable} = {expression}");
    }

    /// Completes an edge with a grid, of which the bytes or the numbers are computed: the others follow from them.
    fn finish(&mut self, edge: Edge, has_bytes: bool) {
        let Some(Grid { scale, zero_point }) = self.grid(edge) else { return };
        if !has_bytes {
            let made = format!("torch.quantize_per_tensor({}, {scale:?}, {zero_point}, {QUINT8})", value(edge));
            self.line(&bytes(edge), &made);
        }
    }

    /// The expression of an edge's numbers.
    fn float(&self, edge: Edge) -> String {
        if self.grid(edge).is_some() { format!("torch.dequantize({})", bytes(edge)) } else { value(edge) }
    }

    fn node(&mut self, position: usize, passed: &mut [bool]) -> Result<(), Error> {
        let node = self.graph.node(position);
        if let Some((layer, input)) = node.operation.layer().zip(node.inputs.first()) {
            let end = self.graph.end_of(position);
            let grids = self.grid(*input).and(self.grid(end));
            if let Some(grid) = grids.filter(|_| layer.scales.is_some()) {
                return self.int8(position, end, grid, passed);
            }
        }
        let all_bytes = node.inputs.iter().all(|&edge| self.grid(edge).is_some());
        if let (Operation::Concat(axis), Some(Grid { scale, zero_point }), true) =
            (&node.operation, self.grid(node.output), all_bytes)
        {
            let parts: Vec<String> = node.inputs.iter().map(|&edge| bytes(edge)).collect();
            let joined = format!("ops.quantized.cat([{}], {axis}, {scale:?}, {zero_point})", parts.join(", "));
            self.line(&bytes(node.output), &joined);
            return Ok(());
        }
        let expression = self.expression(node)?;
        self.line(&value(node.output), &expression);
        self.finish(node.output, false);
        Ok(())
    }

    /// A layer from bytes to bytes. Of the activations behind it a rectifier is part of it; the limits of another one follow.
    fn int8(&mut self, position: usize, end: Edge, grid: Grid, passed: &mut [bool]) -> Result<(), Error> {
        let node = self.graph.node(position);
        let behind = self.graph.writer(end).filter(|&writer| writer != position);
        let rectified =
            behind.is_some_and(|behind| matches!(self.graph.node(behind).operation, Operation::Unary(Unary::Relu)));
        let Grid { scale, zero_point } = grid;
        let (operator, attribute) = match &node.operation {
            Operation::Convolution(convolution) => ("conv2d", self.convolution(convolution)?),
            Operation::Linear(layer) => ("linear", self.linear(layer)?),
            _ => return Err(Error::Module { reason: format!("{} is no layer", node.place()) }),
        };
        let suffix = if rectified { "_relu" } else { "" };
        let input = bytes(node.inputs[0]);
        let call = format!("ops.quantized.{operator}{suffix}({input}, self.{attribute}, {scale:?}, {zero_point})");
        self.line(&bytes(end), &call);
        if let Some(behind) = behind {
            passed[behind] = true;
            // The grid ends at the limits already where they were seen; it need not where they were not.
            if let Operation::Clip { low, high } = self.graph.node(behind).operation {
                let limit = |limit: Option<f64>| limit.map_or_else(|| "None".to_owned(), |limit| format!("{limit:?}"));
                let clipped = format!("torch.clamp({}, {}, {})", bytes(end), limit(low), limit(high));
                self.line(&bytes(end), &clipped);
            }
        }
        Ok(())
    }

    fn convolution(&mut self, convolution: &Convolution) -> Result<String, Error> {
        let Convolution { layer, stride, padding, dilation, groups } = convolution;
        let name = attribute(&layer.weight.name);
        let (weight, scales, bias) = parameters(layer)?;
        let packed = quantized::Convolution {
            weight,
            scales,
            bias,
            strides: *stride,
            padding: *padding,
            dilations: *dilation,
            groups: *groups,
        };
        self.module.register_quantized_convolution(&name, &packed).map_err(failed)?;
        Ok(name)
    }

    fn linear(&mut self, layer: &Layer) -> Result<String, Error> {
        let name = attribute(&layer.weight.name);
        let (weight, scales, bias) = parameters(layer)?;
        self.module.register_quantized_linear(&name, &quantized::Linear { weight, scales, bias }).map_err(failed)?;
        Ok(name)
    }

    /// A tensor of the graph as an attribute.
    fn known(&mut self, name: &str, tensor: &Tensor) -> Result<String, Error> {
        let name = format!("{}_values", attribute(name));
        self.module.register_buffer(&name, tensor).map_err(failed)?;
        Ok(format!("self.{name}"))
    }

    fn float_parameters(&mut self, operation: &Operation, layer: &Layer) -> Result<String, Error> {
        let weight = operation.rounded_weight().map_err(|cause| torch(&layer.weight, cause))?;
        let weight = self.known(&layer.weight.name, &weight)?;
        let bias = match &layer.bias {
            Some(bias) => self.known(&bias.name, &bias.tensor)?,
            None => "None".to_owned(),
        };
        Ok(format!("{weight}, {bias}"))
    }

    /// The operation in floating point.
    fn expression(&mut self, node: &Node) -> Result<String, Error> {
        let inputs: Vec<String> = node.inputs.iter().map(|&edge| self.float(edge)).collect();
        let x = inputs.first().cloned().unwrap_or_default();
        let truth = |flag: bool| if flag { "True" } else { "False" };
        Ok(match &node.operation {
            Operation::Constant(Weight { name, tensor }) => {
                let name = if name.is_empty() { format!("number{}", node.output.index()) } else { name.clone() };
                self.known(&name, tensor)?
            }
            Operation::Convolution(Convolution { layer, stride, padding, dilation, groups }) => {
                let parameters = self.float_parameters(&node.operation, layer)?;
                format!("torch.conv2d({x}, {parameters}, {stride:?}, {padding:?}, {dilation:?}, {groups})")
            }
            Operation::Linear(layer) => {
                let parameters = self.float_parameters(&node.operation, layer)?;
                format!("torch.linear({x}, {parameters})")
            }
            Operation::Unary(function) => format!("torch.{}({x})", unary(*function)),
            Operation::Binary(function) => format!("torch.{}({x}, {})", binary(*function), inputs[1]),
            Operation::Clip { low, high } => {
                let limit = |limit: &Option<f64>| limit.map_or_else(|| "None".to_owned(), |limit| format!("{limit:?}"));
                format!("torch.clamp({x}, {}, {})", limit(low), limit(high))
            }
            Operation::MatMul => format!("torch.matmul({x}, {})", inputs[1]),
            Operation::Softmax(axis) => format!("torch.softmax({x}, {axis})"),
            Operation::ArgMax { axis, keep } => format!("torch.argmax({x}, {axis}, {})", truth(*keep)),
            Operation::Mean { axes, keep } => format!("torch.mean({x}, {axes:?}, {})", truth(*keep)),
            Operation::GlobalAveragePool => format!("torch.adaptive_avg_pool2d({x}, [1, 1])"),
            Operation::MaxPool { kernel, stride, padding, dilation, ceil } => {
                format!("torch.max_pool2d({x}, {kernel:?}, {stride:?}, {padding:?}, {dilation:?}, {})", truth(*ceil))
            }
            Operation::Resize(size) => format!("torch.upsample_bilinear2d({x}, {size:?}, False)"),
            Operation::ResizeAs => {
                let like = &inputs[1];
                format!("torch.upsample_bilinear2d({x}, [{like}.size(2), {like}.size(3)], False)")
            }
            Operation::Concat(axis) => format!("torch.cat([{}], {axis})", inputs.join(", ")),
            Operation::Reshape(sides) => format!("torch.reshape({x}, {sides:?})"),
            Operation::Flatten(start) => format!("torch.flatten({x}, {start}, -1)"),
            Operation::Transpose(order) => format!("torch.permute({x}, {order:?})"),
            Operation::ChannelShuffle(groups) => format!("torch.channel_shuffle({x}, {groups})"),
            Operation::Unsqueeze(axis) => format!("torch.unsqueeze({x}, {axis})"),
            Operation::ExpandAs => format!("torch.expand_as({x}, {})", inputs[1]),
            Operation::Expand(sides) => format!("torch.expand({x}, {sides:?})"),
            Operation::ZerosLike => format!("torch.zeros_like({x})"),
            Operation::Slice { axis, start, end, step } => format!("torch.slice({x}, {axis}, {start}, {end}, {step})"),
            Operation::Select { axis, position } => format!("torch.select({x}, {axis}, {position})"),
            Operation::Cast(element) => format!("torch.to({x}, {})", kind(*element)),
        })
    }
}

/// A dotted name as a name in source text.
fn attribute(name: &str) -> String {
    let layer = name.rsplit_once('.').map_or(name, |(layer, last)| if last == "weight" { layer } else { name });
    format!("w_{}", layer.replace('.', "_"))
}

/// Integers, their scales and the bias of a layer.
fn parameters(layer: &Layer) -> Result<(Tensor, Vec<f64>, Option<Tensor>), Error> {
    let convert = || -> Result<_, tch::TchError> {
        let scales = layer.scales.as_ref().map_or_else(|| Ok(Vec::new()), Vec::<f64>::try_from)?;
        Ok((layer.integers()?, scales, layer.bias.as_ref().map(|bias| bias.tensor.detach())))
    };
    convert().map_err(|cause| torch(&layer.weight, cause))
}

fn torch(weight: &Weight, cause: tch::TchError) -> Error {
    Error::Torch { action: format!("copying `{}`", weight.name), cause }
}

fn unary(function: Unary) -> &'static str {
    match function {
        Unary::Relu => "relu",
        Unary::Sigmoid => "sigmoid",
        Unary::Tanh => "tanh",
        Unary::Exp => "exp",
        Unary::Sqrt => "sqrt",
        Unary::Neg => "neg",
        Unary::Gelu => "gelu",
        Unary::HardSwish => "hardswish",
    }
}

fn binary(function: Binary) -> &'static str {
    match function {
        Binary::Add => "add",
        Binary::Sub => "sub",
        Binary::Mul => "mul",
        Binary::Div => "div",
        Binary::Min => "minimum",
        Binary::Max => "maximum",
    }
}

/// The number of an element kind in libtorch.
fn kind(element: Element) -> i64 {
    match element {
        Element::U8 => 0,
        Element::I8 => 1,
        Element::I32 => 3,
        Element::I64 => 4,
        Element::F32 => 6,
        Element::Bool => 11,
    }
}
