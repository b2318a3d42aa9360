//! The tensors of a module: parameters and buffers.

use std::ffi::{c_char, c_void};

use tch::{Device, Kind, Tensor};
use torch_sys::C_tensor;

use super::{
    border::{Text, TextSink, check, check_dotted, texts},
    module::{CModule, Module},
};
use crate::Error;

unsafe extern "C" {
    fn tch_ext_jit_register_tensor(
        module: *mut CModule,
        path: Text,
        tensor: *const C_tensor,
        is_parameter: bool,
    ) -> *mut c_char;
    fn tch_ext_jit_to_kind_of(module: *mut CModule, example: *const C_tensor) -> *mut c_char;
    fn tch_ext_jit_tensor_names(module: *const CModule, sink: TextSink, texts: *mut c_void) -> *mut c_char;
}

impl Module {
    /// Adds a parameter under a dotted name ("stage0.1.weight"), with submodules for the parts before the dots.
    ///
    /// # Errors
    /// An invalid or existing name, or an undefined tensor.
    pub fn register_parameter(&mut self, path: &str, tensor: &Tensor) -> Result<(), Error> {
        self.register(path, tensor, true)
    }

    /// Adds a buffer, as [`Module::register_parameter`] adds a parameter: a tensor that is not trained, but moves with the
    /// module to another device or kind.
    ///
    /// # Errors
    /// An invalid or existing name, or an undefined tensor.
    pub fn register_buffer(&mut self, path: &str, tensor: &Tensor) -> Result<(), Error> {
        self.register(path, tensor, false)
    }

    fn register(&mut self, path: &str, tensor: &Tensor, is_parameter: bool) -> Result<(), Error> {
        check_dotted("a tensor's name", path)?;
        if !tensor.defined() {
            return Err(Error::Undefined { list: "tensors", index: 0 });
        }
        // SAFETY: module, text and tensor live through the call; the tensor is defined.
        check("add a tensor to a module", unsafe {
            tch_ext_jit_register_tensor(self.as_ptr(), Text::new(path), tensor.as_ptr(), is_parameter)
        })
    }

    /// Converts the floating-point parameters and buffers, as `module.double()` or `module.half()` in Python. The tensors
    /// that the module was made from are converted as well. A frozen module has none.
    ///
    /// # Errors
    /// A kind that is not a floating-point one.
    pub fn to_kind(&mut self, kind: Kind) -> Result<(), Error> {
        let example = Tensor::empty([0], (kind, Device::Cpu));
        // SAFETY: module and tensor live through the call; the tensor is defined.
        check("convert a module", unsafe { tch_ext_jit_to_kind_of(self.as_ptr(), example.as_ptr()) })
    }

    /// The dotted names of the parameters and buffers, parameters first. A frozen module has none.
    ///
    /// # Errors
    /// libtorch's own message.
    pub fn tensor_names(&self) -> Result<Vec<String>, Error> {
        // SAFETY: the module and the list live through the call.
        texts("list tensors", |sink, list| unsafe { tch_ext_jit_tensor_names(self.as_ptr(), sink, list) })
    }
}
