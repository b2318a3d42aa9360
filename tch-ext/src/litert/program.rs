//! A file that LiteRT has loaded, and the memory of its inputs and outputs.

use std::{
    ffi::{CStr, c_int, c_uint, c_void},
    ptr,
};

use super::{
    functions::{Handle, Layout, Status, TensorType, number, succeeded},
    guard::guarded,
    memory::Memory,
    runtime::{Runtime, Silence},
};
use tch::Kind;

unsafe extern "C" {
    /// Of the C library.
    fn free(pointer: *mut c_void);
}

/// A loaded file, ready to run.
#[derive(Debug)]
pub struct Program {
    runtime: &'static Runtime,
    model: Handle,
    compiled: Handle,
    /// Which signature is run, from 0.
    signature: usize,
    /// Both handles refer to these bytes.
    file: Memory,
}

// SAFETY: the library's objects belong to no thread, and `&Program` gives no access to them.
unsafe impl Send for Program {}

impl Program {
    /// Loads a file that was checked.
    ///
    /// # Errors
    /// The library's reason.
    pub fn load(runtime: &'static Runtime, file: Memory, signature: usize) -> Result<Self, String> {
        let functions = runtime.functions();
        let options = runtime.options()?;
        let mut program = Self { runtime, model: ptr::null_mut(), compiled: ptr::null_mut(), signature, file };
        // After `program`: dropping that takes the lock, too.
        let environment = runtime.environment();
        let _silence = Silence::new(&environment);
        let (bytes, length) = (program.file.address(), program.file.len());
        // SAFETY: the bytes stay where they are, unchanged, as long as `program` lives, which destroys the model first.
        succeeded(guarded(|| unsafe {
            (functions.create_model)(environment.handle(), bytes, length, &mut program.model)
        })?)?;
        let compile = functions.create_compiled;
        // SAFETY: all handles are valid; the environment is never destroyed, and the options are needed in this call only.
        succeeded(guarded(|| unsafe {
            compile(environment.handle(), program.model, options.handle(), &mut program.compiled)
        })?)?;
        Ok(program)
    }

    /// Changes the shape of an input.
    ///
    /// # Errors
    /// The library's reason.
    pub fn resize(&mut self, input: usize, shape: &[c_int]) -> Result<(), String> {
        let resize = self.runtime.functions().resize;
        // SAFETY: the handle is valid; the library checks the numbers of signature and input, and copies the shape.
        let status = guarded(|| unsafe { resize(self.compiled, self.signature, input, shape.as_ptr(), shape.len()) })?;
        self.explained(status)
    }

    /// The shapes of the outputs, of which there are so many, for the present shapes of the inputs.
    ///
    /// # Errors
    /// The library's reason.
    pub fn output_shapes(&mut self, outputs: usize) -> Result<Vec<Vec<usize>>, String> {
        let mut layouts = vec![Layout::default(); outputs];
        let write = self.runtime.functions().output_layouts;
        // SAFETY: the library writes as many layouts as is said, or none where the signature has another number of outputs.
        let status = guarded(|| unsafe { write(self.compiled, self.signature, outputs, layouts.as_mut_ptr(), true) })?;
        self.explained(status)?;
        let shape = |layout: &Layout| {
            let sides = layout.dimensions.iter().take((layout.rank & 0x7f) as usize);
            sides.map(|&side| usize::try_from(side).unwrap_or(0)).collect()
        };
        Ok(layouts.iter().map(shape).collect())
    }

    /// Runs the file.
    ///
    /// # Errors
    /// The library's reason.
    pub fn run<'a>(&mut self, inputs: &[Buffer], outputs: impl Iterator<Item = &'a mut Buffer>) -> Result<(), String> {
        let mut takes: Vec<Handle> = inputs.iter().map(|buffer| buffer.handle).collect();
        let mut gives: Vec<Handle> = outputs.map(|buffer| buffer.handle).collect();
        let run = self.runtime.functions().run;
        let ((takes, from), (gives, to)) = ((takes.len(), takes.as_mut_ptr()), (gives.len(), gives.as_mut_ptr()));
        // SAFETY: all handles are valid; the library checks how many there are, and that they are large enough.
        let status = guarded(|| unsafe { run(self.compiled, self.signature, takes, from, gives, to) })?;
        self.explained(status)
    }

    /// A failure in the library's own words, where it has some.
    fn explained(&self, status: Status) -> Result<(), String> {
        let Err(reason) = succeeded(status) else { return Ok(()) };
        let functions = self.runtime.functions();
        let mut text = ptr::null_mut();
        // SAFETY: the handle is valid; the library writes null or a text that ends in a zero, which is freed below.
        let status = unsafe { (functions.messages)(self.compiled, &mut text) };
        if status != 0 || text.is_null() {
            return Err(reason);
        }
        // SAFETY: as above.
        let words = unsafe { CStr::from_ptr(text) }.to_string_lossy().split_whitespace().collect::<Vec<_>>().join(" ");
        // SAFETY: the C library allocated the text, which is not used again; the handle is valid.
        unsafe {
            free(text.cast());
            (functions.clear_messages)(self.compiled);
        }
        Err(if words.is_empty() { reason } else { words })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let functions = self.runtime.functions();
        let _environment = self.runtime.environment();
        if !self.compiled.is_null() {
            // SAFETY: the handle is valid, and not used again.
            unsafe { (functions.destroy_compiled)(self.compiled) };
        }
        if !self.model.is_null() {
            // SAFETY: the handle is valid, and not used again.
            unsafe { (functions.destroy_model)(self.model) };
        }
    }
}

/// The memory of an input or output.
#[derive(Debug)]
pub struct Buffer {
    runtime: &'static Runtime,
    handle: Handle,
    memory: Memory,
}

// SAFETY: the library's object belongs to no thread, and `&Buffer` gives no access to it.
unsafe impl Send for Buffer {}

impl Buffer {
    /// Zeros for an array of a kind and shape.
    ///
    /// # Errors
    /// The array is too large, or LiteRT has no such kind.
    pub fn new(runtime: &'static Runtime, kind: Kind, shape: &[usize]) -> Result<Self, String> {
        let element = number(kind).ok_or_else(|| format!("LiteRT has no arrays of {kind:?}"))?;
        let too_large = || format!("an array of shape {shape:?} is too large");
        let mut layout = Layout { rank: shape.len() as c_uint, ..Layout::default() };
        for (dimension, &side) in layout.dimensions.iter_mut().zip(shape) {
            *dimension = i32::try_from(side).map_err(|_| too_large())?;
        }
        let length = shape.iter().try_fold(kind.elt_size_in_bytes(), |length, &side| length.checked_mul(side));
        let memory = length.and_then(Memory::zeros).ok_or_else(too_large)?;
        let kind = TensorType { element, layout };
        let mut buffer = Self { runtime, handle: ptr::null_mut(), memory };
        let (bytes, length) = (buffer.memory.address(), buffer.memory.len());
        let create = runtime.functions().create_buffer;
        // SAFETY: the memory stays where it is as long as `buffer` lives; the library copies the type.
        succeeded(guarded(|| unsafe { create(&kind, bytes, length, None, &mut buffer.handle) })?)?;
        Ok(buffer)
    }

    /// The elements, as the processor has them.
    pub fn bytes(&self) -> &[u8] {
        self.memory.bytes()
    }

    /// The same, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.bytes_mut()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: the handle is valid, and not used again.
            unsafe { (self.runtime.functions().destroy_buffer)(self.handle) };
        }
    }
}
