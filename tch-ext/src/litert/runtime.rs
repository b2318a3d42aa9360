//! A loaded LiteRT: on the CPU, on one thread, with XNNPACK, and without a log.

use std::{
    error::Error,
    ffi::{CStr, c_char, c_int, c_void},
    path::Path,
    ptr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use libloading::Library;

use super::functions::{Any, EnvironmentOption, Functions, Handle, succeeded};

/// `kLiteRtAnyTypeInt`.
const WHOLE_NUMBER: c_int = 2;
/// `kLiteRtEnvOptionTagAutoRegisterAccelerators`: those for other processors are libraries that the system's folders are searched for.
const ACCELERATORS: c_int = 24;
/// `kLiteRtHwAcceleratorCpu`.
const CPU: c_int = 1;
/// `kLiteRtEnvOptionTagMinLoggerSeverity`.
const LEAST_SEVERITY: c_int = 25;
/// `kLiteRtLogSeveritySilent`.
const SILENT: i64 = 4;
/// The settings of the CPU's kernels, and of the interpreter: the messages of a run that fails can be read.
const SETTINGS: [(&CStr, &CStr); 2] =
    [(c"xnnpack", c"num_threads = 1\n"), (c"runtime_options_string", c"error_reporter_mode = 2\n")];

/// A loaded library and its environment, which are never given back.
#[derive(Debug)]
pub struct Runtime {
    functions: Functions,
    /// Behind a lock because the library does not say which of its functions may use an environment at the same time.
    environment: Mutex<Environment>,
    _library: Library,
}

#[derive(Debug)]
pub(super) struct Environment(Handle);

// SAFETY: an environment belongs to no thread.
unsafe impl Send for Environment {}

impl Environment {
    pub(super) fn handle(&self) -> Handle {
        self.0
    }
}

impl Runtime {
    /// Loads the library at a path.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn load(path: &Path) -> Result<Self, String> {
        // SAFETY: that the file is LiteRT is the user's promise; its constructors need nothing of this program.
        let library = unsafe { Library::new(path) }.map_err(|error| reason(&error))?;
        // SAFETY: the library is kept with its functions.
        let functions = unsafe { Functions::new(&library) }.map_err(|error| reason(&error))?;
        functions.check_interface()?;
        let option = |tag, value| EnvironmentOption { tag, value: Any { kind: WHOLE_NUMBER, value } };
        let options = [option(ACCELERATORS, i64::from(CPU)), option(LEAST_SEVERITY, SILENT)];
        let mut environment = ptr::null_mut();
        // SAFETY: there are as many options as is said, and the library copies them.
        let status =
            unsafe { (functions.create_environment)(options.len() as c_int, options.as_ptr(), &mut environment) };
        succeeded(status)?;
        Ok(Self { functions, environment: Mutex::new(Environment(environment)), _library: library })
    }

    pub(super) fn functions(&self) -> &Functions {
        &self.functions
    }

    pub(super) fn environment(&self) -> MutexGuard<'_, Environment> {
        self.environment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The options for a file.
    ///
    /// # Errors
    /// The library's reason.
    pub(super) fn options(&self) -> Result<Options<'_>, String> {
        let functions = &self.functions;
        let mut options = Options { functions, handle: ptr::null_mut() };
        // SAFETY: the library writes a handle, which `options` destroys.
        succeeded(unsafe { (functions.create_options)(&mut options.handle) })?;
        // SAFETY: the handle is valid.
        succeeded(unsafe { (functions.set_accelerators)(options.handle, CPU) })?;
        for (name, text) in SETTINGS {
            let mut setting = ptr::null_mut();
            // SAFETY: both texts are constants that end in a zero, and `keep` leaves them alone.
            succeeded(unsafe { (functions.create_setting)(name.as_ptr(), text.as_ptr(), keep, &mut setting) })?;
            // SAFETY: both handles are valid; the setting belongs to the options from here on.
            succeeded(unsafe { (functions.add_setting)(options.handle, setting) })?;
        }
        Ok(options)
    }
}

/// The loader's own words.
fn reason(error: &libloading::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Constants are not freed.
unsafe extern "C" fn keep(_: *mut c_void) {}

/// How a file is compiled.
pub(super) struct Options<'a> {
    functions: &'a Functions,
    handle: Handle,
}

impl Options<'_> {
    pub(super) fn handle(&self) -> Handle {
        self.handle
    }
}

impl Drop for Options<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is valid or null, and not used again.
        unsafe { (self.functions.destroy_options)(self.handle) };
    }
}

unsafe extern "C" {
    /// The C library's own variable; Rust's standard error does not use it.
    static mut stderr: *mut c_void;
    fn fopen(path: *const c_char, mode: *const c_char) -> *mut c_void;
    fn fclose(stream: *mut c_void) -> c_int;
}

/// While it lives, what C code prints to standard error is dropped: XNNPACK's delegate announces itself there, in spite of the log
/// being off.
pub(super) struct Silence<'a> {
    standard: *mut c_void,
    nowhere: *mut c_void,
    _alone: &'a Environment,
}

impl<'a> Silence<'a> {
    /// Only the holder of the environment's lock can be silent.
    pub(super) fn new(alone: &'a Environment) -> Self {
        // SAFETY: both texts end in a zero. Other threads of this module wait for the lock; other C code sees one of two valid streams,
        // because a pointer is written at once.
        unsafe {
            let (standard, nowhere) = (stderr, fopen(c"/dev/null".as_ptr(), c"w".as_ptr()));
            if !nowhere.is_null() {
                stderr = nowhere;
            }
            Self { standard, nowhere, _alone: alone }
        }
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        if !self.nowhere.is_null() {
            // SAFETY: as above; the stream was opened for this and is not used again.
            unsafe {
                stderr = self.standard;
                fclose(self.nowhere);
            }
        }
    }
}
