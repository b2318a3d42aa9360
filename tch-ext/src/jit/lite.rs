//! The lite interpreter: what runs a model on a phone, here to check the file that goes there.

use std::{
    ffi::{c_char, c_void},
    fmt,
    path::Path,
    ptr::{self, NonNull},
};

use tch::Tensor;

use super::border::{TensorSink, Text, TextSink, check_file, check_readable, tensors, texts};
use crate::{Error, ffi, list::TensorList};

/// `torch::jit::mobile::Module`, never looked into from here.
#[repr(C)]
struct CLiteModule {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn tch_ext_lite_load(path: Text, module: *mut *mut CLiteModule) -> *mut c_char;
    fn tch_ext_lite_free(module: *mut CLiteModule);
    fn tch_ext_lite_run(
        module: *const CLiteModule,
        method: Text,
        inputs: ffi::List,
        count: usize,
        sink: TensorSink,
        outputs: *mut c_void,
    ) -> *mut c_char;
    fn tch_ext_lite_operators(module: *mut CLiteModule, sink: TextSink, texts: *mut c_void) -> *mut c_char;
}

/// A file of [`Module::save_for_mobile`](super::Module::save_for_mobile), run by the lite interpreter on the CPU.
pub struct LiteModule {
    module: NonNull<CLiteModule>,
}

// SAFETY: a `mobile::Module` belongs to no thread: its parts are counted atomically. It is not `Sync`, because its
// functions keep state while they run.
unsafe impl Send for LiteModule {}

impl LiteModule {
    /// Loads a file.
    ///
    /// # Errors
    /// A file that cannot be read, is cut short or was not saved for mobile, or one that needs an operator which this
    /// libtorch does not have.
    pub fn load(path: &Path) -> Result<Self, Error> {
        check_readable(path)?;
        let mut module = ptr::null_mut();
        // SAFETY: the text outlives the call, which writes a new module before it returns null.
        check_file(path, "lite module", unsafe { tch_ext_lite_load(Text::path(path), &mut module) })?;
        Ok(Self { module: NonNull::new(module).expect("a call that succeeds makes a module") })
    }

    /// Runs `forward`: the tensors of its output in order, whether it is one tensor, a tuple or a list.
    ///
    /// # Errors
    /// As [`LiteModule::run_method`].
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        self.run_method("forward", inputs)
    }

    /// Runs a method.
    ///
    /// # Errors
    /// An unknown method, inputs that do not fit it, an output that is not made of tensors, or what went wrong inside.
    pub fn run_method(&self, method: &str, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        let inputs = TensorList::new("inputs", inputs)?;
        // SAFETY: module, text and tensors live through the call, and so does the list that it appends to.
        tensors("run a lite module", |sink, outputs| unsafe {
            tch_ext_lite_run(self.as_ptr(), Text::new(method), inputs.pointers(), inputs.len(), sink, outputs)
        })
    }

    /// The operators that a mobile build of libtorch has to have for this file ("aten::conv2d"), sorted: what
    /// `SELECTED_OP_LIST` takes.
    ///
    /// # Errors
    /// libtorch's own words.
    pub fn operators(&self) -> Result<Vec<String>, Error> {
        // SAFETY: the module and the list live through the call.
        texts("list operators", |sink, list| unsafe { tch_ext_lite_operators(self.as_ptr(), sink, list) })
    }

    fn as_ptr(&self) -> *mut CLiteModule {
        self.module.as_ptr()
    }
}

impl Drop for LiteModule {
    fn drop(&mut self) {
        // SAFETY: the module is ours, and nobody uses it after this.
        unsafe { tch_ext_lite_free(self.as_ptr()) }
    }
}

impl fmt::Debug for LiteModule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LiteModule").finish_non_exhaustive()
    }
}
