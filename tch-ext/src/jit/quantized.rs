//! Layers of int8 weights as attributes of a module.

use std::{ffi::c_char, ptr};

use tch::Tensor;
use torch_sys::C_tensor;

use super::{
    border::{Text, check, check_dotted},
    module::{CModule, Module},
};
use crate::{
    Error,
    quantized::{Convolution, Linear},
};

/// As in `csrc/quantized.cpp`.
#[repr(C)]
struct Geometry {
    strides: [i64; 2],
    padding: [i64; 2],
    dilations: [i64; 2],
    groups: i64,
}

unsafe extern "C" {
    fn tch_ext_jit_register_quantized_convolution(
        module: *mut CModule,
        path: Text,
        weight: *const C_tensor,
        scales: *const C_tensor,
        bias: *const C_tensor,
        geometry: *const Geometry,
    ) -> *mut c_char;
    fn tch_ext_jit_register_quantized_linear(
        module: *mut CModule,
        path: Text,
        weight: *const C_tensor,
        scales: *const C_tensor,
        bias: *const C_tensor,
    ) -> *mut c_char;
}

impl Module {
    /// Adds a convolution of int8 weights under a dotted name, as [`Module::register_parameter`]; source text calls it as
    /// `ops.quantized.conv2d(x, self.name, scale, zero_point)` or `conv2d_relu`, with the scale and the zero point of the
    /// output, on a `quint8` tensor `[N, I, H, W]`. Its tensors are copied, and prepacked by the current
    /// [engine](crate::quantized::engine); loading a file prepacks them for the engine of the loading process.
    ///
    /// # Errors
    /// An invalid or existing name, a layer that is not valid as described in [`Convolution`], or a libtorch without an
    /// engine.
    pub fn register_quantized_convolution(&mut self, path: &str, layer: &Convolution) -> Result<(), Error> {
        check_dotted(NAME, path)?;
        layer.check(path)?;
        let scales = Tensor::from_slice(&layer.scales);
        let (strides, padding, dilations, groups) = (layer.strides, layer.padding, layer.dilations, layer.groups);
        let geometry = Geometry { strides, padding, dilations, groups };
        // SAFETY: module, text, tensors and geometry live through the call; the tensors are defined, or null for no bias.
        check("prepack a quantised convolution", unsafe {
            tch_ext_jit_register_quantized_convolution(
                self.as_ptr(),
                Text::new(path),
                layer.weight.as_ptr(),
                scales.as_ptr(),
                pointer(layer.bias.as_ref()),
                &geometry,
            )
        })
    }

    /// Adds a linear layer of int8 weights, as [`Module::register_quantized_convolution`]; source text calls it as
    /// `ops.quantized.linear(x, self.name, scale, zero_point)` or `linear_relu`, on a `quint8` tensor `[..., I]`.
    ///
    /// # Errors
    /// An invalid or existing name, a layer that is not valid as described in [`Linear`], or a libtorch without an engine.
    pub fn register_quantized_linear(&mut self, path: &str, layer: &Linear) -> Result<(), Error> {
        check_dotted(NAME, path)?;
        layer.check(path)?;
        let scales = Tensor::from_slice(&layer.scales);
        // SAFETY: module, text and tensors live through the call; the tensors are defined, or null for no bias.
        check("prepack a quantised linear layer", unsafe {
            tch_ext_jit_register_quantized_linear(
                self.as_ptr(),
                Text::new(path),
                layer.weight.as_ptr(),
                scales.as_ptr(),
                pointer(layer.bias.as_ref()),
            )
        })
    }
}

const NAME: &str = "a quantised layer's name";

/// Null for no tensor.
fn pointer(tensor: Option<&Tensor>) -> *const C_tensor {
    tensor.map_or(ptr::null(), Tensor::as_ptr)
}
