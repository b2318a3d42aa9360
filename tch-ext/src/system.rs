//! Version and processor of this libtorch.

use std::{
    collections::BTreeSet,
    ffi::{CStr, c_char, c_int},
    io::{self, Write},
    num::NonZeroUsize,
    ptr,
};

use crate::{
    Error,
    ffi::{check, take_text},
};

pub use crate::library::library_folder;

unsafe extern "C" {
    fn tch_ext_libtorch_version() -> *const c_char;
    fn tch_ext_cpu_capability() -> *const c_char;
    fn tch_ext_processor(text: *mut *mut c_char) -> *mut c_char;
    fn tch_ext_set_intra_op_threads(count: c_int) -> *mut c_char;
}

/// Ends the process with an exit status, without the destructors of libtorch's and OpenCV's global objects, which take longer than a
/// short command. What this process has written is flushed before.
pub fn exit(status: u8) -> ! {
    // A reader that has gone needs no more.
    let _ = io::stdout().flush();
    let _ = io::stderr().flush();
    // SAFETY: a null pointer stands for all streams of C; `_exit` ends the process, whatever other threads do.
    unsafe {
        libc::fflush(ptr::null_mut());
        libc::_exit(status.into())
    }
}

/// The release that this program was built against, as "2.11.0".
pub fn libtorch_version() -> String {
    // SAFETY: the function returns a literal.
    unsafe { CStr::from_ptr(tch_ext_libtorch_version()) }.to_string_lossy().into_owned()
}

/// The instruction set that libtorch's own kernels use here: "DEFAULT", "AVX2", "AVX512", ... The environment
/// variable `ATEN_CPU_CAPABILITY` can lower it.
pub fn cpu_capability() -> String {
    // SAFETY: the function returns a text that lives as long as the program.
    unsafe { CStr::from_ptr(tch_ext_cpu_capability()) }.to_string_lossy().into_owned()
}

/// The processor according to libtorch, independent of `ATEN_CPU_CAPABILITY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processor {
    /// The manufacturer's name for it, if known.
    pub name: String,
    /// Physical cores, if known.
    pub physical_cores: Option<usize>,
    /// Available instruction sets, in libtorch's spelling: "avx2", "avx512_f", "avx512_vnni", "avx512_bf16",
    /// "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8", ...
    pub features: BTreeSet<String>,
}

/// The processor according to libtorch.
///
/// # Errors
/// libtorch's own message.
pub fn processor() -> Result<Processor, Error> {
    let mut lines = ptr::null_mut();
    // SAFETY: `lines` is written before the call returns null.
    check("examine the processor", unsafe { tch_ext_processor(&mut lines) })?;
    let mut processor = Processor { name: String::new(), physical_cores: None, features: BTreeSet::new() };
    for (key, value) in take_text(lines).lines().filter_map(|line| line.split_once('=')) {
        match (key, value) {
            ("cpu_name", name) => processor.name = name.to_owned(),
            ("num_physical_cores", cores) => processor.physical_cores = cores.parse().ok(),
            (feature, "true") => {
                processor.features.insert(feature.to_owned());
            }
            _ => {}
        }
    }
    Ok(processor)
}

/// Sets the number of threads of one operation; [`tch::get_num_threads`] returns it.
///
/// # Errors
/// A number beyond libtorch's range.
pub fn set_intra_op_threads(count: NonZeroUsize) -> Result<(), Error> {
    let out_of_range = |_| Error::Option { option: "thread count", value: count.get() as f64, range: "below 2^31" };
    let count = c_int::try_from(count.get()).map_err(out_of_range)?;
    // SAFETY: the argument is a number.
    check("set the threads of an operation", unsafe { tch_ext_set_intra_op_threads(count) })
}

/// Keeps the memory that tensors free for the next ones, instead of returning it to the system after each.
///
/// Every step of a training allocates the same large tensors. By default glibc returns them to the system, which then clears and maps
/// each page again; on virtual machines that can take longer than the computation. The process keeps its peak of memory. Elsewhere
/// than with glibc this does nothing.
pub fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the arguments are numbers; glibc locks what it changes.
    unsafe {
        // Older releases limit how large an allocation on the heap may be; without mappings there is no limit.
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
    }
}

/// Pins this thread, and threads that it starts later, to these processors, counted from 0.
///
/// # Errors
/// An empty list, or a processor that does not exist or is not available to this program.
pub fn pin_to_processors(processors: &[usize]) -> Result<(), Error> {
    // SAFETY: a set of bits, for which zero is a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let failed = |source| Error::Processors { processors: processors.to_vec(), source };
    if let Some(beyond) = processors.iter().find(|&&processor| processor >= libc::CPU_SETSIZE as usize) {
        return Err(failed(std::io::Error::new(std::io::ErrorKind::InvalidInput, format!("{beyond} is too large"))));
    }
    for &processor in processors {
        // SAFETY: within the set, as just checked.
        unsafe { libc::CPU_SET(processor, &mut set) };
    }
    // SAFETY: the set lives through the call; 0 is this thread.
    if unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) } == 0 {
        Ok(())
    } else {
        Err(failed(std::io::Error::last_os_error()))
    }
}
