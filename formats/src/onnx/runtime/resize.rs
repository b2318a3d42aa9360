//! Bilinear resizing.
//!
//! It stands in for tract's own: that one (0.22) goes on in a straight line beyond the outermost pixels, where ONNX and libtorch
//! repeat them, and takes about a microsecond a number.

use tract_onnx::{
    model::{ParsingContext, optional_inputs},
    pb::NodeProto,
    tract_hir::internal::*,
};

/// Reads a node: linear, by the centres of the pixels, to sizes that are given.
pub(super) fn resize_node(
    _context: &ParsingContext,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let text = |name: &str, default: &'static str| match node.attribute.iter().find(|attribute| attribute.name == name)
    {
        Some(attribute) => String::from_utf8_lossy(&attribute.s).into_owned(),
        None => default.to_owned(),
    };
    let mode = text("mode", "nearest");
    let centres = text("coordinate_transformation_mode", "half_pixel");
    let mut options = optional_inputs(node).skip(1);
    let (region, scales, sizes) = (options.next().flatten(), options.next().flatten(), options.next().flatten());
    match sizes {
        Some(sizes) if mode == "linear" && centres == "half_pixel" && region.is_none() && scales.is_none() => {
            Ok((expand(Resize { sizes }), vec![]))
        }
        _ => bail!("Resize is supported here for linear, half_pixel and sizes alone, not for {mode}, {centres}"),
    }
}

/// The node, before its sizes are known.
#[derive(Debug, Clone, Hash)]
struct Resize {
    /// Which input holds the sizes.
    sizes: usize,
}

impl Expansion for Resize {
    fn name(&self) -> StaticName {
        "Resize".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_output_arity(outputs, 1)?;
        solver.equals(&inputs[0].datum_type, f32::datum_type())?;
        solver.equals(&outputs[0].datum_type, f32::datum_type())?;
        solver.equals(&inputs[0].rank, 4)?;
        solver.equals(&outputs[0].rank, 4)?;
        for axis in 0..2 {
            solver.equals(&inputs[0].shape[axis], &outputs[0].shape[axis])?;
        }
        Ok(())
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let sizes = model.outlet_fact(inputs[self.sizes])?.konst.clone();
        let sizes = sizes.context("Resize to sizes that are not known before the run is not supported here")?;
        let sizes = sizes.cast_to::<i64>()?;
        match sizes.as_slice::<i64>()? {
            &[_, _, height, width] if height > 0 && width > 0 => {
                model.wire_node(prefix, Bilinear { size: [height as usize, width as usize] }, &inputs[..1])
            }
            sizes => bail!("Resize to {sizes:?}"),
        }
    }
}

/// `[N, C, h, w]` to `[N, C, H, W]`.
#[derive(Debug, Clone, Hash)]
struct Bilinear {
    /// Height and width.
    size: [usize; 2],
}

impl Op for Bilinear {
    fn name(&self) -> StaticName {
        "Bilinear".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Bilinear {
    fn is_stateless(&self) -> bool {
        true
    }

    fn eval(&self, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let &[images, channels, height, width] = input.shape() else { bail!("Resize of {:?}", input.shape()) };
        let [rows, columns] = self.size;
        let down: Vec<_> = (0..rows).map(|row| neighbours(row, height, rows)).collect();
        let across: Vec<_> = (0..columns).map(|column| neighbours(column, width, columns)).collect();
        let mut output = Tensor::zero::<f32>(&[images, channels, rows, columns])?;
        let planes = input.as_slice::<f32>()?.chunks_exact(height * width);
        for (plane, into) in planes.zip(output.as_slice_mut::<f32>()?.chunks_exact_mut(rows * columns)) {
            for (&(upper, lower, low), into) in down.iter().zip(into.chunks_exact_mut(columns)) {
                let (upper, lower) = (&plane[upper * width..][..width], &plane[lower * width..][..width]);
                for (&(left, right, share), value) in across.iter().zip(into) {
                    let above = upper[left] * (1.0 - share) + upper[right] * share;
                    let below = lower[left] * (1.0 - share) + lower[right] * share;
                    *value = above * (1.0 - low) + below * low;
                }
            }
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Bilinear {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let mut shape = inputs[0].shape.to_tvec();
        for (side, size) in shape.iter_mut().skip(2).zip(self.size) {
            *side = size.to_dim();
        }
        Ok(tvec!(f32::fact(&shape)))
    }

    as_op!();
}

/// The two pixels around the centre of a new one, and the share of the second, as libtorch computes them.
fn neighbours(position: usize, side: usize, new_side: usize) -> (usize, usize, f32) {
    let scale = side as f32 / new_side as f32;
    let source = (scale * (position as f32 + 0.5) - 0.5).max(0.0);
    let first = (source as usize).min(side - 1);
    (first, (first + 1).min(side - 1), source - first as f32)
}
