//! Exceptions of the library as errors: its functions let some out, of memory that is not there and of lengths that cannot be.

use std::ffi::{c_char, c_void};

use crate::ffi::take_text;

unsafe extern "C" {
    fn tch_ext_guard(call: unsafe extern "C-unwind" fn(*mut c_void), data: *mut c_void) -> *mut c_char;
}

/// A call, and where its result goes.
struct Pending<F, T> {
    call: Option<F>,
    result: Option<T>,
}

/// The result of a call of the library, which may throw but not panic.
///
/// # Errors
/// The exception's text.
pub(super) fn guarded<T, F: FnOnce() -> T>(call: F) -> Result<T, String> {
    unsafe extern "C-unwind" fn start<T, F: FnOnce() -> T>(data: *mut c_void) {
        // SAFETY: `data` is the value below, which nothing else uses meanwhile.
        let pending = unsafe { &mut *data.cast::<Pending<F, T>>() };
        pending.result = pending.call.take().map(|call| call());
    }
    let mut pending = Pending { call: Some(call), result: None };
    // SAFETY: `pending` outlives the call, and has the types that `start` expects.
    let text = unsafe { tch_ext_guard(start::<T, F>, (&raw mut pending).cast()) };
    match (text.is_null(), pending.result) {
        (true, Some(result)) => Ok(result),
        (true, None) => Err("LiteRT gives no result".to_owned()),
        (false, _) => Err(format!("LiteRT fails with {}", take_text(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::guarded;

    unsafe extern "C-unwind" {
        fn tch_ext_throw();
    }

    #[test]
    fn exceptions_are_errors() {
        assert_eq!(guarded(|| 7), Ok(7));
        // SAFETY: it only throws.
        let thrown = guarded(|| unsafe { tch_ext_throw() });
        assert_eq!(thrown, Err("LiteRT fails with a length".to_owned()));
    }
}
