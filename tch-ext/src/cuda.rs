//! CUDA by a library that may or may not be there: one program for machines with and without a GPU.
//!
//! A program linked against libtorch's CPU libraries computes on CUDA once `libtorch_cuda.so` is loaded from beside
//! them.

use std::{
    ffi::{CStr, CString, OsStr, c_int, c_void},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::{Error, library::library_folder};

const NAME: &str = "libtorch_cuda.so";

static LOADED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// How libtorch's CUDA side came into this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CudaLibrary {
    /// The program was linked against it, or something else has loaded it.
    Linked,
    /// [`load`] loaded this file.
    Loaded(PathBuf),
    /// It does not lie beside `libtorch_cpu.so`: this is a CPU libtorch.
    Absent,
}

/// Loads `libtorch_cuda.so` from beside `libtorch_cpu.so`, when it is there and not yet part of the program.
///
/// Call it before the first tensor: libtorch looks for its CUDA side once, at the first use. That the library loads
/// does not say that there is a GPU; [`tch::Cuda::is_available`] does, afterwards.
///
/// # Errors
/// The file is there and does not load, with the loader's words (a missing CUDA library, as a rule).
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
fn open(file: &OsStr, flags: c_int) -> Result<*mut c_void, String> {
    let name = CString::new(file.as_bytes()).map_err(|error| error.to_string())?;
    // SAFETY: the name ends in a zero; the library's initialisers are libtorch's own. The text of dlerror is copied
    // before this thread can ask the loader for anything else.
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
    fn a_library_that_does_not_load_is_an_error_with_the_loaders_words() {
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
