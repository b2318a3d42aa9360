//! Batch norm with the statistics of all processes' batches: equal to batch norm over the whole batch, forward and backward.

use std::{ffi::c_char, ptr};

use tch::Tensor;
use torch_sys::C_tensor;

use super::group::{ForeignGroup, Group, checked};
use crate::{Error, list::TensorList};

unsafe extern "C" {
    fn tch_ext_dist_batch_norm(
        group: *const ForeignGroup,
        x: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        running_mean: *const C_tensor,
        running_var: *const C_tensor,
        momentum: f64,
        eps: f64,
        y: *mut *mut C_tensor,
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

/// Normalises `x` (`[N, C, ...]`) by mean and variance over the batches of all processes, then scales by `weight` and shifts
/// by `bias` (`[C]`). Batches may differ in size between processes and may be empty (`N` = 0).
///
/// Give it a group of its own ([`World::new_group`](super::World::new_group)) beside a [`Reducer`](super::Reducer): which
/// comes first, its exchange or that of gradients, may differ between processes.
///
/// One exchange forward, one backward: a process that skips the backward pass stops the others. The gradients of `weight` and
/// `bias` are those of the own batch, as of every other parameter before the [`Reducer`](super::Reducer).
///
/// # Errors
/// Less than two values per channel over all processes, shapes that do not fit, or a process is lost.
pub fn sync_batch_norm(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    running: Option<RunningStatistics>,
    options: BatchNormOptions,
    group: &Group,
) -> Result<Tensor, Error> {
    TensorList::new("inputs of batch norm", &[x.shallow_clone(), weight.shallow_clone(), bias.shallow_clone()])?;
    let pointer = |select: fn(&RunningStatistics) -> *const C_tensor| running.as_ref().map_or(ptr::null(), select);
    let mut y = ptr::null_mut();
    // SAFETY: the tensors are defined and live through the call, null is allowed for the running statistics, and `y` is
    // written before the call returns null, with a new tensor that nothing else frees.
    unsafe {
        checked(
            "normalise a batch",
            tch_ext_dist_batch_norm(
                group.as_ptr(),
                x.as_ptr(),
                weight.as_ptr(),
                bias.as_ptr(),
                pointer(|running| running.mean.as_ptr()),
                pointer(|running| running.var.as_ptr()),
                options.momentum,
                options.eps,
                &mut y,
            ),
        )?;
        Ok(Tensor::from_ptr(y))
    }
}
