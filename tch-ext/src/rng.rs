//! The state of libtorch's default random generators, for a run that resumes with the same numbers.

use std::{
    ffi::{c_char, c_int},
    ptr,
};

use tch::{Device, Tensor};
use torch_sys::C_tensor;

use crate::{Error, device::cuda_index, ffi::check};

unsafe extern "C" {
    fn tch_ext_rng_state(cuda: c_int, state: *mut *mut C_tensor) -> *mut c_char;
    fn tch_ext_rng_set_state(cuda: c_int, state: *const C_tensor) -> *mut c_char;
}

/// The state of the device's default generator: bytes `[L]` on the CPU, as `torch.get_rng_state()` and
/// `torch.cuda.get_rng_state()` return them.
///
/// # Errors
/// A device that is neither the CPU nor CUDA, or that does not exist.
pub fn state(device: Device) -> Result<Tensor, Error> {
    let cuda = cuda_index(device)?;
    let mut state = ptr::null_mut();
    // SAFETY: `state` is written before the call returns null, with a new tensor that nothing else frees.
    unsafe {
        check("read the random state", tch_ext_rng_state(cuda, &mut state))?;
        Ok(Tensor::from_ptr(state))
    }
}

/// Restores the device's default generator to a [`state`].
///
/// # Errors
/// As [`state`], or a tensor that is not a state.
pub fn set_state(device: Device, state: &Tensor) -> Result<(), Error> {
    let cuda = cuda_index(device)?;
    if !state.defined() {
        return Err(Error::Undefined { list: "random states", index: 0 });
    }
    // SAFETY: the tensor is defined and lives through the call.
    check("set the random state", unsafe { tch_ext_rng_set_state(cuda, state.as_ptr()) })
}
