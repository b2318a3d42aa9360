//! Networks in int8: their layers, and the engines that run them on the CPU.
//!
//! Activations are `quint8` tensors (8 bits, a scale and a zero point for each tensor), weights are `qint8` with one scale
//! for each output channel. A network is a [`Module`](crate::jit::Module) with layers as attributes and a method in source
//! text:
//!
//! ```
//! use tch::{Device, Kind, Tensor};
//! use tch_ext::{jit::Module, quantized::Convolution};
//!
//! # fn main() -> Result<(), tch_ext::Error> {
//! let stem = Convolution {
//!     weight: Tensor::ones([2, 3, 1, 1], (Kind::Int8, Device::Cpu)),
//!     scales: vec![0.5, 0.25],
//!     bias: None,
//!     strides: [1, 1],
//!     padding: [0, 0],
//!     dilations: [1, 1],
//!     groups: 1,
//! };
//! let mut module = Module::new("Net")?;
//! module.register_quantized_convolution("stem", &stem)?;
//! module.define(
//!     "def forward(self, image):\n    \
//!          x = torch.quantize_per_tensor(image, 0.125, 0, 13)\n    \
//!          x = ops.quantized.conv2d_relu(x, self.stem, 0.25, 0)\n    \
//!          return torch.dequantize(x)\n",
//! )?;
//! let outputs = module.run(&[Tensor::ones([1, 3, 1, 1], (Kind::Float, Device::Cpu))])?;
//! assert_eq!(Vec::<f32>::try_from(outputs[0].flatten(0, -1)).expect("two numbers"), [1.5, 0.75]);
//! # Ok(()) }
//! ```
//!
//! The operators: `torch.quantize_per_tensor(x, scale, zero_point, 13)` (13 is `quint8`), `torch.dequantize(x)`;
//! `ops.quantized.conv2d(x, self.layer, scale, zero_point)`, `conv2d_relu`, `linear` and `linear_relu` with the scale and
//! zero point of the output; `ops.quantized.add(a, b, scale, zero_point)`, `add_relu` and `mul`, which broadcast;
//! `ops.quantized.cat([a, b], dim, scale, zero_point)`. `torch.relu`, `max_pool2d`, `avg_pool2d`, `adaptive_avg_pool2d`,
//! `upsample_bilinear2d`, `upsample_nearest2d`, `mean`, `clamp`, `flatten` and slices keep the scale and zero point of
//! their input; those of `torch.sigmoid` are 1/256 and 0. `torch.softmax` and `torch.argmax` take no quantised tensors.
//!
//! # Engines
//! An [`Engine`] prepacks a layer when it is registered, or when its file is loaded. The layer then stays with that
//! engine, and [`set_engine`] affects layers registered or loaded later. A file does not depend on the engine that it was
//! written with.
//!
//! MobileOne-S0's layers at 224 x 224, one thread, a processor with VNNI (`examples/int8_latency.rs`): X86 and Onednn need
//! half the time of the same network in float, frozen and [fused](crate::jit::set_onednn_fusion); Fbgemm 10% more than
//! those, Qnnpack five times as much.
//!
//! Onednn is fast and exact in depthwise layers with any weights; X86 needs weights from -64 to 64 there.

mod engine;
mod layer;
mod saturation;

pub use self::{
    engine::{Engine, engine, set_engine, supported_engines},
    layer::{Convolution, Linear},
    saturation::{Saturation, saturates},
};
pub(crate) use engine::names;
