//! Operators in place of those of the runtime, tract, that compute something else than ONNX.
//!
//! | module | holds |
//! |---|---|
//! | `expand` | repeating along sides |
//! | `pad` | zeros around images |
//! | `resize` | bilinear resizing |
//! | `operator` | what the three share |

mod expand;
mod operator;
mod pad;
mod resize;

use prost::Message;
use tract_onnx::{Onnx, prelude::*, tract_hir::ops::unimpl::UnimplementedOp};

use crate::onnx::proto::{GraphProto, ModelProto};

/// A model in the runtime's form.
///
/// # Errors
/// What cannot be run, and where; an operator that the runtime lacks.
pub(crate) fn parse(mut proto: ModelProto) -> TractResult<InferenceModel> {
    pad::separate_padding(proto.graph.get_or_insert_with(GraphProto::default)).map_err(TractError::msg)?;
    let model = operators().model_for_read(&mut proto.encode_to_vec().as_slice())?;
    match model.nodes().iter().find(|node| node.op_is::<UnimplementedOp>()) {
        Some(node) => Err(TractError::msg(format!("the runtime has no operator {}", node.op.name()))),
        None => Ok(model),
    }
}

/// tract's operators, some of them replaced by those of this module.
fn operators() -> Onnx {
    let mut tract = tract_onnx::onnx();
    tract.op_register.insert("Expand", expand::expand_node);
    tract.op_register.insert(pad::OPERATOR, pad::pad_node);
    tract.op_register.insert("Resize", resize::resize_node);
    tract
}
