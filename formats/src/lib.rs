//! Model files for other programs' runtimes: one graph, and a module for each format.
//!
//! | module | holds |
//! |---|---|
//! | [`graph`] | a network as typed operations, from which every format is written |
//! | [`torchscript`] | TorchScript modules with quantised kernels |
//! | [`quantize`] | from a graph in floating point to one in int8 |
//! | [`litert`] | LiteRT files: written, checked, run |
//! | [`coreml`] | Core ML packages: written, read back, computed by libtorch |
//! | [`onnx`] | ONNX files: written, read, checked, run |
//!
//! A format knows graphs, weights and operations, and nothing of tasks, configurations or data sets: callers put together what
//! a file takes and returns.

mod array;
pub mod coreml;
mod error;
pub mod graph;
pub mod litert;
pub mod onnx;
pub mod quantize;
pub mod torchscript;

pub(crate) use array::MOST_ELEMENTS;
pub use array::{Array, Data, Element};
pub use error::Error;
pub(crate) use error::described;
