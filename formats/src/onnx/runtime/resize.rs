//! Bilinear resizing.
//!
//! It replaces tract's own operator, which (0.22) extrapolates beyond the outermost pixels, where ONNX and libtorch repeat them, and
//! takes about a microsecond for each number.

use tract_onnx::{
    model::{ParsingContext, optional_inputs},
    pb::NodeProto,
    tract_hir::internal::*,
};

use super::operator::{Operation, Operator, constant, image_rules};

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
        image_rules(solver, inputs, outputs)
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let sizes = constant(model, inputs[self.sizes], "Resize")?;
        let sizes = sizes.cast_to::<i64>()?;
        match sizes.as_slice::<i64>()? {
            &[_, _, height, width] if height > 0 && width > 0 => {
                let bilinear = Bilinear { size: [height as usize, width as usize] };
                model.wire_node(prefix, Operator(bilinear), &inputs[..1])
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

impl Operation for Bilinear {
    const NAME: &'static str = "Bilinear";

    fn shape(&self, input: &[TDim]) -> TVec<TDim> {
        let size = self.size.iter().map(|side| side.to_dim());
        input[..2].iter().cloned().chain(size).collect()
    }

    fn compute(&self, input: &Tensor) -> TractResult<Tensor> {
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
        Ok(output)
    }
}

/// The two pixels around the centre of a new one, and the share of the second, as libtorch computes them.
fn neighbours(position: usize, side: usize, new_side: usize) -> (usize, usize, f32) {
    let scale = side as f32 / new_side as f32;
    let source = (scale * (position as f32 + 0.5) - 0.5).max(0.0);
    let first = (source as usize).min(side - 1);
    (first, (first + 1).min(side - 1), source - first as f32)
}
