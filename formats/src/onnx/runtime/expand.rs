//! Repeating along sides.
//!
//! It stands in for tract's own: that one (0.22) is lost on the way to a convolution of 1x1 behind a concatenation, which then
//! fails for its shape.

use tract_onnx::{
    model::ParsingContext,
    pb::NodeProto,
    tract_hir::{internal::*, tract_core::broadcast::multi_broadcast},
};

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
        let sides = model.outlet_fact(inputs[1])?.konst.clone();
        let sides = sides.context("Expand to a shape that is not known before the run is not supported here")?;
        let sides = sides.cast_to::<TDim>()?;
        let shape = model.outlet_fact(inputs[0])?.shape.to_tvec();
        let shape = multi_broadcast(&[sides.as_slice::<TDim>()?, &shape])?;
        let shape = shape.iter().map(|side| side.to_usize()).collect::<TractResult<_>>()?;
        model.wire_node(prefix, Repeated { shape }, &inputs[..1])
    }
}

/// A tensor, repeated until it has the shape.
#[derive(Debug, Clone, Hash)]
struct Repeated {
    shape: TVec<usize>,
}

impl Op for Repeated {
    fn name(&self) -> StaticName {
        "Repeated".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Repeated {
    fn is_stateless(&self) -> bool {
        true
    }

    fn eval(&self, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        Ok(tvec!(inputs[0].broadcast_to_shape(&self.shape)?.into_tvalue()))
    }
}

impl TypedOp for Repeated {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(inputs[0].datum_type.fact(&self.shape)))
    }

    as_op!();
}
