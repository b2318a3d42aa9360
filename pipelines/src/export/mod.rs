//! Exported files: TorchScript, files for the lite interpreter, ONNX, LiteRT, Core ML. Writing, checking and running them.

mod card;
mod check;
mod coreml;
mod file;
mod litert;
mod onnx;
mod portable;
mod source;
mod torchscript;

pub use card::{CARD, Card, CardClass, CardInput, Metric};
pub use check::{Check, Expected, Rounding, compare};
pub use coreml::assemble_coreml;
pub use file::ExportedModel;
pub use front::words::{FloatKind, Format, Input};
pub use litert::assemble_litert;
pub use onnx::{assemble_onnx, has_card, to_array as onnx_array};
pub use portable::portable;
pub use source::{Source, Trained};
pub use torchscript::assemble;
