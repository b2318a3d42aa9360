//! Files that people give as weights and that are something else, known by their first bytes before any parser sees them.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use super::archive::entry_names;

/// How much of a file is looked at.
const START: u64 = 512;

/// What a file is, and what to do, as the end of a sentence; `None` where it may hold weights.
///
/// # Errors
/// A file that cannot be read.
pub(super) fn reason(path: &Path) -> io::Result<Option<String>> {
    if fs::metadata(path)?.is_dir() {
        let reason = match path.join("checkpoints").is_dir() {
            true => "it is a run's folder; its weights are in checkpoints/best/weights.safetensors",
            false => "it is a folder; name the file in it",
        };
        return Ok(Some(reason.to_owned()));
    }
    let mut start = Vec::new();
    File::open(path)?.take(START).read_to_end(&mut start)?;
    let text = String::from_utf8_lossy(&start).trim_start_matches('\u{feff}').trim_start().to_lowercase();
    let reason = match &start[..] {
        [] => "it is empty: the download or the copy did not finish",
        _ if text.starts_with("version https://git-lfs") => {
            "it is a Git LFS pointer and not the file itself: run `git lfs pull` in its repository, or download it"
        }
        _ if text.starts_with("<!doctype") || text.starts_with("<html") || text.starts_with("<?xml") => {
            "it is a web page (HTML) and not the file itself: the address was that of a page, or the server refused"
        }
        // The header of a safetensors file begins at the ninth byte.
        [b'{' | b'[', ..] if start.get(8) != Some(&b'{') && goes_on_as_json(&text) => {
            "it is JSON text and not the file itself: perhaps the error message of a server"
        }
        [0x1F, 0x8B, ..] => "it is compressed by gzip: unpack it with gunzip",
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => "it is compressed by bzip2: unpack it with bunzip2",
        [0xFD, b'7', b'z', b'X', b'Z', ..] => "it is compressed by xz: unpack it with unxz",
        [0x28, 0xB5, 0x2F, 0xFD, ..] => "it is compressed by Zstandard: unpack it with unzstd",
        [0x08, version, 0x12 | 0x3A, ..] if *version < 20 => {
            "it is an exported ONNX file: weights are what it was exported from, a checkpoint"
        }
        _ if start.get(4..8) == Some(b"TFL3") => {
            "it is a TensorFlow Lite file, which holds no weights to train or convert"
        }
        [0x89, b'H', b'D', b'F', ..] => "it is an HDF5 file (Keras): convert it to safetensors first",
        [b'P', b'K', 3, 4, ..] => return Ok(archive(path)),
        _ => return Ok(None),
    };
    Ok(Some(reason.to_owned()))
}

/// Whether a text goes on as an object or a list of JSON does.
fn goes_on_as_json(text: &str) -> bool {
    text[1..].trim_start().starts_with(['"', '}', ']', '{', '['])
}

/// What a zip archive is, where it is not what `torch.save` writes.
fn archive(path: &Path) -> Option<String> {
    // The parser names what is damaged.
    let names = entry_names(path)?;
    let has = |end: &str| names.iter().any(|name| name.ends_with(end));
    if has("constants.pkl") || names.iter().any(|name| name.contains("/code/")) {
        let reason = "it is an exported TorchScript file: weights are what it was exported from, a checkpoint";
        return Some(reason.to_owned());
    }
    (!has("data.pkl")).then(|| "it is a zip archive without a checkpoint in it: unpack it".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason_of(bytes: &[u8]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("w.pth");
        fs::write(&file, bytes).unwrap();
        reason(&file).unwrap()
    }

    #[test]
    fn files_of_other_kinds_are_named_with_what_to_do() {
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n";
        for (bytes, words) in [
            (pointer.as_bytes(), "git lfs pull"),
            (b"\n<!DOCTYPE html><html>", "web page"),
            (b"<html>", "web page"),
            (b"{\"error\": \"Repository not found\"}", "JSON"),
            (b"{\n  \"error\": 1}", "JSON"),
            (b"", "empty"),
            (&[0x1F, 0x8B, 8, 0], "gunzip"),
            (&[0x08, 0x0A, 0x12, 0x07], "ONNX"),
            (b"\x1C\0\0\0TFL3\0\0", "TensorFlow Lite"),
        ] {
            let reason = reason_of(bytes).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(bytes)));
            assert!(reason.contains(words), "{reason}");
        }
    }

    #[test]
    fn what_may_be_weights_is_left_to_the_parsers() {
        let safetensors = b"\x10\0\0\0\0\0\0\0{\"a\": 1}        ";
        // The length of a header may begin with any byte.
        let brace = b"{\0\0\0\0\0\0\0{\"a\": 1}";
        for bytes in [&safetensors[..], brace, &[0x80, 2, b'}'], b"anything else"] {
            assert_eq!(reason_of(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn folders_are_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(reason(folder.path()).unwrap().is_some_and(|reason| reason.contains("it is a folder")));
        fs::create_dir(folder.path().join("checkpoints")).unwrap();
        assert!(reason(folder.path()).unwrap().is_some_and(|reason| reason.contains("run's folder")));
    }
}
