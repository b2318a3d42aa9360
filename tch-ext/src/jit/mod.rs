//! TorchScript: a network written in Rust becomes a file that runs without it, on a server, in Python or on a phone.
//!
//! ```no_run
//! use tch::Tensor;
//! use tch_ext::{Error, jit::{Module, Tracing}};
//!
//! # fn main() -> Result<(), Error> {
//! # let (image, weight) = (Tensor::new(), Tensor::new());
//! let parameters = [("conv.weight".to_owned(), weight.shallow_clone())];
//! let net = Tracing::new("Net").parameters(&parameters).input("image", &image).record(
//!     |inputs| -> Result<_, Error> { Ok(vec![inputs[0].conv2d(&weight, None::<Tensor>, [1, 1], [1, 1], [1, 1], 1)]) },
//! )?;
//! let mut module = Module::new("Sharpened")?;
//! module.register_module("net", net)?;
//! module.define("def forward(self, image):\n    return torch.relu(self.net.forward(image))\n")?;
//! module.save("net.pt".as_ref(), &Default::default())?;
//! # Ok(()) }
//! ```
//!
//! # What a trace keeps
//! [`Tracing`] records which operations run, so Rust's own numbers and branches are constants: sizes read with `size()`
//! are those of the example. For a free dimension, write -1 (`view([-1, 256])`) or use operations that need no size
//! (`flatten`, `adaptive_avg_pool2d`). Code that depends on values or sizes (decoding, non-maximum suppression) is
//! written as TorchScript text, with [`Module::define`].
//!
//! # How libtorch runs a module
//! The first run of a method records shapes, the second compiles for them (slow), the third is the first at full
//! speed. Inputs of other shapes are always possible, and may compile again. Nothing is recorded by autograd.
//!
//! The settings of [`set_onednn_fusion`] and [`Autocast`](crate::autocast::Autocast) at the second run of a method are
//! compiled into it and remain.
//!
//! # bfloat16
//! Trace inside [`Autocast`](crate::autocast::Autocast), freeze and run outside it: the weights become bfloat16
//! constants, and fused layers pass on oneDNN's own layouts. A module of full precision run inside it computes in
//! bfloat16 as well, with a conversion between any two fused layers. oneDNN's fusion
//! accepts no softmax with its own kind there ("could not add op to the graph", in Python too): convert first, then
//! `softmax(-1, None)`.

mod border;
mod graph;
mod handle;
mod lite;
mod module;
mod quantized;
mod tensors;
mod trace;

use std::ffi::{c_char, c_void};

pub use self::{
    graph::{Constant, Graph, Node},
    lite::LiteModule,
    module::{ExtraFiles, Module, extra_files},
    trace::Tracing,
};
use crate::{Error, ffi::check};
use border::{TextSink, texts};

unsafe extern "C" {
    fn tch_ext_jit_set_onednn_fusion(enabled: bool, was_enabled: *mut bool) -> *mut c_char;
    fn tch_ext_jit_last_executed_graph(sink: TextSink, texts: *mut c_void) -> *mut c_char;
}

/// Switches fusion by oneDNN's graph compiler (LLGA) on or off for the program and returns the previous setting;
/// initially off. As `torch.jit.enable_onednn_fusion`, but it can be switched more than once.
///
/// It works on frozen modules, on the CPU, and applies to methods compiled from now on.
///
/// # Errors
/// Switching on a libtorch without oneDNN.
pub fn set_onednn_fusion(enabled: bool) -> Result<bool, Error> {
    let mut was_enabled = false;
    // SAFETY: the place is written before the call returns null.
    check("switch oneDNN fusion", unsafe { tch_ext_jit_set_onednn_fusion(enabled, &mut was_enabled) })?;
    Ok(was_enabled)
}

/// The optimised graph that this thread ran last, as text; `None` before the first. It shows fused
/// operations (`prim::oneDNNFusionGroup`).
///
/// # Errors
/// libtorch's own message.
pub fn last_executed_graph() -> Result<Option<String>, Error> {
    // SAFETY: the list outlives the call.
    let mut graphs = texts("show the last graph", |sink, list| unsafe { tch_ext_jit_last_executed_graph(sink, list) })?;
    Ok(graphs.pop())
}
