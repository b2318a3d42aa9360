//! ONNX files: written from traced networks, and run on the CPU.
//!
//! | module | holds |
//! |---|---|
//! | [`array`] | plain buffers with a shape |
//! | [`proto`] | the messages of the format, as <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto> has them |
//! | [`graph`] | building a graph: inputs, weights, nodes, outputs |
//! | `network` | a [graph](crate::graph) as ONNX nodes |
//! | `ends` | what comes before and after a network: normalisation, probabilities, class ids |
//! | [`detector`] | decoding of boxes, non-maximum suppression |
//! | [`model`] | a file: written, read, checked |
//! | [`session`] | running a file |
//! | `library` | finding and loading ONNX Runtime |
//!
//! ```no_run
//! use formats::{Element, graph::Graph, onnx::{Builder, Dim, Layout}};
//!
//! # fn export(module: &tch_ext::jit::Module) -> Result<(), Box<dyn std::error::Error>> {
//! let mut builder = Builder::new("classifier");
//! let sides = [Dim::named("batch"), Dim::Fixed(224), Dim::Fixed(224), Dim::Fixed(3)];
//! let photos = builder.input("images", Element::U8, &sides)?;
//! let images = builder.normalize(&photos, Layout::ChannelsLast, &[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225])?;
//! let network = Graph::read(&module.nodes("forward")?, &[4])?;
//! let logits = builder.network(&network, &[images])?.remove(0);
//! let probabilities = builder.softmax(&logits, -1);
//! builder.output("probabilities", &probabilities, &[Dim::named("batch"), Dim::Fixed(1000)])?;
//! builder.finish(&Default::default())?.write("classifier.onnx".as_ref())?;
//! # Ok(()) }
//! ```
//!
//! Files have IR version 8 and operator set 17: ONNX Runtime 1.12 and later read them.

pub mod detector;
mod ends;
pub mod graph;
mod library;
pub mod messages;
mod model;
mod network;
pub mod proto;
pub mod session;

pub use detector::{Decoded, Detections};
pub use ends::Layout;
pub use graph::{Builder, Dim, Value};
pub use library::Library;
pub use model::Model;
pub use session::{Session, Slot};
