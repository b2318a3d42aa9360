//! The functions of LiteRT's C interface that are used.
//!
//! Declared by hand after `litert/c/*.h` of <https://github.com/google-ai-edge/LiteRT>, because the library comes without headers: the
//! interface 1, of LiteRT 2.2 and later.

use std::{
    ffi::{c_char, c_int, c_uint, c_void},
    ptr,
};

use libloading::Library;

use tch::Kind;

/// The most dimensions that the library describes.
pub const MOST_DIMENSIONS: usize = 8;

/// An object of the library.
pub(super) type Handle = *mut c_void;
/// 0 where a call succeeded.
pub(super) type Status = c_int;
type Free = unsafe extern "C" fn(*mut c_void);

/// `LiteRtLayout`.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(super) struct Layout {
    /// The number of dimensions in the lowest 7 bits, then whether there are strides; the other bits are undefined.
    pub(super) rank: c_uint,
    pub(super) dimensions: [i32; MOST_DIMENSIONS],
    pub(super) strides: [u32; MOST_DIMENSIONS],
}

/// `LiteRtRankedTensorType`.
#[repr(C)]
pub(super) struct TensorType {
    pub(super) element: c_int,
    pub(super) layout: Layout,
}

/// `LiteRtAny` with a whole number.
#[repr(C)]
pub(super) struct Any {
    pub(super) kind: c_int,
    pub(super) value: i64,
}

/// `LiteRtEnvOption`.
#[repr(C)]
pub(super) struct EnvironmentOption {
    pub(super) tag: c_int,
    pub(super) value: Any,
}

// As the library's own headers assert.
const _: () = assert!(size_of::<TensorType>() == 72 && size_of::<EnvironmentOption>() == 24);

macro_rules! functions {
    ($($name:ident = $symbol:literal: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions of a library.
        #[derive(Debug)]
        pub(super) struct Functions {
            $(pub(super) $name: unsafe extern "C-unwind" fn($($argument),*) $(-> $result)?,)*
        }

        impl Functions {
            /// # Safety
            /// `library` is LiteRT, and stays loaded as long as the result is used.
            pub(super) unsafe fn new(library: &Library) -> Result<Self, libloading::Error> {
                Ok(Self {
                    // SAFETY: as the caller states; each type is that of the library's header.
                    $($name: *unsafe { library.get($symbol) }?,)*
                })
            }
        }
    };
}

functions! {
    create_environment = "LiteRtCreateEnvironment": fn(c_int, *const EnvironmentOption, *mut Handle) -> Status;
    create_options = "LiteRtCreateOptions": fn(*mut Handle) -> Status;
    destroy_options = "LiteRtDestroyOptions": fn(Handle);
    set_accelerators = "LiteRtSetOptionsHardwareAccelerators": fn(Handle, c_int) -> Status;
    create_setting = "LiteRtCreateOpaqueOptions": fn(*const c_char, *const c_char, Free, *mut Handle) -> Status;
    add_setting = "LiteRtAddOpaqueOptions": fn(Handle, Handle) -> Status;
    create_model = "LiteRtCreateModelFromBuffer": fn(Handle, *const u8, usize, *mut Handle) -> Status;
    destroy_model = "LiteRtDestroyModel": fn(Handle);
    create_compiled = "LiteRtCreateCompiledModel": fn(Handle, Handle, Handle, *mut Handle) -> Status;
    destroy_compiled = "LiteRtDestroyCompiledModel": fn(Handle);
    resize = "LiteRtCompiledModelResizeInputTensor": fn(Handle, usize, usize, *const c_int, usize) -> Status;
    output_layouts = "LiteRtGetCompiledModelOutputTensorLayouts":
        fn(Handle, usize, usize, *mut Layout, bool) -> Status;
    run = "LiteRtRunCompiledModel": fn(Handle, usize, usize, *mut Handle, usize, *mut Handle) -> Status;
    messages = "LiteRtCompiledModelGetErrorMessages": fn(Handle, *mut *mut c_char) -> Status;
    clear_messages = "LiteRtCompiledModelClearErrors": fn(Handle) -> Status;
    create_buffer = "LiteRtCreateTensorBufferFromHostMemory":
        fn(*const TensorType, *mut u8, usize, Option<Free>, *mut Handle) -> Status;
    destroy_buffer = "LiteRtDestroyTensorBuffer": fn(Handle);
}

/// `kLiteRtStatusErrorInvalidArgument`.
const INVALID_ARGUMENT: Status = 1;

impl Functions {
    /// Whether the functions take the arguments that are declared here: before LiteRT 2.2, models were created without an environment.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check_interface(&self) -> Result<(), String> {
        let nothing = [0_u8; 64];
        let mut model = ptr::null_mut();
        // SAFETY: the library does not use the environment for this, and finds that the bytes are no model. Earlier libraries take the
        // first argument for the bytes, and refuse it because it is null.
        match unsafe { (self.create_model)(ptr::null_mut(), nothing.as_ptr(), nothing.len(), &mut model) } {
            INVALID_ARGUMENT => Err("it is older than LiteRT 2.2".to_owned()),
            _ => Ok(()),
        }
    }
}

/// `LiteRtElementType`; none for a kind that files here do not have.
pub(super) fn number(kind: Kind) -> Option<c_int> {
    Some(match kind {
        Kind::Float => 1,
        Kind::Int => 2,
        Kind::Uint8 => 3,
        Kind::Int64 => 4,
        Kind::Bool => 6,
        Kind::Int8 => 9,
        _ => return None,
    })
}

/// The reason of a failure; the library has no function for it.
pub(super) fn succeeded(status: Status) -> Result<(), String> {
    let reason = match status {
        0 => return Ok(()),
        INVALID_ARGUMENT => "LiteRT does not accept an argument",
        2 => "there is not enough memory",
        3 => "LiteRT cannot prepare or run an operator",
        5 => "LiteRT does not support a part of it",
        500 => "LiteRT does not support its version",
        501 => "its structure is damaged",
        504 => "LiteRT cannot compile it",
        1000 => "the number of a tensor or buffer is out of range",
        status => return Err(format!("LiteRT fails with status {status}")),
    };
    Err(reason.to_owned())
}
