//! What the runtime, tract, needs to run files as they are meant: operators in the place of its own.
//!
//! | module | holds |
//! |---|---|
//! | `expand` | repeating along sides |
//! | `pad` | zeros around images |
//! | `resize` | bilinear resizing |

mod expand;
mod pad;
mod resize;

use prost::Message;
use tract_onnx::{Onnx, prelude::*, tract_hir::ops::unimpl::UnimplementedOp};

use crate::onnx::proto::{GraphProto, ModelProto};

/// A model as the runtime takes it.
///
/// # Errors
/// What cannot be run, and where; an operator that the runtime does not have.
pub(crate) fn parse(mut proto: ModelProto) -> TractResult<InferenceModel> {
    pad::pad_apart(proto.graph.get_or_insert_with(GraphProto::default)).map_err(TractError::msg)?;
    let model = operators().model_for_read(&mut proto.encode_to_vec().as_slice())?;
    match model.nodes().iter().find(|node| node.op_is::<UnimplementedOp>()) {
        Some(node) => Err(TractError::msg(format!("the runtime does not have {}", node.op.name()))),
        None => Ok(model),
    }
}

/// tract's operators, with those of this module in the place of its own.
fn operators() -> Onnx {
    let mut tract = tract_onnx::onnx();
    tract.op_register.insert("Expand", expand::expand_node);
    tract.op_register.insert(pad::OPERATOR, pad::pad_node);
    tract.op_register.insert("Resize", resize::resize_node);
    tract
}
