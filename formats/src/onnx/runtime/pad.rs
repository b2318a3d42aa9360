//! Zeros around images.
//!
//! tract (0.22) writes beyond its buffer where the taps of a padded convolution reach past the full width of the image, as those of
//! atrous convolutions do on small maps. Therefore a convolution whose taps reach further than a pixel gets its zeros from a
//! separate node that tract does not merge with it.

use tract_onnx::{model::ParsingContext, pb::NodeProto, tract_hir::internal::*};

use super::operator::{Operation, Operator, image_rules};
use crate::onnx::proto::{AttributeProto, GraphProto, NodeProto as Node, attribute_type};

/// The operator of that node, which exists in no file.
pub(super) const OPERATOR: &str = "PadWithZeros";

const PADS: &str = "pads";

/// Moves the padding of convolutions that reach far into separate nodes.
///
/// # Errors
/// The message for a convolution that leaves its padding to the runtime.
pub(super) fn separate_padding(graph: &mut GraphProto) -> Result<(), String> {
    let mut nodes = Vec::with_capacity(graph.node.len());
    for mut node in std::mem::take(&mut graph.node) {
        if node.op_type == "Conv" {
            if node
                .attribute
                .iter()
                .any(|setting| setting.name == "auto_pad" && setting.s.as_deref() != Some(b"NOTSET"))
            {
                return Err(format!("`{}` leaves its padding to the runtime, which is not supported", node.name));
            }
            nodes.extend(take_padding(&mut node));
        }
        nodes.push(node);
    }
    graph.node = nodes;
    Ok(())
}

fn take_padding(node: &mut Node) -> Option<Node> {
    if !reaches_far(node) {
        return None;
    }
    let position = node.attribute.iter().position(|setting| setting.name == PADS)?;
    let pads = node.attribute.remove(position);
    let output = format!("{}/{OPERATOR}", node.output.first()?);
    let images = std::mem::replace(node.input.first_mut()?, output.clone());
    Some(Node {
        input: vec![images],
        name: output.clone(),
        output: vec![output],
        op_type: OPERATOR.to_owned(),
        attribute: vec![AttributeProto { r#type: attribute_type::INTS, ..pads }],
        domain: String::new(),
    })
}

/// Whether there is padding and a tap reads more than a pixel beyond the image. True where the file does not give the size of the
/// kernel.
fn reaches_far(node: &Node) -> bool {
    let setting = |name: &str| node.attribute.iter().find(|setting| setting.name == name).map(|setting| &setting.ints);
    let (Some(pads), Some(kernel)) = (setting(PADS), setting("kernel_shape")) else { return true };
    let dilation = |axis: usize| setting("dilations").and_then(|dilations| dilations.get(axis)).copied().unwrap_or(1);
    let reach = |(axis, (side, pad)): (usize, (&i64, &i64))| {
        side.saturating_sub(1).saturating_mul(dilation(axis)).saturating_sub(*pad)
    };
    let padded = pads.iter().any(|&pad| pad != 0);
    padded && kernel.iter().zip(pads).enumerate().map(reach).any(|reach| reach > 1)
}

/// Reads the node.
pub(super) fn pad_node(
    _context: &ParsingContext,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let pads = node.attribute.iter().find(|setting| setting.name == PADS).map(|setting| setting.ints.as_slice());
    let side = |side: i64| usize::try_from(side).ok();
    match pads.unwrap_or_default().iter().copied().map(side).collect::<Option<Vec<_>>>().as_deref() {
        Some(&[top, left, bottom, right]) => {
            Ok((expand(Zeros { before: [top, left], after: [bottom, right] }), vec![]))
        }
        _ => bail!("padding of {pads:?}: expected four sides of at least 0"),
    }
}

/// `[N, C, H, W]` with rows and columns of zeros before and after.
#[derive(Debug, Clone, Hash)]
struct Zeros {
    before: [usize; 2],
    after: [usize; 2],
}

impl Zeros {
    fn side<D: DimLike>(&self, axis: usize, side: &D) -> D {
        side.clone() + self.before[axis] + self.after[axis]
    }
}

impl Expansion for Zeros {
    fn name(&self) -> StaticName {
        OPERATOR.into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        image_rules(solver, inputs, outputs)?;
        solver.given(&inputs[0].shape, move |solver, shape| {
            let padded = self.shape(&shape).into_iter().enumerate().skip(2);
            padded.into_iter().try_for_each(|(axis, side)| solver.equals(&outputs[0].shape[axis], side))
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, Operator(self.clone()), inputs)
    }
}

impl Operation for Zeros {
    const NAME: &'static str = OPERATOR;

    fn shape(&self, input: &[TDim]) -> TVec<TDim> {
        let padded = input[2..].iter().enumerate().map(|(axis, side)| self.side(axis, side));
        input[..2].iter().cloned().chain(padded).collect()
    }

    fn compute(&self, input: &Tensor) -> TractResult<Tensor> {
        let &[images, channels, height, width] = input.shape() else { bail!("padding of {:?}", input.shape()) };
        let [rows, columns] = [self.side(0, &height), self.side(1, &width)];
        let [top, left] = self.before;
        let mut output = Tensor::zero::<f32>(&[images, channels, rows, columns])?;
        let planes = input.as_slice::<f32>()?.chunks_exact(height * width);
        for (plane, into) in planes.zip(output.as_slice_mut::<f32>()?.chunks_exact_mut(rows * columns)) {
            for (row, into) in plane.chunks_exact(width).zip(into.chunks_exact_mut(columns).skip(top)) {
                into[left..left + width].copy_from_slice(row);
            }
        }
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conv(kernel: i64, dilation: i64, pad: i64) -> Node {
        let setting = |name: &str, ints: &[i64]| AttributeProto {
            name: name.to_owned(),
            ints: ints.to_vec(),
            ..AttributeProto::default()
        };
        Node {
            input: vec!["x".to_owned(), "w".to_owned()],
            output: vec!["y".to_owned()],
            op_type: "Conv".to_owned(),
            attribute: vec![
                setting("kernel_shape", &[kernel; 2]),
                setting("dilations", &[dilation; 2]),
                setting(PADS, &[pad; 4]),
            ],
            ..Node::default()
        }
    }

    #[test]
    fn padding_is_separate_only_where_a_tap_reaches_past_the_next_pixel() {
        for (kernel, dilation, pad, separate) in
            [(1, 1, 0, false), (3, 1, 1, false), (3, 2, 2, true), (5, 1, 2, true), (3, 1, 0, false), (3, 12, 12, true)]
        {
            let node = conv(kernel, dilation, pad);
            let mut graph = GraphProto { node: vec![node], ..GraphProto::default() };
            separate_padding(&mut graph).unwrap();
            let operators: Vec<_> = graph.node.iter().map(|node| node.op_type.as_str()).collect();
            if separate {
                assert_eq!(operators, [OPERATOR, "Conv"]);
                assert_eq!(graph.node[0].attribute[0].ints, [pad; 4]);
                assert_eq!(
                    graph.node[1].input,
                    graph.node[0].output.iter().cloned().chain(["w".into()]).collect::<Vec<_>>()
                );
                assert!(graph.node[1].attribute.iter().all(|setting| setting.name != PADS));
            } else {
                assert_eq!(operators, ["Conv"], "{kernel}, {dilation}, {pad}");
            }
        }
    }

    #[test]
    fn padding_that_is_left_to_the_runtime_is_refused() {
        let mut node = conv(3, 1, 1);
        node.attribute.push(AttributeProto {
            name: "auto_pad".to_owned(),
            s: Some(b"SAME_UPPER".to_vec()),
            ..AttributeProto::default()
        });
        assert!(separate_padding(&mut GraphProto { node: vec![node], ..GraphProto::default() }).is_err());
    }
}
