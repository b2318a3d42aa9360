//! What ONNX Runtime needs of code that Rust cannot: its telemetry turned off before it is loaded, and its version.
//!
//! The official libraries send usage data to Microsoft and keep a device id and a database in the user's cache, unless
//! `ORT_DISABLE_TELEMETRY=1` is in the environment when the library is loaded. The setting in its interface comes too late.

use std::{
    env,
    ffi::{CStr, c_char, c_void},
    fs,
    path::Path,
};

use crate::{Error, cuda::open};

/// The variable that turns telemetry off.
pub const TELEMETRY_VARIABLE: &str = "ORT_DISABLE_TELEMETRY";
const OFF: &str = "1";

/// Turns the telemetry of ONNX Runtime off, for this process and those that it starts. Call it first in `main`: it does nothing
/// while other threads run, because they may be reading the environment.
pub fn disable_telemetry() {
    let is_only_thread = || fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1);
    if !telemetry_is_disabled() && is_only_thread() {
        // SAFETY: no other thread exists, so none reads or changes the environment, and only this one could start another.
        unsafe { env::set_var(TELEMETRY_VARIABLE, OFF) };
    }
}

/// Whether a library that is loaded now sends nothing and writes nothing.
pub fn telemetry_is_disabled() -> bool {
    env::var_os(TELEMETRY_VARIABLE).is_some_and(|value| value == OFF)
}

/// The start of `OrtApiBase` in `onnxruntime_c_api.h`, the same in every release.
#[repr(C)]
struct ApiBase {
    get_api: *const c_void,
    get_version_string: unsafe extern "C" fn() -> *const c_char,
}

/// Loads an ONNX Runtime for good and returns its version, as "1.32.0".
///
/// # Errors
/// The loader's message, or that the file is another library.
pub fn version(file: &Path) -> Result<String, Error> {
    let failed = |reason: String| Error::Library { path: file.to_owned(), reason };
    let library = open(file.as_os_str(), libc::RTLD_LAZY | libc::RTLD_LOCAL).map_err(failed)?;
    // SAFETY: the handle is of a library that stays loaded, and the name ends in a zero.
    let function = unsafe { libc::dlsym(library, c"OrtGetApiBase".as_ptr()) };
    let other = || failed("it is another library than ONNX Runtime".to_owned());
    if function.is_null() {
        return Err(other());
    }
    // SAFETY: a function of this name is ONNX Runtime's. It returns a constant, or null.
    let base =
        unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *const ApiBase>(function)().as_ref() };
    let base = base.ok_or_else(other)?;
    // SAFETY: it returns a text that lives as long as the library.
    let text = unsafe { CStr::from_ptr((base.get_version_string)()) };
    Ok(text.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::library_folder;

    #[test]
    fn other_files_are_not_onnx_runtime() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("libonnxruntime.so");
        fs::write(&text, "not a shared library").unwrap();
        let missing = folder.path().join("missing.so");
        let other = library_folder().unwrap().join("libgomp.so.1");
        for (file, words) in [(text, "file too short"), (missing, "No such file"), (other, "another library")] {
            let error = version(&file).unwrap_err();
            let Error::Library { path, reason } = &error else { panic!("{error}") };
            assert!(*path == file && reason.contains(words), "{error}");
        }
    }

    #[test]
    fn the_environment_is_left_alone_while_other_threads_run() {
        const IN_CHILD: &str = "TELEMETRY_OF_THE_TEST";
        if env::var_os(IN_CHILD).is_some() {
            // The test harness runs this in a thread beside the main one.
            disable_telemetry();
            std::process::exit(if telemetry_is_disabled() { 1 } else { 0 });
        }
        let mut child = std::process::Command::new(env::current_exe().unwrap());
        child.args(["--exact", "onnx_runtime::tests::the_environment_is_left_alone_while_other_threads_run"]);
        let status = child.env(IN_CHILD, "1").env_remove(TELEMETRY_VARIABLE).status().unwrap();
        assert_eq!(status.code(), Some(0));
    }
}
