//! CUDA from an optional library: one program for machines with and without a GPU.
//!
//! A program linked against libtorch's CPU libraries can use CUDA after `libtorch_cuda.so` is loaded from the same
//! folder.

use std::{
    ffi::{CStr, CString, OsStr, c_int, c_void},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::{Error, library::library_folder};

const NAME: &str = "libtorch_cuda.so";

static LOADED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// The state of libtorch's CUDA library in this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CudaLibrary {
    /// The program was linked against it, or other code loaded it.
    Linked,
    /// [`load`] loaded this file.
    Loaded(PathBuf),
    /// It is not in the folder of `libtorch_cpu.so`: this is a CPU libtorch.
    Absent,
}

/// Loads `libtorch_cuda.so` from the folder of `libtorch_cpu.so`, if it exists and is not yet loaded.
///
/// Call it before the first tensor: libtorch looks for its CUDA library once, at the first use. A loaded library does not
/// mean that there is a GPU; call [`tch::Cuda::is_available`] afterwards.
///
/// # Errors
/// The file exists but cannot be loaded, with the loader's message (usually a missing CUDA library).
pub fn load() -> Result<CudaLibrary, Error> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = &*loaded {
        return Ok(CudaLibrary::Loaded(path.clone()));
    }
    if open(OsStr::new(NAME), libc::RTLD_LAZY | libc::RTLD_NOLOAD).is_ok() {
        return Ok(CudaLibrary::Linked);
    }
    let library = match library_folder() {
        Some(folder) => load_from(&folder)?,
        None => CudaLibrary::Absent,
    };
    if let CudaLibrary::Loaded(path) = &library {
        *loaded = Some(path.clone());
    }
    Ok(library)
}

fn load_from(folder: &Path) -> Result<CudaLibrary, Error> {
    let path = folder.join(NAME);
    if !path.exists() {
        return Ok(CudaLibrary::Absent);
    }
    // Global, because libtorch's other CUDA libraries look for its symbols.
    match open(path.as_os_str(), libc::RTLD_NOW | libc::RTLD_GLOBAL) {
        Ok(_) => Ok(CudaLibrary::Loaded(path)),
        Err(reason) => Err(Error::Library { path, reason }),
    }
}

/// The handle is never closed: libtorch keeps pointers into its libraries.
pub(crate) fn open(file: &OsStr, flags: c_int) -> Result<*mut c_void, String> {
    let name = CString::new(file.as_bytes()).map_err(|error| error.to_string())?;
    // SAFETY: the name ends in a zero; the library's initialisers are libtorch's own. The text of dlerror is copied
    // before this thread calls the loader again.
    unsafe {
        let handle = libc::dlopen(name.as_ptr(), flags);
        if !handle.is_null() {
            return Ok(handle);
        }
        let reason = libc::dlerror();
        if reason.is_null() {
            return Err("the loader gives no reason".to_owned());
        }
        Err(CStr::from_ptr(reason).to_string_lossy().into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_the_library_is_a_cpu_libtorch() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load_from(folder.path()).unwrap(), CudaLibrary::Absent);
    }

    #[test]
    fn a_library_that_cannot_be_loaded_is_an_error_with_the_loaders_message() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(NAME);
        std::fs::write(&file, "not a shared library").unwrap();
        let error = load_from(folder.path()).unwrap_err();
        let Error::Library { path, reason } = &error else { panic!("{error}") };
        assert_eq!(*path, file);
        assert!(reason.contains("file too short") || reason.contains("invalid ELF header"), "{reason}");
    }

    #[test]
    fn a_library_beside_libtorch_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join(NAME);
        std::fs::copy(library_folder().unwrap().join("libgomp.so.1"), &copy).unwrap();
        assert_eq!(load_from(folder.path()).unwrap(), CudaLibrary::Loaded(copy));
    }
}
