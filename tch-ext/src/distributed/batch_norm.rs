//! Batch norm with the statistics of all processes' batches: equal to batch norm over the whole batch, forward and backward.

use std::{ffi::c_char, ptr};

use tch::Tensor;
use torch_sys::C_tensor;

use super::group::{ForeignGroup, Group, checked};
use crate::{Error, ffi, list::TensorList};

unsafe extern "C" {
    fn tch_ext_dist_batch_norms(
        group: *const ForeignGroup,
        xs: ffi::List,
        weights: ffi::List,
        biases: ffi::List,
        running_means: ffi::List,
        running_variances: ffi::List,
        count: usize,
        momentum: f64,
        eps: f64,
        ys: *mut *mut C_tensor,
    ) -> *mut c_char;
}

/// Constants of a batch norm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchNormOptions {
    /// Added to the variance.
    pub eps: f64,
    /// Weight of the new batch in the running statistics.
    pub momentum: f64,
}

/// Running statistics, `[C]` each, updated in place.
#[derive(Debug, Clone, Copy)]
pub struct RunningStatistics<'a> {
    /// The mean.
    pub mean: &'a Tensor,
    /// The variance with Bessel's correction for the whole batch.
    pub var: &'a Tensor,
}

/// A tensor to normalise.
#[derive(Debug, Clone, Copy)]
pub struct BatchNormInput<'a> {
    /// `[N, C, ...]`; `N` may differ between processes and may be 0.
    pub x: &'a Tensor,
    /// The scale, `[C]`.
    pub weight: &'a Tensor,
    /// The shift, `[C]`.
    pub bias: &'a Tensor,
    /// The running statistics to update.
    pub running: Option<RunningStatistics<'a>>,
}

/// Normalises each input by mean and variance over the batches of all processes, then scales and shifts it.
///
/// All of them together take one exchange forward and one backward: a process that skips the backward pass stops the others. The
/// gradients of scales and shifts are those of the own batch, as of every other parameter before the
/// [`Reducer`](super::Reducer).
///
/// Give it a group of its own ([`World::new_group`](super::World::new_group)) beside a [`Reducer`](super::Reducer): which
/// comes first, its exchange or that of gradients, may differ between processes.
///
/// # Errors
/// Less than two values per channel over all processes, shapes that do not fit, or a process is lost.
pub fn sync_batch_norms(
    inputs: &[BatchNormInput],
    options: BatchNormOptions,
    group: &Group,
) -> Result<Vec<Tensor>, Error> {
    let all: Vec<Tensor> =
        inputs.iter().flat_map(|input| [input.x, input.weight, input.bias].map(Tensor::shallow_clone)).collect();
    TensorList::new("inputs of batch norm", &all)?;
    let pointers = |select: fn(&BatchNormInput) -> *const C_tensor| inputs.iter().map(select).collect::<Vec<_>>();
    let running = |select: fn(&RunningStatistics) -> *const C_tensor| {
        inputs.iter().map(|input| input.running.as_ref().map_or(ptr::null(), select)).collect::<Vec<_>>()
    };
    let mut ys = vec![ptr::null_mut(); inputs.len()];
    // SAFETY: the tensors are defined and live through the call, null is allowed for the running statistics, and all of `ys` is
    // written before the call returns null, with new tensors that nothing else frees.
    unsafe {
        checked(
            "normalise a batch",
            tch_ext_dist_batch_norms(
                group.as_ptr(),
                pointers(|input| input.x.as_ptr()).as_ptr(),
                pointers(|input| input.weight.as_ptr()).as_ptr(),
                pointers(|input| input.bias.as_ptr()).as_ptr(),
                running(|running| running.mean.as_ptr()).as_ptr(),
                running(|running| running.var.as_ptr()).as_ptr(),
                inputs.len(),
                options.momentum,
                options.eps,
                ys.as_mut_ptr(),
            ),
        )?;
        Ok(ys.into_iter().map(|y| Tensor::from_ptr(y)).collect())
    }
}
