//! What libtorch offers and tch does not bind: a C++ shim (`csrc/`) behind a safe Rust face.
//!
//! | module | what it offers | PyTorch's name for it |
//! |---|---|---|
//! | [`foreach`] | gradients, clipping, moving averages and copies over whole lists | `torch._foreach_*`, `clip_grad_norm_` |
//! | [`optim`] | SGD and AdamW steps with the state in the caller's hands | `torch.optim` with `fused=True` |
//!
//! The whole workspace's `unsafe` code is in this crate. No C++ exception crosses into Rust: each becomes an [`Error`]
//! with the first line of its text.

mod error;
mod ffi;
pub mod foreach;
mod list;
pub mod optim;

pub use error::Error;
