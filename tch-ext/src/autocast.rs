//! Automatic mixed precision as `torch.autocast`: while a guard is alive, convolutions and matrix products run in reduced
//! precision, sums and losses in full precision.
//!
//! A guard belongs to the thread that created it. Guards nest and must be dropped in reverse order, as scopes do. Inside
//! the outermost guard the reduced copies of weights are cached: run the forward pass in it, and the backward pass,
//! optimiser steps and changes of weights outside.

use std::{
    ffi::{c_char, c_int},
    marker::PhantomData,
};

use tch::{Device, Kind};

use crate::{Error, device::cuda_index, ffi::check};

unsafe extern "C" {
    fn tch_ext_autocast_enter(cuda: bool, half: bool, was_enabled: *mut bool, was_kind: *mut c_int) -> *mut c_char;
    fn tch_ext_autocast_leave(cuda: bool, was_enabled: bool, was_kind: c_int);
}

/// A region of mixed precision on one type of device; dropping it restores the previous state.
#[derive(Debug)]
#[must_use = "mixed precision ends when the guard is dropped"]
pub struct Autocast {
    cuda: bool,
    was_enabled: bool,
    was_kind: c_int,
    of_this_thread: PhantomData<*const ()>,
}

impl Autocast {
    /// Computes in `kind`, [`Kind::BFloat16`] or [`Kind::Half`], on devices of `device`'s type.
    ///
    /// # Errors
    /// Another kind, or a device that is neither the CPU nor CUDA.
    pub fn enter(device: Device, kind: Kind) -> Result<Self, Error> {
        let half = match kind {
            Kind::BFloat16 => false,
            Kind::Half => true,
            _ => return Err(Error::Precision { kind }),
        };
        let cuda = cuda_index(device)? >= 0;
        let (mut was_enabled, mut was_kind) = (false, 0);
        // SAFETY: both places are written before the call returns null.
        check("switch autocast", unsafe { tch_ext_autocast_enter(cuda, half, &mut was_enabled, &mut was_kind) })?;
        Ok(Self { cuda, was_enabled, was_kind, of_this_thread: PhantomData })
    }
}

impl Drop for Autocast {
    fn drop(&mut self) {
        // SAFETY: the state is what `enter` read on this same thread.
        unsafe { tch_ext_autocast_leave(self.cuda, self.was_enabled, self.was_kind) }
    }
}
