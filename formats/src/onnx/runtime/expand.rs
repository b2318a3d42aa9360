//! Repeating along sides.
//!
//! It replaces tract's own operator, whose shape tract 0.22 loses before a 1x1 convolution that follows a concatenation.

use tract_onnx::{
    model::ParsingContext,
    pb::NodeProto,
    tract_hir::{internal::*, tract_core::broadcast::multi_broadcast},
};

use super::operator::{Operation, Operator, constant};

/// Reads a node.
pub(super) fn expand_node(
    _context: &ParsingContext,
    _node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    Ok((expand(Expand), vec![]))
}

/// The node, before its shape is known.
#[derive(Debug, Clone, Hash)]
struct Expand;

impl Expansion for Expand {
    fn name(&self) -> StaticName {
        "Expand".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 2)?;
        check_output_arity(outputs, 1)?;
        solver.equals(&outputs[0].datum_type, &inputs[0].datum_type)?;
        solver.given_2(&inputs[0].shape, &inputs[1].value, move |solver, shape, sides| {
            let sides = sides.cast_to::<TDim>()?;
            let dims = multi_broadcast(&[sides.as_slice::<TDim>()?, &shape])?;
            solver.equals(&outputs[0].shape, ShapeFactoid::from(dims))
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let sides = constant(model, inputs[1], "Expand")?;
        let sides = sides.cast_to::<TDim>()?;
        let shape = model.outlet_fact(inputs[0])?.shape.to_tvec();
        let shape = multi_broadcast(&[sides.as_slice::<TDim>()?, &shape])?;
        let shape = shape.iter().map(|side| side.to_usize()).collect::<TractResult<_>>()?;
        model.wire_node(prefix, Operator(Repeated { shape }), &inputs[..1])
    }
}

/// A tensor, repeated until it has the shape.
#[derive(Debug, Clone, Hash)]
struct Repeated {
    shape: TVec<usize>,
}

impl Operation for Repeated {
    const NAME: &'static str = "Repeated";

    fn shape(&self, _: &[TDim]) -> TVec<TDim> {
        self.shape.iter().map(|side| side.to_dim()).collect()
    }

    fn compute(&self, input: &Tensor) -> TractResult<Tensor> {
        input.broadcast_to_shape(&self.shape)
    }
}
