//! The interpreter: a graph computed by libtorch, node by node.

use tch::{Kind, Tensor};

use super::operation::{MAX_BYTE, along};
use super::{Binary, Convolution, Edge, Graph, Grid, Layer, Node, Operation, Unary, halved};
use crate::Error;

impl Graph {
    /// The outputs for these inputs, rounded wherever the graph is quantised. Gradients pass a rounding unchanged within its range.
    ///
    /// # Errors
    /// [`Error::Torch`] where the inputs do not fit, named after the node.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        self.run_watched(inputs, &mut |_, _| Ok(()))
    }

    /// The same; `watch` sees every edge's tensor as soon as it is computed, after its rounding. A tensor is dropped after its last
    /// reader.
    ///
    /// # Errors
    /// As [`Graph::run`], and those of `watch`.
    pub fn run_watched(
        &self,
        inputs: &[Tensor],
        watch: &mut dyn FnMut(Edge, &Tensor) -> Result<(), Error>,
    ) -> Result<Vec<Tensor>, Error> {
        if inputs.len() != self.inputs.len() {
            let (expected, found) = (self.inputs.len().to_string(), inputs.len().to_string());
            return Err(Error::value("the number of inputs", expected, found));
        }
        let mut values = Values::new(self);
        for (&edge, input) in self.inputs.iter().zip(inputs) {
            let rounded =
                self.rounded(edge, input.shallow_clone()).map_err(|cause| failed("rounding an input", cause))?;
            watch(edge, &rounded)?;
            values.put(edge, rounded);
        }
        for (position, node) in self.nodes.iter().enumerate() {
            let given: Vec<&Tensor> = node.inputs.iter().map(|&edge| values.of(edge)).collect();
            let computed = node.compute(&given).and_then(|tensor| self.rounded(node.output, tensor));
            let tensor = computed.map_err(|cause| failed(&node.place(), cause))?;
            watch(node.output, &tensor)?;
            values.put(node.output, tensor);
            values.drop_after(position, node);
        }
        Ok(self.outputs.iter().map(|&edge| values.of(edge).shallow_clone()).collect())
    }

    fn rounded(&self, edge: Edge, tensor: Tensor) -> Result<Tensor, tch::TchError> {
        let facts = &self.edges[edge.0];
        match (facts.grid, &facts.scale) {
            (Some(grid), Some(scale)) => {
                let zero_point = Tensor::f_full([1], grid.zero_point as f64, (Kind::Float, tensor.device()))?;
                let factor = 1.0 / (tensor.numel() as f64 * MAX_BYTE as f64).sqrt();
                tensor.f_internal_fake_quantize_learnable_per_tensor_affine(scale, &zero_point, 0, MAX_BYTE, factor)
            }
            (Some(grid), None) => grid.round(&tensor),
            (None, _) if self.half => Ok(halved(&tensor)),
            (None, _) => Ok(tensor),
        }
    }
}

impl Grid {
    /// The nearest numbers on the grid.
    ///
    /// # Errors
    /// libtorch's.
    pub fn round(&self, tensor: &Tensor) -> Result<Tensor, tch::TchError> {
        tensor.f_fake_quantize_per_tensor_affine(self.scale, self.zero_point, 0, MAX_BYTE)
    }
}

fn failed(place: &str, cause: tch::TchError) -> Error {
    Error::Torch { action: format!("computing {place}"), cause }
}

/// The tensors that nodes still read.
struct Values {
    tensors: Vec<Option<Tensor>>,
    /// The position of the last reader of each edge; an output has none.
    last: Vec<usize>,
}

impl Values {
    fn new(graph: &Graph) -> Self {
        let mut last = vec![0; graph.edges.len()];
        for (position, node) in graph.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|edge| last[edge.0] = position);
        }
        graph.outputs.iter().for_each(|edge| last[edge.0] = usize::MAX);
        Self { tensors: (0..graph.edges.len()).map(|_| None).collect(), last }
    }

    fn put(&mut self, edge: Edge, tensor: Tensor) {
        self.tensors[edge.0] = Some(tensor);
    }

    fn of(&self, edge: Edge) -> &Tensor {
        self.tensors[edge.0].as_ref().expect("nodes come in an order in which they can be computed")
    }

    fn drop_after(&mut self, position: usize, node: &Node) {
        for edge in &node.inputs {
            if self.last[edge.0] == position {
                self.tensors[edge.0] = None;
            }
        }
    }
}

impl Operation {
    /// The weights of a layer as they are used: in int8 rounded to the grid of each output channel. Gradients reach scales that need
    /// them (Esser et al., arXiv 1902.08153).
    ///
    /// # Errors
    /// libtorch's.
    ///
    /// # Panics
    /// Where the operation is not a convolution or linear layer.
    pub fn rounded_weight(&self) -> Result<Tensor, tch::TchError> {
        let layer = self.layer().expect("a convolution or linear layer");
        let weight = &layer.weight.tensor;
        let most = self.largest_weight();
        match &layer.scales {
            Some(scales) if scales.requires_grad() => {
                let zeros = scales.f_zeros_like()?.f_detach()?;
                let factor = 1.0 / ((weight.numel() as f64 / scales.numel().max(1) as f64) * most as f64).sqrt();
                weight.f_internal_fake_quantize_learnable_per_channel_affine(scales, &zeros, 0, -most, most, factor)
            }
            Some(scales) => {
                let zeros = scales.f_zeros_like()?.f_to_kind(Kind::Int)?;
                weight.f_fake_quantize_per_channel_affine(scales, &zeros, 0, -most, most)
            }
            None => Ok(weight.shallow_clone()),
        }
    }

    /// The largest step of a layer's weights. Those of depthwise layers have seven bits: on processors of x86, libtorch's kernel for
    /// them adds two products in 16 bits (255 x 64 x 2 fits), and they have bits to spare, with a grid for each nine weights.
    pub(crate) fn largest_weight(&self) -> i64 {
        match self {
            Self::Convolution(convolution) if convolution.is_depthwise() => MAX_WEIGHT / 2 + 1,
            _ => MAX_WEIGHT,
        }
    }
}

impl Layer {
    /// The weights of a layer in int8 as steps of their grids, -127 to 127; those of another layer are all 0 or beyond.
    ///
    /// # Errors
    /// libtorch's.
    pub fn integers(&self) -> Result<Tensor, tch::TchError> {
        let weight = self.weight.tensor.f_detach()?;
        let Some(scales) = &self.scales else { return weight.f_to_kind(Kind::Int8) };
        // As `fake_quantize_per_channel_affine` rounds: by the inverse of the scale.
        let steps = weight.f_mul(&along(&scales.f_reciprocal()?, 0, weight.dim())?)?.f_round()?;
        steps.f_clamp(-MAX_WEIGHT, MAX_WEIGHT)?.f_to_kind(Kind::Int8)
    }

    fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref().map(|bias| &bias.tensor)
    }
}

/// The largest weight on a grid, in steps; -128 is left out, so that grids are symmetric.
pub(crate) const MAX_WEIGHT: i64 = 127;

impl Node {
    /// Its layer and operation, for errors and tables.
    pub fn place(&self) -> String {
        if self.scope.is_empty() {
            self.operation.name().to_owned()
        } else {
            format!("{} ({})", self.scope, self.operation.name())
        }
    }

    /// The output for the inputs.
    ///
    /// # Errors
    /// libtorch's, where they do not fit.
    pub fn compute(&self, inputs: &[&Tensor]) -> Result<Tensor, tch::TchError> {
        let axis = |axis: usize| axis as i64;
        let first = || inputs[0];
        match &self.operation {
            Operation::Constant(weight) => Ok(weight.tensor.shallow_clone()),
            Operation::Convolution(Convolution { layer, stride, padding, dilation, groups }) => {
                first().f_conv2d(&self.operation.rounded_weight()?, layer.bias(), stride, padding, dilation, *groups)
            }
            Operation::Linear(layer) => first().f_linear(&self.operation.rounded_weight()?, layer.bias()),
            Operation::Unary(function) => unary(*function, first()),
            Operation::Binary(function) => binary(*function, first(), inputs[1]),
            Operation::Clip { low, high } => {
                let clipped = low.map_or_else(|| Ok(first().shallow_clone()), |low| first().f_clamp_min(low))?;
                high.map_or(Ok(clipped.shallow_clone()), |high| clipped.f_clamp_max(high))
            }
            Operation::MatMul => first().f_matmul(inputs[1]),
            Operation::Softmax(dim) => first().f_softmax(axis(*dim), None),
            Operation::ArgMax { axis: dim, keep } => first().f_argmax(axis(*dim), *keep),
            Operation::Mean { axes, keep } => {
                let axes: Vec<i64> = axes.iter().map(|&dim| axis(dim)).collect();
                first().f_mean_dim(axes.as_slice(), *keep, None)
            }
            Operation::GlobalAveragePool => first().f_adaptive_avg_pool2d([1, 1]),
            Operation::MaxPool { kernel, stride, padding, dilation, ceil } => {
                first().f_max_pool2d(kernel, stride, padding, dilation, *ceil)
            }
            Operation::Resize(size) => first().f_upsample_bilinear2d(size, false, None, None),
            Operation::ResizeAs => {
                let size = inputs[1].size();
                first().f_upsample_bilinear2d(&size[2..], false, None, None)
            }
            Operation::Concat(dim) => Tensor::f_cat(inputs, axis(*dim)),
            Operation::Reshape(sides) => {
                let kept = first().size();
                let side = |(index, &side): (usize, &i64)| if side == 0 { kept[index] } else { side };
                first().f_reshape(sides.iter().enumerate().map(side).collect::<Vec<_>>())
            }
            Operation::Flatten(start) => first().f_flatten(axis(*start), -1),
            Operation::Transpose(order) => first().f_permute(order.iter().map(|&dim| axis(dim)).collect::<Vec<_>>()),
            Operation::ChannelShuffle(groups) => first().f_channel_shuffle(*groups),
            Operation::Unsqueeze(dim) => first().f_unsqueeze(axis(*dim)),
            Operation::ExpandAs => first().f_expand_as(inputs[1]),
            Operation::Expand(sides) => first().f_expand(sides, false),
            Operation::ZerosLike => first().f_zeros_like(),
            Operation::Slice { axis: dim, start, end, step } => first().f_slice(axis(*dim), *start, *end, *step),
            Operation::Select { axis: dim, position } => first().f_select(axis(*dim), *position),
            Operation::Cast(element) => first().f_to_kind(element.kind()),
        }
    }
}

fn unary(function: Unary, xs: &Tensor) -> Result<Tensor, tch::TchError> {
    match function {
        Unary::Relu => xs.f_relu(),
        Unary::Sigmoid => xs.f_sigmoid(),
        Unary::Tanh => xs.f_tanh(),
        Unary::Exp => xs.f_exp(),
        Unary::Sqrt => xs.f_sqrt(),
        Unary::Neg => xs.f_neg(),
        Unary::Gelu => xs.f_gelu("none"),
        Unary::HardSwish => xs.f_hardswish(),
    }
}

fn binary(function: Binary, left: &Tensor, right: &Tensor) -> Result<Tensor, tch::TchError> {
    match function {
        Binary::Add => left.f_add(right),
        Binary::Sub => left.f_sub(right),
        Binary::Mul => left.f_mul(right),
        Binary::Div => left.f_div(right),
        Binary::Min => left.f_minimum(right),
        Binary::Max => left.f_maximum(right),
    }
}
