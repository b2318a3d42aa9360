//! TorchScript modules.

use std::{
    collections::BTreeMap,
    ffi::{c_char, c_int, c_void},
    fmt, fs,
    path::Path,
    ptr,
};

use tch::{Device, Tensor};

use super::{
    border::{
        NamedText, TensorSink, Text, TextSink, check, check_file, check_identifier, check_readable, push_text, texts,
    },
    handle::{ForeignModule, Handle},
};
use crate::{Error, device::cuda_index, ffi};

/// Texts inside a module's file, by name.
pub type ExtraFiles = BTreeMap<String, String>;

/// `torch::jit::Module`.
#[derive(Debug)]
#[repr(C)]
pub(super) struct CModule {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn tch_ext_jit_module_new(name: Text, module: *mut *mut CModule) -> *mut c_char;
    fn tch_ext_jit_module_free(module: *mut CModule);
    fn tch_ext_jit_register_module(module: *mut CModule, name: Text, child: *const CModule) -> *mut c_char;
    fn tch_ext_jit_define(module: *mut CModule, source: Text) -> *mut c_char;
    fn tch_ext_jit_run(
        module: *const CModule,
        method: Text,
        inputs: ffi::List,
        count: usize,
        sink: TensorSink,
        outputs: *mut c_void,
    ) -> *mut c_char;
    fn tch_ext_jit_freeze(
        module: *const CModule,
        preserved: *const Text,
        count: usize,
        fold_numerics: bool,
        frozen: *mut *mut CModule,
    ) -> *mut c_char;
    fn tch_ext_jit_optimize_for_mobile(
        module: *const CModule,
        preserved: *const Text,
        count: usize,
        optimized: *mut *mut CModule,
    ) -> *mut c_char;
    fn tch_ext_jit_serialize(
        module: *const CModule,
        extras: *const NamedText,
        count: usize,
        for_mobile: bool,
        sink: TextSink,
        bytes: *mut c_void,
    ) -> *mut c_char;
    fn tch_ext_jit_load(path: Text, cuda: c_int, module: *mut *mut CModule) -> *mut c_char;
    fn tch_ext_jit_extra_files(path: Text, sink: TextSink, texts: *mut c_void) -> *mut c_char;
    fn tch_ext_jit_methods(module: *const CModule, sink: TextSink, texts: *mut c_void) -> *mut c_char;
    fn tch_ext_jit_graph(module: *const CModule, method: Text, sink: TextSink, texts: *mut c_void) -> *mut c_char;
}

impl ForeignModule for CModule {
    const FILE: &str = FILE;
    const RUNNING: &str = "run a TorchScript module";
    const FREE: unsafe extern "C" fn(*mut Self) = tch_ext_jit_module_free;
    const RUN: unsafe extern "C" fn(*const Self, Text, ffi::List, usize, TensorSink, *mut c_void) -> *mut c_char =
        tch_ext_jit_run;
}

const FILE: &str = "TorchScript module";

/// A TorchScript module: tensors, submodules and methods.
///
/// It shares the memory of the tensors that it was made from: it follows in-place changes of weights until it is saved
/// and loaded.
pub struct Module {
    handle: Handle<CModule>,
}

// SAFETY: functions with `&self` only read the module, and running a method locks while it compiles. No other handle
// changes it: a submodule moves into its parent.
unsafe impl Sync for Module {}

impl Module {
    /// A module without tensors and methods; `name` is the name of its class in the file.
    ///
    /// # Errors
    /// A name that is not an identifier.
    pub fn new(name: &str) -> Result<Self, Error> {
        check_identifier("the module's name", name)?;
        // SAFETY: the text outlives the call.
        Self::made("make a module", |module| unsafe { tch_ext_jit_module_new(Text::new(name), module) })
    }

    /// Loads what [`Module::save`], `torch.jit.save` or libtorch wrote, onto a device.
    ///
    /// # Errors
    /// A file that cannot be read, is cut short or is not a TorchScript module, or a device that does not exist.
    pub fn load(path: &Path, device: Device) -> Result<Self, Error> {
        let cuda = cuda_index(device)?;
        // SAFETY: the text outlives the call.
        let handle = Handle::loaded(path, |path, module| unsafe { tch_ext_jit_load(path, cuda, module) })?;
        Ok(Self { handle })
    }

    /// Adds a submodule; source text calls it as `self.name.forward(x)`.
    ///
    /// # Errors
    /// A name that is not an identifier or already exists.
    pub fn register_module(&mut self, name: &str, child: Module) -> Result<(), Error> {
        check_identifier("a submodule's name", name)?;
        // SAFETY: both modules and the text live through the call.
        check("add a submodule", unsafe { tch_ext_jit_register_module(self.as_ptr(), Text::new(name), child.as_ptr()) })
    }

    /// Compiles methods from TorchScript source: Python's syntax, one statement a line, loops and branches on tensors'
    /// values included; arguments without an annotation are tensors. Tensors and submodules that it names as
    /// `self.name` must exist, and so must methods unless the same text defines them. Of `torch` only the operators are
    /// available: write `x.float()` and `x.long()` for `x.to(torch.float32)` and `x.to(torch.int64)`, and `assert` for
    /// `raise`. [Quantised operators](crate::quantized) are written `ops.quantized.conv2d(...)`.
    ///
    /// Do not use the module after an error.
    ///
    /// # Errors
    /// Source that does not compile, with the line.
    pub fn define(&mut self, source: &str) -> Result<(), Error> {
        // SAFETY: the module and the text live through the call.
        check("compile TorchScript source", unsafe { tch_ext_jit_define(self.as_ptr(), Text::new(source)) })
    }

    /// Runs `forward`: the tensors of its output in order, whether it is one tensor, a tuple or a list.
    ///
    /// # Errors
    /// As [`Module::run_method`].
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

    /// A copy whose tensors are constants of its graph, with everything folded that is independent of inputs, as
    /// `torch.jit.freeze`: batch normalisations, additions and multiplications go into the weights of convolutions.
    /// `forward` is kept, and the methods and attributes in `preserved`.
    ///
    /// # Errors
    /// A module without `forward`, an unknown name, or libtorch's own message.
    pub fn freeze(&self, preserved: &[&str]) -> Result<Self, Error> {
        let names = Text::list(preserved);
        // SAFETY: module and texts live through the call.
        Self::made("freeze a module", |frozen| unsafe {
            tch_ext_jit_freeze(self.as_ptr(), names.as_ptr(), names.len(), true, frozen)
        })
    }

    /// A frozen copy for the lite interpreter, as `torch.utils.mobile_optimizer.optimize_for_mobile`: convolutions and
    /// linear layers prepacked for XNNPACK. `forward` is kept, and the methods in `preserved`.
    ///
    /// # Errors
    /// A module without `forward`, an unknown name, or libtorch's own message.
    pub fn optimize_for_mobile(&self, preserved: &[&str]) -> Result<Self, Error> {
        let names = Text::list(preserved);
        // SAFETY: module and texts live through the call.
        Self::made("optimise a module for mobile", |optimized| unsafe {
            tch_ext_jit_optimize_for_mobile(self.as_ptr(), names.as_ptr(), names.len(), optimized)
        })
    }

    /// Writes the file that [`Module::load`], `torch.jit.load` and C++'s `torch::jit::load` read.
    ///
    /// # Errors
    /// A module that cannot be saved, or a file that cannot be written; then it may be incomplete.
    pub fn save(&self, path: &Path, extras: &ExtraFiles) -> Result<(), Error> {
        self.write(path, extras, false)
    }

    /// Writes the file that [`LiteModule::load`](super::LiteModule::load) and the mobile runtimes read, as
    /// `_save_for_lite_interpreter`; desktop loaders read it too.
    ///
    /// # Errors
    /// As [`Module::save`].
    pub fn save_for_mobile(&self, path: &Path, extras: &ExtraFiles) -> Result<(), Error> {
        self.write(path, extras, true)
    }

    /// The names of the methods.
    ///
    /// # Errors
    /// libtorch's own message.
    pub fn methods(&self) -> Result<Vec<String>, Error> {
        // SAFETY: the module and the list live through the call.
        texts("list methods", |sink, list| unsafe { tch_ext_jit_methods(self.as_ptr(), sink, list) })
    }

    /// A method's graph as text, with the methods that it calls inlined.
    ///
    /// # Errors
    /// An unknown method.
    pub fn graph(&self, method: &str) -> Result<String, Error> {
        // SAFETY: module, text and list live through the call.
        let graph = texts("show a graph", |sink, list| unsafe {
            tch_ext_jit_graph(self.as_ptr(), Text::new(method), sink, list)
        });
        Ok(graph?.concat())
    }

    fn write(&self, path: &Path, extras: &ExtraFiles, for_mobile: bool) -> Result<(), Error> {
        let extras: Vec<_> =
            extras.iter().map(|(name, text)| NamedText { name: Text::new(name), text: Text::new(text) }).collect();
        let mut bytes: Vec<Vec<u8>> = Vec::new();
        let list = ptr::from_mut(&mut bytes).cast();
        // SAFETY: module, texts and list live through the call.
        check("serialise a module", unsafe {
            tch_ext_jit_serialize(self.as_ptr(), extras.as_ptr(), extras.len(), for_mobile, push_text, list)
        })?;
        let failed = |source| Error::File { path: path.to_owned(), call: "write", source };
        fs::write(path, bytes.concat()).map_err(failed)
    }

    fn made(call: &'static str, make: impl FnOnce(*mut *mut CModule) -> *mut c_char) -> Result<Self, Error> {
        Ok(Self { handle: Handle::made(call, make)? })
    }

    pub(super) fn as_ptr(&self) -> *mut CModule {
        self.handle.as_ptr()
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Module").field("methods", &self.methods().unwrap_or_default()).finish_non_exhaustive()
    }
}

/// The extra files in a module's file, lite ones included, without loading the module.
///
/// # Errors
/// A file that cannot be read or is not a TorchScript archive, or an extra file that is larger than 64 MiB or not
/// UTF-8.
pub fn extra_files(path: &Path) -> Result<ExtraFiles, Error> {
    check_readable(path)?;
    let mut texts: Vec<Vec<u8>> = Vec::new();
    let list = ptr::from_mut(&mut texts).cast();
    // SAFETY: the text and the list live through the call.
    check_file(path, FILE, unsafe { tch_ext_jit_extra_files(Text::path(path), push_text, list) })?;
    let not_utf8 = |name: &str| Error::Load {
        path: path.to_owned(),
        what: FILE,
        message: format!("its extra file '{name}' is not UTF-8 text"),
    };
    let mut files = ExtraFiles::new();
    let mut texts = texts.into_iter();
    while let (Some(name), Some(text)) = (texts.next(), texts.next()) {
        let name = String::from_utf8_lossy(&name).into_owned();
        let text = String::from_utf8(text).map_err(|_| not_utf8(&name))?;
        files.insert(name, text);
    }
    Ok(files)
}
