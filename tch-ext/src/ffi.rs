//! Lists of tensors, texts, and errors as texts, exchanged with `csrc/`.

use std::{
    ffi::{CStr, c_char},
    os::unix::ffi::OsStrExt,
    path::Path,
    slice,
};

use tch::Tensor;
use torch_sys::C_tensor;

use crate::Error;

/// An array of tensors that libtorch reads, or writes through.
pub(crate) type List = *const *const C_tensor;

unsafe extern "C" {
    fn tch_ext_free_text(text: *mut c_char);
}

/// As `Text` in `csrc/shim.h`; valid as long as what it was made from.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Text {
    start: *const c_char,
    length: usize,
}

impl Text {
    pub(crate) fn new(text: &str) -> Self {
        Self { start: text.as_ptr().cast(), length: text.len() }
    }

    pub(crate) fn path(path: &Path) -> Self {
        let bytes = path.as_os_str().as_bytes();
        Self { start: bytes.as_ptr().cast(), length: bytes.len() }
    }

    /// A copy of a text that came from `csrc/`.
    ///
    /// # Safety
    /// The memory that it points to is still valid.
    pub(crate) unsafe fn to_string(self) -> String {
        // The pointer of an empty text may be null.
        if self.length == 0 {
            return String::new();
        }
        // SAFETY: as promised by the caller.
        let bytes = unsafe { slice::from_raw_parts(self.start.cast(), self.length) };
        String::from_utf8_lossy(bytes).into_owned()
    }

    pub(crate) fn list<S: AsRef<str>>(texts: &[S]) -> Vec<Self> {
        texts.iter().map(|text| Self::new(text.as_ref())).collect()
    }
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
