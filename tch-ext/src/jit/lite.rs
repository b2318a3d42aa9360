//! The lite interpreter, which runs models on phones; here it checks the exported file.

use std::{
    ffi::{c_char, c_void},
    path::Path,
};

use tch::Tensor;

use super::{
    border::{TensorSink, Text, TextSink, texts},
    handle::{ForeignModule, Handle},
};
use crate::{Error, ffi};

/// `torch::jit::mobile::Module`.
#[derive(Debug)]
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

impl ForeignModule for CLiteModule {
    const FILE: &str = "lite module";
    const RUNNING: &str = "run a lite module";
    const FREE: unsafe extern "C" fn(*mut Self) = tch_ext_lite_free;
    const RUN: unsafe extern "C" fn(*const Self, Text, ffi::List, usize, TensorSink, *mut c_void) -> *mut c_char =
        tch_ext_lite_run;
}

/// A file of [`Module::save_for_mobile`](super::Module::save_for_mobile), run by the lite interpreter on the CPU.
///
/// It is not `Sync`, because its functions keep state while they run.
#[derive(Debug)]
pub struct LiteModule {
    handle: Handle<CLiteModule>,
}

impl LiteModule {
    /// Loads a file.
    ///
    /// # Errors
    /// A file that cannot be read, is cut short or was not saved for mobile, or one that needs an operator that this
    /// libtorch does not have.
    pub fn load(path: &Path) -> Result<Self, Error> {
        // SAFETY: the text outlives the call.
        let handle = Handle::loaded(path, |path, module| unsafe { tch_ext_lite_load(path, module) })?;
        Ok(Self { handle })
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
    /// An unknown method, inputs that do not fit it, an output with other values than tensors, or an error inside.
    pub fn run_method(&self, method: &str, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        self.handle.run(method, inputs)
    }

    /// The operators that a mobile build of libtorch needs for this file ("aten::conv2d"), sorted, as
    /// `SELECTED_OP_LIST` takes them.
    ///
    /// # Errors
    /// libtorch's own message.
    pub fn operators(&self) -> Result<Vec<String>, Error> {
        // SAFETY: the module and the list live through the call.
        texts("list operators", |sink, list| unsafe { tch_ext_lite_operators(self.handle.as_ptr(), sink, list) })
    }
}
