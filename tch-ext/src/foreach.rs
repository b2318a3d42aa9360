//! Gradients, averages and copies of lists of tensors, each in one call.
//!
//! Nothing here is recorded by autograd.

use std::{ffi::c_char, ptr};

use tch::Tensor;
use torch_sys::C_tensor;

use crate::{
    Error,
    ffi::{self, check},
    list::TensorList,
};

unsafe extern "C" {
    fn tch_ext_gradients(params: ffi::List, count: usize, grads: *mut *mut C_tensor);
    fn tch_ext_clear_gradients(params: ffi::List, count: usize);
    fn tch_ext_zero_gradients(params: ffi::List, count: usize) -> *mut c_char;
    fn tch_ext_scale_gradients(params: ffi::List, count: usize, factor: f64) -> *mut c_char;
    fn tch_ext_clip_grad_norm(params: ffi::List, count: usize, max_norm: f64, total_norm: *mut f64) -> *mut c_char;
    fn tch_ext_lerp(targets: ffi::List, sources: ffi::List, count: usize, weight: f64) -> *mut c_char;
    fn tch_ext_copy(targets: ffi::List, sources: ffi::List, count: usize) -> *mut c_char;
}

/// The gradient of each parameter (not a copy), `None` if it has none.
pub fn gradients(params: &[Tensor]) -> Vec<Option<Tensor>> {
    let pointers = ffi::pointers(params);
    let mut grads = vec![ptr::null_mut(); params.len()];
    // SAFETY: both arrays have the stated length, and every pointer is a tensor that lives through the call.
    unsafe { tch_ext_gradients(pointers.as_ptr(), pointers.len(), grads.as_mut_ptr()) };
    // SAFETY: a gradient that is not null is a new tensor that nothing else frees.
    grads.into_iter().map(|grad| (!grad.is_null()).then(|| unsafe { Tensor::from_ptr(grad) })).collect()
}

/// Removes the gradient of every parameter, as `optimizer.zero_grad(set_to_none=True)` does: its memory is freed, and
/// the next backward pass stores instead of adding.
pub fn clear_gradients(params: &[Tensor]) {
    let pointers = ffi::pointers(params);
    // SAFETY: the array has the stated length, and every pointer is a tensor that lives through the call.
    unsafe { tch_ext_clear_gradients(pointers.as_ptr(), pointers.len()) };
}

/// Sets the gradient of every parameter to zero, as `optimizer.zero_grad(set_to_none=False)` does: for gradients that share
/// memory with a [`Reducer`](crate::distributed::Reducer)'s buckets.
///
/// # Errors
/// libtorch's own message.
pub fn zero_gradients(params: &[Tensor]) -> Result<(), Error> {
    let params = TensorList::new("parameters", params)?;
    // SAFETY: the list holds the stated number of defined tensors that live through the call.
    check("set the gradients to zero", unsafe { tch_ext_zero_gradients(params.pointers(), params.len()) })
}

/// Multiplies the gradient of every parameter by `factor`.
///
/// # Errors
/// libtorch's own message.
pub fn scale_gradients(params: &[Tensor], factor: f64) -> Result<(), Error> {
    let params = TensorList::new("parameters", params)?;
    // SAFETY: the list holds the stated number of defined tensors that live through the call.
    check("scale the gradients", unsafe { tch_ext_scale_gradients(params.pointers(), params.len(), factor) })
}

/// Scales the gradients of `params` so that their common 2-norm is at most `max_norm`, and returns the norm before.
///
/// Equal to `torch.nn.utils.clip_grad_norm_`: the factor is `max_norm / (norm + 1e-6)`, at most 1, and a norm that
/// is not finite makes the gradients invalid, so check the returned value before the optimiser step. Parameters without a gradient
/// are skipped. With `f64::INFINITY` the norm is measured and nothing is changed.
///
/// # Errors
/// A `max_norm` that is negative or not a number, an undefined parameter, or libtorch's own message.
pub fn clip_grad_norm(params: &[Tensor], max_norm: f64) -> Result<f64, Error> {
    if max_norm.is_nan() || max_norm < 0.0 {
        return Err(Error::Option { option: "max_norm", value: max_norm, range: "0 or more" });
    }
    let params = TensorList::new("parameters", params)?;
    let mut norm = 0.0;
    // SAFETY: the list holds the stated number of defined tensors that live through the call, as does `norm`.
    check("clip the gradients", unsafe {
        tch_ext_clip_grad_norm(params.pointers(), params.len(), max_norm, &mut norm)
    })?;
    Ok(norm)
}

/// Moves each target towards its source: `target += weight * (source - target)`.
///
/// The step of a moving average with decay `1 - weight`, over parameters and buffers alike: integer tensors
/// (counters) take the source's value. Sources of another kind or device are converted.
///
/// # Errors
/// Lists that differ in length or shapes, undefined tensors, a weight that is not finite, or libtorch's own message.
pub fn lerp(targets: &[Tensor], sources: &[Tensor], weight: f64) -> Result<(), Error> {
    if !weight.is_finite() {
        return Err(Error::Option { option: "weight", value: weight, range: "a finite number" });
    }
    let targets = TensorList::new("targets", targets)?;
    let sources = TensorList::new("sources", sources)?.of_shapes(&targets)?;
    // SAFETY: both lists hold the stated number of defined tensors that live through the call.
    check("average the tensors", unsafe { tch_ext_lerp(targets.pointers(), sources.pointers(), targets.len(), weight) })
}

/// Copies each source into its target, whatever their kinds, devices and strides.
///
/// # Errors
/// Lists that differ in length or shapes, undefined tensors, or libtorch's own message.
pub fn copy(targets: &[Tensor], sources: &[Tensor]) -> Result<(), Error> {
    let targets = TensorList::new("targets", targets)?;
    let sources = TensorList::new("sources", sources)?.of_shapes(&targets)?;
    // SAFETY: both lists hold the stated number of defined tensors that live through the call.
    check("copy the tensors", unsafe { tch_ext_copy(targets.pointers(), sources.pointers(), targets.len()) })
}
