//! Channels-last memory: images `[N, C, H, W]` with adjacent channels.
//!
//! One operation must not use it: with libtorch 2.11 on x86-64, the backward pass of a 1x1 convolution with stride
//! above 1, one group and fewer than 16 input channels (8 with AVX2) writes past its buffers (oneDNN issue 6035, in
//! fp32 and in bfloat16) and causes a crash later. In MobileOne that is the stem's 1x1 branch. Sampling every second
//! row and column first and convolving with stride 1 gives the same numbers safely.
//!
//! On the CPU in fp32, depthwise 3x3 convolutions, batch normalisation and the backward pass of pointwise convolutions
//! are faster with it, while a depthwise 1x1 convolution of stride 1 is many times slower: multiply by its weight
//! `[1, C, 1, 1]` instead. Batch normalisation sums in plain fp32 there, so the error of its statistics is about 3e-6
//! instead of 3e-8 with contiguous memory.

use std::{ffi::c_char, ptr};

use tch::Tensor;
use torch_sys::C_tensor;

use crate::{
    Error,
    ffi::{self, check},
    list::TensorList,
};

unsafe extern "C" {
    fn tch_ext_channels_last(tensor: *const C_tensor, converted: *mut *mut C_tensor) -> *mut c_char;
    fn tch_ext_is_channels_last(tensor: *const C_tensor) -> bool;
    fn tch_ext_convert_channels_last(params: ffi::List, count: usize) -> *mut c_char;
}

/// The same values in channels-last memory, as `tensor.contiguous(memory_format=torch.channels_last)`; autograd
/// records it.
///
/// A tensor that is already channels-last or not four-dimensional is returned unchanged, sharing its memory.
///
/// # Errors
/// libtorch's own message when memory runs out.
pub fn f_channels_last(tensor: &Tensor) -> Result<Tensor, Error> {
    let mut converted = ptr::null_mut();
    // SAFETY: `converted` is written before the call returns null, with a new tensor that nothing else frees.
    unsafe {
        check("convert to channels-last", tch_ext_channels_last(tensor.as_ptr(), &mut converted))?;
        Ok(Tensor::from_ptr(converted))
    }
}

/// [`f_channels_last`] without a `Result`, as tch's own operations.
///
/// # Panics
/// When memory runs out.
pub fn channels_last(tensor: &Tensor) -> Tensor {
    f_channels_last(tensor).unwrap_or_else(|error| panic!("{error}"))
}

/// Whether the tensor is four-dimensional with adjacent channels and no gaps. With one channel, or one row and column,
/// both formats are the same memory, and this is true for either.
pub fn is_channels_last(tensor: &Tensor) -> bool {
    // SAFETY: the tensor lives through the call.
    unsafe { tch_ext_is_channels_last(tensor.as_ptr()) }
}

/// Gives every four-dimensional tensor channels-last memory in place, as
/// `module.to(memory_format=torch.channels_last)`: it changes for all owners of the tensor (a `VarStore`, an
/// optimiser). Other tensors and gradients do not change.
///
/// # Errors
/// An undefined tensor, or libtorch's own message.
pub fn convert_channels_last(params: &[Tensor]) -> Result<(), Error> {
    let params = TensorList::new("parameters", params)?;
    // SAFETY: the list holds the stated number of defined tensors that live through the call.
    check("convert to channels-last", unsafe { tch_ext_convert_channels_last(params.pointers(), params.len()) })
}
