//! Paths as text: file systems allow names that are no UTF-8, JSON and CSV do not.

use std::path::Path;

use serde::Serializer;

/// The path as text. Bytes that are not UTF-8 are written as `\xE9`, so that different files keep different names.
pub fn text(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02X}")));
    }
    text
}

/// Serialises a path as its [`text`].
///
/// # Errors
/// The serialiser's.
pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(path))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn bytes_that_are_not_utf_8_are_escaped() {
        assert_eq!(text(Path::new("a/é.jpg")), "a/é.jpg");
        assert_eq!(text(Path::new(OsStr::from_bytes(b"a/\xe9\xff.jpg"))), "a/\\xE9\\xFF.jpg");
    }
}
