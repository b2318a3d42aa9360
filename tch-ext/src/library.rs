//! The folder of the libtorch that this program uses.

use std::{
    ffi::{CStr, OsStr, c_void},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

unsafe extern "C" {
    fn tch_ext_libtorch_address() -> *const c_void;
}

/// The folder of the loaded `libtorch_cpu.so`, symbolic links resolved; `None` if libtorch is linked statically.
pub fn library_folder() -> Option<PathBuf> {
    // SAFETY: all-zero is a valid `Dl_info`; dladdr fills it with pointers to texts that live as long as the library.
    let file = unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(tch_ext_libtorch_address(), &mut info) == 0 || info.dli_fname.is_null() {
            return None;
        }
        Path::new(OsStr::from_bytes(CStr::from_ptr(info.dli_fname).to_bytes()))
    };
    let file = file.canonicalize().ok()?;
    let is_libtorch = file.file_name()?.as_bytes().starts_with(b"libtorch");
    is_libtorch.then(|| file.parent().map(Path::to_owned))?
}
