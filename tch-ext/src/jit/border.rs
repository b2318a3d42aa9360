//! Texts and lists exchanged with the TorchScript files of `csrc/`, and the reason in an error's text.

use std::{
    ffi::{c_char, c_void},
    fs::File,
    path::Path,
    ptr, slice,
};

use tch::Tensor;
use torch_sys::C_tensor;

pub(super) use crate::ffi::Text;
use crate::{Error, ffi::take_text};

pub(super) type TextSink = unsafe extern "C" fn(*mut c_void, *const c_char, usize);
pub(super) type TensorSink = unsafe extern "C" fn(*mut c_void, *mut C_tensor);

/// As `NamedText` in `csrc/jit.h`.
#[repr(C)]
pub(super) struct NamedText {
    pub(super) name: Text,
    pub(super) text: Text,
}

/// The texts that a function of `csrc/` appends to the list given to it.
pub(super) fn texts(
    call: &'static str,
    function: impl FnOnce(TextSink, *mut c_void) -> *mut c_char,
) -> Result<Vec<String>, Error> {
    let mut texts = Vec::new();
    check(call, function(push_text, ptr::from_mut(&mut texts).cast()))?;
    Ok(texts.iter().map(|text: &Vec<u8>| String::from_utf8_lossy(text).into_owned()).collect())
}

/// The tensors that a function of `csrc/` appends to the list given to it.
pub(super) fn tensors(
    call: &'static str,
    function: impl FnOnce(TensorSink, *mut c_void) -> *mut c_char,
) -> Result<Vec<Tensor>, Error> {
    let mut tensors: Vec<Tensor> = Vec::new();
    check(call, function(push_tensor, ptr::from_mut(&mut tensors).cast()))?;
    Ok(tensors)
}

/// Appends a copy of the bytes to the list.
///
/// # Safety
/// `list` is a live `Vec<Vec<u8>>` that nothing else uses, `start` the first of `length` readable bytes.
pub(super) unsafe extern "C" fn push_text(list: *mut c_void, start: *const c_char, length: usize) {
    // SAFETY: as promised by the caller; the pointer of an empty text may be null.
    unsafe {
        let bytes = if length == 0 { &[] } else { slice::from_raw_parts(start.cast(), length) };
        (*list.cast::<Vec<Vec<u8>>>()).push(bytes.to_vec());
    }
}

/// Appends the tensor to the list, which then owns it.
///
/// # Safety
/// `list` is a live `Vec<Tensor>` that nothing else uses, `tensor` a tensor that nothing else frees.
unsafe extern "C" fn push_tensor(list: *mut c_void, tensor: *mut C_tensor) {
    // SAFETY: as promised by the caller.
    unsafe { (*list.cast::<Vec<Tensor>>()).push(Tensor::from_ptr(tensor)) }
}

/// Checks the result of a function of the TorchScript files: null, or an exception's text with the reason in one of its lines.
pub(super) fn check(call: &'static str, text: *mut c_char) -> Result<(), Error> {
    failure(text).map_or(Ok(()), |message| Err(Error::Libtorch { call, message }))
}

/// As [`check`], for errors of a file.
pub(super) fn check_file(path: &Path, what: &'static str, text: *mut c_char) -> Result<(), Error> {
    failure(text).map_or(Ok(()), |message| Err(Error::Load { path: path.to_owned(), what, message }))
}

fn failure(text: *mut c_char) -> Option<String> {
    (!text.is_null()).then(|| reason(&take_text(text)))
}

/// Gives the system's message for a missing file, which is clearer than libtorch's.
pub(super) fn check_readable(path: &Path) -> Result<(), Error> {
    let failed = |source| Error::File { path: path.to_owned(), call: "read", source };
    let metadata = File::open(path).and_then(|file| file.metadata()).map_err(failed)?;
    if metadata.is_dir() { Err(failed(std::io::ErrorKind::IsADirectory.into())) } else { Ok(()) }
}

/// Names in TorchScript become part of Python source.
pub(super) fn check_identifier(what: &'static str, name: &str) -> Result<(), Error> {
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if starts_well && is_word(name) { Ok(()) } else { Err(invalid(what, name, "a letter, then letters, digits and _")) }
}

/// Identifiers with dots between them; each may start with a digit, as in "stage0.1.weight".
pub(super) fn check_dotted(what: &'static str, path: &str) -> Result<(), Error> {
    if path.split('.').all(is_word) {
        Ok(())
    } else {
        Err(invalid(what, path, "letters, digits and _, separated by dots"))
    }
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn invalid(what: &'static str, name: &str, rule: &'static str) -> Error {
    Error::Name { what, name: name.to_owned(), rule }
}

/// The line with the reason: after a traceback of TorchScript its "RuntimeError: ..."; for source text that does not
/// compile the first line and the marked one; otherwise the first.
fn reason(text: &str) -> String {
    const MARK: &str = "<--- HERE";
    const ARCHIVE_ADVICE: &str = ". This is an internal miniz error";
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.clone().next().unwrap_or_default();
    if text.contains("TorchScript") && text.contains("Traceback") {
        let raised =
            lines.clone().find_map(|line| line.split_once("Error: ").filter(|(kind, _)| is_word_or_empty(kind)));
        if let Some((_, message)) = raised {
            return message.to_owned();
        }
    }
    let mut before = None;
    let marked = lines.find_map(|line| if line.ends_with(MARK) { before } else { before.replace(line).and(None) });
    match marked {
        Some(line) => format!("{} at `{line}`", first.trim_end_matches(':')),
        None => first.split(ARCHIVE_ADVICE).next().unwrap_or(first).to_owned(),
    }
}

fn is_word_or_empty(kind: &str) -> bool {
    kind.is_empty() || kind.rsplit('.').all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_text_gives_its_first_line() {
        assert_eq!(reason("\nno such record\nat somewhere\n"), "no such record");
        assert_eq!(reason("no such file. This is an internal miniz error. If you\n"), "no such file");
        assert_eq!(reason(""), "");
    }

    #[test]
    fn an_interpreters_traceback_gives_the_error_that_was_raised() {
        let text = "The following operation failed in the TorchScript interpreter.\n\
                    Traceback of TorchScript (most recent call last):\n  File \"x\", line 3, in forward\n    \
                    return torch.mm(a, b)\n           ~~~~~~~~ <--- HERE\nRuntimeError: mat1 and mat2 differ\nmore\n";
        assert_eq!(reason(text), "mat1 and mat2 differ");
    }

    #[test]
    fn source_that_does_not_compile_gives_the_marked_line() {
        let text = "\nundefined value y:\ndef forward(self, x):\n    return x + y\n               ~ <--- HERE\n";
        assert_eq!(reason(text), "undefined value y at `return x + y`");
    }
}
