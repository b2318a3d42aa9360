//! Model files for other programs' runtimes: a module for each format.
//!
//! | module | holds |
//! |---|---|
//! | [`onnx`] | ONNX files: written from traced networks, read, checked, run |
//!
//! A format knows graphs, weights and operations, and nothing of tasks, configurations or data sets: callers put together what
//! a file takes and returns.

pub mod onnx;
