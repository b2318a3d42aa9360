//! Recording a Rust function as a TorchScript method.

use std::{
    any::Any,
    ffi::{c_char, c_void},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr, slice,
};

use tch::Tensor;
use torch_sys::C_tensor;

use super::{
    border::{Text, check, check_identifier},
    module::{CModule, Module},
};
use crate::{Error, ffi, list::TensorList};

type Traced = unsafe extern "C" fn(*mut c_void, ffi::List, usize, *mut ffi::List, *mut usize) -> bool;

unsafe extern "C" {
    fn tch_ext_jit_trace(
        module: *mut CModule,
        method: Text,
        names: *const Text,
        inputs: ffi::List,
        count: usize,
        traced: Traced,
        context: *mut c_void,
    ) -> *mut c_char;
}

/// A recording: a module of named tensors, and its method with named inputs.
///
/// ```no_run
/// # use tch::Tensor;
/// # use tch_ext::{Error, jit::Tracing};
/// # fn example(image: &Tensor, weight: &Tensor) -> Result<(), Error> {
/// let parameters = [("fc.weight".to_owned(), weight.shallow_clone())];
/// let module = Tracing::new("Classifier")
///     .parameters(&parameters)
///     .input("image", image)
///     .record(|inputs| -> Result<_, Error> { Ok(vec![inputs[0].matmul(weight)]) })?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Tracing<'a> {
    class: &'a str,
    method: &'a str,
    parameters: &'a [(String, Tensor)],
    buffers: &'a [(String, Tensor)],
    names: Vec<&'a str>,
    inputs: Vec<Tensor>,
}

impl<'a> Tracing<'a> {
    /// A module of the class `class` with a method `forward`.
    pub fn new(class: &'a str) -> Self {
        Self { class, method: "forward", parameters: &[], buffers: &[], names: Vec::new(), inputs: Vec::new() }
    }

    /// Another name for the method.
    pub fn method(mut self, name: &'a str) -> Self {
        self.method = name;
        self
    }

    /// The parameters of the module, with their dotted names. The function must use these tensors or a
    /// [`Tensor::shallow_clone`] of them, because they are identified by their memory. Other tensors that it uses become
    /// unnamed constants, which must not require gradients and do not move with the module to another device or kind.
    pub fn parameters(mut self, parameters: &'a [(String, Tensor)]) -> Self {
        self.parameters = parameters;
        self
    }

    /// The buffers of the module, as its [parameters](Tracing::parameters).
    pub fn buffers(mut self, buffers: &'a [(String, Tensor)]) -> Self {
        self.buffers = buffers;
        self
    }

    /// An input with its name in the method and an example of it. The function gets a copy.
    pub fn input(mut self, name: &'a str, example: &Tensor) -> Self {
        self.names.push(name);
        self.inputs.push(example.shallow_clone());
        self
    }

    /// Runs the function on the examples, records the operations as a method, and returns the module. The method returns
    /// one tensor if the function does, otherwise a tuple.
    ///
    /// The recorded graph runs on the examples and is compared with the function's results. This finds tensors that a
    /// trace records wrongly: those created from numbers inside (`Tensor::from_slice`, recorded as zeros: create them
    /// before), and random ones (dropout).
    ///
    /// No gradients are recorded. Inside [`Autocast`](crate::autocast::Autocast) its conversions become part of the
    /// graph.
    ///
    /// # Errors
    /// The function's own error; invalid or repeated names; no outputs, undefined ones, or some
    /// that depend neither on an input nor on a parameter; a constant that requires gradients; a trace inside a trace;
    /// a recorded graph with other results.
    ///
    /// # Panics
    /// If the function does.
    pub fn record<E, F>(self, function: F) -> Result<Module, E>
    where
        E: From<Error>,
        F: FnOnce(&[Tensor]) -> Result<Vec<Tensor>, E>,
    {
        let mut module = Module::new(self.class)?;
        for (path, tensor) in self.parameters {
            module.register_parameter(path, tensor)?;
        }
        for (path, tensor) in self.buffers {
            module.register_buffer(path, tensor)?;
        }
        self.check_names()?;
        let inputs = TensorList::new("inputs", &self.inputs)?;
        let names = Text::list(&self.names);
        let mut recording =
            Recording { function: Some(function), outputs: Vec::new(), pointers: Vec::new(), end: None };
        // SAFETY: everything pointed to lives through the call; only `call` uses `recording` during it.
        let result = check("record a function", unsafe {
            tch_ext_jit_trace(
                module.as_ptr(),
                Text::new(self.method),
                names.as_ptr(),
                inputs.pointers(),
                inputs.len(),
                call::<E, F>,
                ptr::from_mut(&mut recording).cast(),
            )
        });
        match recording.end {
            Some(End::Error(error)) => Err(error),
            Some(End::Panic(panic)) => resume_unwind(panic),
            None => Ok(result.map(|()| module)?),
        }
    }

    fn check_names(&self) -> Result<(), Error> {
        check_identifier("the method's name", self.method)?;
        for (index, name) in self.names.iter().enumerate() {
            check_identifier("an input's name", name)?;
            if *name == "self" || self.names[..index].contains(name) {
                return Err(Error::Name { what: "an input's name", name: (*name).to_owned(), rule: "used only once" });
            }
        }
        Ok(())
    }
}

/// The function that C++ calls, and its results.
struct Recording<E, F> {
    function: Option<F>,
    outputs: Vec<Tensor>,
    pointers: Vec<*const C_tensor>,
    end: Option<End<E>>,
}

enum End<E> {
    Error(E),
    Panic(Box<dyn Any + Send>),
}

/// `Traced` in `csrc/jit_trace.cpp`.
///
/// # Safety
/// `context` is a `Recording<E, F>` that nothing else uses, `inputs` holds `count` tensors whose ownership passes to
/// Rust, and both places for outputs can be written.
unsafe extern "C" fn call<E, F>(
    context: *mut c_void,
    inputs: ffi::List,
    count: usize,
    outputs: *mut ffi::List,
    output_count: *mut usize,
) -> bool
where
    E: From<Error>,
    F: FnOnce(&[Tensor]) -> Result<Vec<Tensor>, E>,
{
    // SAFETY: as promised by the caller; an empty list may be null.
    let (recording, inputs): (&mut Recording<E, F>, Vec<Tensor>) = unsafe {
        let pointers = if count == 0 { &[] } else { slice::from_raw_parts(inputs, count) };
        (&mut *context.cast(), pointers.iter().map(|tensor| Tensor::from_ptr(tensor.cast_mut())).collect())
    };
    let function = recording.function.take().expect("C++ calls the function once");
    // After a panic nothing of the function is used: the panic continues in the caller.
    match catch_unwind(AssertUnwindSafe(|| function(&inputs).and_then(|outputs| Ok(checked(outputs)?)))) {
        Ok(Ok(tensors)) => {
            recording.outputs = tensors;
            recording.pointers = ffi::pointers(&recording.outputs);
            // SAFETY: as promised by the caller.
            unsafe {
                *outputs = recording.pointers.as_ptr();
                *output_count = recording.pointers.len();
            }
            true
        }
        Ok(Err(error)) => {
            recording.end = Some(End::Error(error));
            false
        }
        Err(panic) => {
            recording.end = Some(End::Panic(panic));
            false
        }
    }
}

fn checked(outputs: Vec<Tensor>) -> Result<Vec<Tensor>, Error> {
    if outputs.is_empty() {
        return Err(Error::Count { list: "outputs", expected: 1, found: 0 });
    }
    TensorList::new("outputs", &outputs)?;
    Ok(outputs)
}
