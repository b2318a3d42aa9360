//! What the operators of this module share: one tensor in, one out.

use std::{fmt::Debug, hash::Hash};

use tract_onnx::tract_hir::internal::*;

/// An operation on one tensor.
pub(super) trait Operation: Clone + Debug + Hash + Send + Sync + 'static {
    /// The runtime's name of it.
    const NAME: &'static str;

    /// The sides of the output, by those of the input.
    fn shape(&self, input: &[TDim]) -> TVec<TDim>;

    /// The output.
    fn compute(&self, input: &Tensor) -> TractResult<Tensor>;
}

/// An operation as a node of the runtime.
#[derive(Debug, Clone, Hash)]
pub(super) struct Operator<O>(pub O);

impl<O: Operation> Op for Operator<O> {
    fn name(&self) -> StaticName {
        O::NAME.into()
    }

    op_as_typed_op!();
}

impl<O: Operation> EvalOp for Operator<O> {
    fn is_stateless(&self) -> bool {
        true
    }

    fn eval(&self, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        Ok(tvec!(self.0.compute(&input)?.into_tvalue()))
    }
}

impl<O: Operation> TypedOp for Operator<O> {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let shape = self.0.shape(&inputs[0].shape.to_tvec());
        Ok(tvec!(inputs[0].datum_type.fact(&shape)))
    }

    as_op!();
}

/// What is true of every operation on images: float, `[N, C, height, width]`.
pub(super) fn image_rules<'r, 'p: 'r>(
    solver: &mut Solver<'r>,
    inputs: &'p [TensorProxy],
    outputs: &'p [TensorProxy],
) -> InferenceResult {
    check_output_arity(outputs, 1)?;
    for images in [&inputs[0], &outputs[0]] {
        solver.equals(&images.datum_type, f32::datum_type())?;
        solver.equals(&images.rank, 4)?;
    }
    for axis in 0..2 {
        solver.equals(&inputs[0].shape[axis], &outputs[0].shape[axis])?;
    }
    Ok(())
}

/// The sides in an input that must be known before the run.
pub(super) fn constant(model: &TypedModel, sides: OutletId, operator: &str) -> TractResult<Arc<Tensor>> {
    let sides = model.outlet_fact(sides)?.konst.clone();
    sides.with_context(|| format!("{operator} to sides that are not known before the run is not supported here"))
}
