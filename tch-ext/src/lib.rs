//! What libtorch offers and tch does not bind: a C++ shim (`csrc/`) behind a safe Rust face.
//!
//! | module | what it offers | PyTorch's name for it |
//! |---|---|---|
//! | [`autocast`] | mixed precision on CPU and CUDA, as a guard | `torch.autocast` |
//! | [`cuda`] | CUDA where its library lies beside the CPU's | |
//! | [`foreach`] | gradients, clipping, averages and copies over whole lists | `torch._foreach_*`, `clip_grad_norm_` |
//! | [`jit`] | tracing, TorchScript source, freezing, the lite interpreter | `torch.jit`, `torch.utils.mobile_optimizer` |
//! | [`memory_format`] | channels-last memory | `torch.channels_last` |
//! | [`optim`] | SGD and AdamW steps with the state in the caller's hands | `torch.optim` with `fused=True` |
//! | [`rng`] | the state of the random generators | `torch.get_rng_state` |
//! | [`system`] | versions, build and processor | `torch.__config__`, `torch.cpu` |
//!
//! The whole workspace's `unsafe` code is in this crate. No C++ exception crosses into Rust: each becomes an
//! [`Error`] with the first line of its text.

pub mod autocast;
pub mod cuda;
mod device;
mod error;
mod ffi;
pub mod foreach;
pub mod jit;
mod library;
mod list;
pub mod memory_format;
pub mod optim;
pub mod rng;
pub mod system;

pub use error::Error;
pub use memory_format::{channels_last, convert_channels_last, is_channels_last};
