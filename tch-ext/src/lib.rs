#![doc = include_str!("../README.md")]
//! # Modules
//!
//! | module | what it offers | PyTorch's name for it |
//! |---|---|---|
//! | [`autocast`] | mixed precision on CPU and CUDA, as a guard | `torch.autocast` |
//! | [`cuda`] | loading the CUDA library if it exists | |
//! | [`distributed`] | many processes: joining, collectives, gradients, batch norm, failures | `torch.distributed`, `DistributedDataParallel`, `SyncBatchNorm` |
//! | [`foreach`] | gradients, clipping, averages and copies of lists | `torch._foreach_*`, `clip_grad_norm_` |
//! | [`jit`] | tracing, TorchScript source, freezing, the lite interpreter | `torch.jit`, `torch.utils.mobile_optimizer` |
//! | [`memory_format`] | channels-last memory | `torch.channels_last` |
//! | [`onnx_runtime`] | ONNX Runtime's telemetry off, its version | |
//! | [`optim`] | SGD and AdamW steps, with the state owned by the caller | `torch.optim` with `fused=True` |
//! | [`quantized`] | int8 layers, the engines that run them, and where these lose precision | `torch.backends.quantized`, `torch.ao.nn.quantized` |
//! | [`rng`] | the state of the random generators | `torch.get_rng_state` |
//! | [`system`] | versions, build and processor | `torch.__config__`, `torch.cpu` |
//! | [`train`] | sums of normalised branches, forward and backward | |

pub mod autocast;
pub mod cuda;
mod device;
pub mod distributed;
mod error;
mod ffi;
pub mod foreach;
pub mod jit;
mod library;
mod list;
pub mod litert;
pub mod memory_format;
pub mod onnx_runtime;
pub mod optim;
pub mod quantized;
pub mod rng;
pub mod system;
pub mod train;

pub use error::Error;
pub use memory_format::{channels_last, convert_channels_last, is_channels_last};
