//! Files are written, read back by this crate's own reader and runtime, and compared with libtorch.

mod coreml;
mod detector;
mod files;
mod golden;
mod litert;
mod networks;
mod operators;
mod published;
mod quantized;
mod runtime;
mod samples;
mod support;
