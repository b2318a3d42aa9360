//! Optimiser steps of all parameters at once. The caller owns the state, so that it can be saved.
//!
//! Equal to `torch.optim.SGD` (dampening 0) and `torch.optim.AdamW` (no AMSGrad), by libtorch's fused kernels.
//!
//! All tensors at one position have the same shape, kind and device; positions may differ from each other. If strides
//! differ (a checkpoint loaded into a channels-last model) the result is the same, at the cost of a copy. Gradients are
//! only read. The caller must leave out parameters without a gradient together with their state, as PyTorch does.

use std::ffi::c_char;

use tch::Tensor;

use crate::{
    Error,
    ffi::{self, check},
    foreach,
    list::TensorList,
};

unsafe extern "C" {
    fn tch_ext_sgd_step(
        params: ffi::List,
        grads: ffi::List,
        buffers: ffi::List,
        count: usize,
        buffer_count: usize,
        lr: f64,
        momentum: f64,
        weight_decay: f64,
        nesterov: bool,
        first_step: bool,
    ) -> *mut c_char;
    fn tch_ext_adamw_step(
        params: ffi::List,
        grads: ffi::List,
        exp_avgs: ffi::List,
        exp_avg_sqs: ffi::List,
        count: usize,
        step: i64,
        lr: f64,
        beta1: f64,
        beta2: f64,
        eps: f64,
        weight_decay: f64,
    ) -> *mut c_char;
}

/// `torch.optim.SGD` with dampening 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SgdOptions {
    /// Learning rate, 0 or more.
    pub lr: f64,
    /// Momentum factor, 0 (no momentum) or more.
    pub momentum: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
    /// Nesterov's momentum; needs `momentum` above 0.
    pub nesterov: bool,
}

/// `torch.optim.AdamW`: weight decay is decoupled from the gradient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWOptions {
    /// Learning rate, 0 or more.
    pub lr: f64,
    /// Decay of the first moment, in [0, 1).
    pub beta1: f64,
    /// Decay of the second moment, in [0, 1).
    pub beta2: f64,
    /// Added to the denominator, 0 or more.
    pub eps: f64,
    /// The fraction of `lr` by which weights shrink each step, 0 or more.
    pub weight_decay: f64,
}

impl Default for AdamWOptions {
    /// PyTorch's defaults.
    fn default() -> Self {
        Self { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 1e-2 }
    }
}

/// Updates `params` and `momentum_buffers` by one step of stochastic gradient descent.
///
/// Without momentum the buffers are not read and the list may be empty. `first_step` sets each buffer to the
/// (decayed) gradient, whatever its contents; buffers that start at zero give the same result without it, also for a
/// parameter that gets its first gradient later.
///
/// # Errors
/// An option out of range, lists that do not match, or libtorch's own message.
pub fn sgd_step(
    params: &[Tensor],
    grads: &[Tensor],
    momentum_buffers: &mut [Tensor],
    options: SgdOptions,
    first_step: bool,
) -> Result<(), Error> {
    options.check()?;
    let params = TensorList::new("parameters", params)?;
    let grads = TensorList::new("gradients", grads)?.like(&params)?;
    let used = if options.momentum == 0.0 { &[] } else { &*momentum_buffers };
    let mut buffers = TensorList::new("momentum buffers", used)?;
    if options.momentum != 0.0 {
        buffers = buffers.like(&params)?;
    }
    let SgdOptions { lr, momentum, weight_decay, nesterov } = options;
    // SAFETY: the lists hold the stated numbers of defined tensors that live through the call.
    check("take an SGD step", unsafe {
        tch_ext_sgd_step(
            params.pointers(),
            grads.pointers(),
            buffers.pointers(),
            params.len(),
            buffers.len(),
            lr,
            momentum,
            weight_decay,
            nesterov,
            first_step,
        )
    })
}

/// Updates `params` and both moments by one step of AdamW. `step` counts from 1; the moments start at zero.
///
/// # Errors
/// An option out of range, lists that do not match, or libtorch's own message.
pub fn adamw_step(
    params: &[Tensor],
    grads: &[Tensor],
    exp_avgs: &mut [Tensor],
    exp_avg_sqs: &mut [Tensor],
    step: i64,
    options: AdamWOptions,
) -> Result<(), Error> {
    options.check()?;
    in_range("step", step as f64, step >= 1, "1 or more")?;
    let params = TensorList::new("parameters", params)?;
    let grads = TensorList::new("gradients", grads)?.like(&params)?;
    let first = TensorList::new("first moments", exp_avgs)?.like(&params)?;
    let second = TensorList::new("second moments", exp_avg_sqs)?.like(&params)?;
    let AdamWOptions { lr, beta1, beta2, eps, weight_decay } = options;
    // SAFETY: the lists hold the stated number of defined tensors that live through the call.
    check("take an AdamW step", unsafe {
        tch_ext_adamw_step(
            params.pointers(),
            grads.pointers(),
            first.pointers(),
            second.pointers(),
            params.len(),
            step,
            lr,
            beta1,
            beta2,
            eps,
            weight_decay,
        )
    })
}

/// Takes a step with parameters that are counted in units of their own: `step` gets each divided by its unit and its gradient
/// multiplied by it, so that one learning rate fits parameters of any size. With powers of two as units nothing is rounded by that.
///
/// # Errors
/// Lists that do not match, libtorch's own message, and the errors of `step`.
pub fn in_units(
    params: &[Tensor],
    grads: &[Tensor],
    units: &[Tensor],
    step: impl FnOnce(&[Tensor], &[Tensor]) -> Result<(), Error>,
) -> Result<(), Error> {
    tch::no_grad(|| {
        let counted = |of: &[Tensor], by: fn(&Tensor, &Tensor) -> Result<Tensor, tch::TchError>| {
            let pairs = of.iter().zip(units).map(|(tensor, unit)| by(tensor, unit));
            let failed = |cause: tch::TchError| Error::Libtorch {
                call: "count parameters in units",
                message: cause.to_string().lines().next().unwrap_or_default().to_owned(),
            };
            pairs.collect::<Result<Vec<_>, _>>().map_err(failed)
        };
        TensorList::new("gradients", grads)?.of_shapes(&TensorList::new("parameters", params)?)?;
        if units.len() != params.len() {
            return Err(Error::Count { list: "units", expected: params.len(), found: units.len() });
        }
        let counts = counted(params, Tensor::f_div)?;
        step(&counts, &counted(grads, Tensor::f_mul)?)?;
        foreach::copy(params, &counted(&counts, Tensor::f_mul)?)
    })
}

impl SgdOptions {
    fn check(&self) -> Result<(), Error> {
        not_negative("lr", self.lr)?;
        not_negative("momentum", self.momentum)?;
        not_negative("weight_decay", self.weight_decay)?;
        in_range("momentum", self.momentum, !self.nesterov || self.momentum > 0.0, "above 0 for Nesterov's momentum")
    }
}

impl AdamWOptions {
    fn check(&self) -> Result<(), Error> {
        not_negative("lr", self.lr)?;
        in_range("beta1", self.beta1, (0.0..1.0).contains(&self.beta1), "in [0, 1)")?;
        in_range("beta2", self.beta2, (0.0..1.0).contains(&self.beta2), "in [0, 1)")?;
        not_negative("eps", self.eps)?;
        not_negative("weight_decay", self.weight_decay)
    }
}

fn not_negative(option: &'static str, value: f64) -> Result<(), Error> {
    in_range(option, value, value.is_finite() && value >= 0.0, "a finite number, 0 or more")
}

fn in_range(option: &'static str, value: f64, holds: bool, range: &'static str) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::Option { option, value, range }) }
}
