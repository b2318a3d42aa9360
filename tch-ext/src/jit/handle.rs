//! Modules that `csrc/` allocates: creating, loading, running and freeing them.

use std::{
    ffi::{c_char, c_void},
    path::Path,
    ptr::{self, NonNull},
};

use tch::Tensor;

use super::border::{TensorSink, Text, check, check_file, check_readable, tensors};
use crate::{Error, ffi, list::TensorList};

/// A C++ type whose contents are unknown here, with its functions in `csrc/`.
pub(super) trait ForeignModule: Sized {
    /// What its files are called in errors.
    const FILE: &str;
    /// What running it is called in errors.
    const RUNNING: &str;
    const FREE: unsafe extern "C" fn(*mut Self);
    const RUN: unsafe extern "C" fn(*const Self, Text, ffi::List, usize, TensorSink, *mut c_void) -> *mut c_char;
}

/// A module that is freed when it is dropped.
#[derive(Debug)]
pub(super) struct Handle<M: ForeignModule>(NonNull<M>);

// SAFETY: libtorch's modules belong to no thread: their reference counts are atomic.
unsafe impl<M: ForeignModule> Send for Handle<M> {}

impl<M: ForeignModule> Handle<M> {
    /// `make` writes a new module before it returns null.
    pub fn made(call: &'static str, make: impl FnOnce(*mut *mut M) -> *mut c_char) -> Result<Self, Error> {
        let mut module = ptr::null_mut();
        check(call, make(&mut module))?;
        Ok(Self::owning(module))
    }

    /// `load` writes a new module before it returns null.
    pub fn loaded(path: &Path, load: impl FnOnce(Text, *mut *mut M) -> *mut c_char) -> Result<Self, Error> {
        check_readable(path)?;
        let mut module = ptr::null_mut();
        check_file(path, M::FILE, load(Text::path(path), &mut module))?;
        Ok(Self::owning(module))
    }

    fn owning(module: *mut M) -> Self {
        Self(NonNull::new(module).expect("a successful call creates a module"))
    }

    pub fn run(&self, method: &str, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        let inputs = TensorList::new("inputs", inputs)?;
        // SAFETY: module, text and tensors live through the call, and so does the list that it appends to.
        tensors(M::RUNNING, |sink, outputs| unsafe {
            M::RUN(self.as_ptr(), Text::new(method), inputs.pointers(), inputs.len(), sink, outputs)
        })
    }

    pub fn as_ptr(&self) -> *mut M {
        self.0.as_ptr()
    }
}

impl<M: ForeignModule> Drop for Handle<M> {
    fn drop(&mut self) {
        // SAFETY: the handle owns the module, and nothing uses it after this.
        unsafe { M::FREE(self.as_ptr()) }
    }
}
