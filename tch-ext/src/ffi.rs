//! Lists of tensors, texts, and errors as texts, exchanged with `csrc/`.

use std::ffi::{CStr, c_char};

use tch::Tensor;
use torch_sys::C_tensor;

use crate::Error;

/// An array of tensors that libtorch reads, or writes through.
pub(crate) type List = *const *const C_tensor;

unsafe extern "C" {
    fn tch_ext_free_text(text: *mut c_char);
}

/// Checks the result of a function of `csrc/`: null, or the text of libtorch's exception, whose first line is the reason.
pub(crate) fn check(call: &'static str, text: *mut c_char) -> Result<(), Error> {
    if text.is_null() {
        return Ok(());
    }
    let message = take_text(text).trim_start().lines().next().unwrap_or_default().to_owned();
    Err(Error::Libtorch { call, message })
}

/// Copies a text from `csrc/`, not null, and frees it there.
pub(crate) fn take_text(text: *mut c_char) -> String {
    // SAFETY: every text from `csrc/` ends in a zero and must be freed here, once.
    unsafe {
        let copy = CStr::from_ptr(text).to_string_lossy().into_owned();
        tch_ext_free_text(text);
        copy
    }
}

pub(crate) fn pointers(tensors: &[Tensor]) -> Vec<*const C_tensor> {
    tensors.iter().map(Tensor::as_ptr).collect()
}
