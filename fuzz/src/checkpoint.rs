//! What the readers of weights promise for any bytes.

use std::fs;
use std::path::Path;

use backbone::StateDict;
use backbone::checkpoint::{self, BACKBONE, Metadata, file, pickle};

use super::memory::Bound;

/// The header as text and as a table of tensors, and one tensor at a time.
const SAFETENSORS: Bound = Bound { fixed: 1 << 20, times: 64 };
/// Each byte of a pickle may become an object of about a hundred bytes, a file may unpack to four times its length, and lists grow
/// by doubling. The fixed part is the reader's limit for copies of objects that a pickle names again.
const PICKLE: Bound = Bound { fixed: 256 << 20, times: 1536 };
/// How many tensors may share a byte of the file.
const MAX_SHARING: usize = 4;

/// Files in the safetensors format.
pub fn safetensors(folder: &Path, bytes: &[u8]) -> bool {
    let path = folder.join("weights.safetensors");
    fs::write(&path, bytes).expect("written");
    let read = SAFETENSORS.hold(bytes.len(), || file::read(&path));
    if let Ok((tensors, text)) = &read {
        assert!(size(tensors) <= bytes.len(), "{} bytes of tensors", size(tensors));
        written_and_read_again(folder, tensors, text);
    }
    complete(&path, bytes.len()) || read.is_ok()
}

/// Files that `torch.save` wrote.
pub fn pickle(folder: &Path, bytes: &[u8]) -> bool {
    let path = folder.join("weights.pth");
    fs::write(&path, bytes).expect("written");
    let read = PICKLE.hold(bytes.len(), || pickle::read(&path));
    if let Ok((tensors, _)) = &read {
        assert!(size(tensors) <= MAX_SHARING * bytes.len(), "{} bytes of tensors", size(tensors));
        written_and_read_again(folder, tensors, &file::Text::new());
    }
    complete(&path, bytes.len()) || read.is_ok()
}

fn size(tensors: &StateDict) -> usize {
    tensors.values().map(|tensor| tensor.numel() * tensor.kind().elt_size_in_bytes()).sum()
}

/// Tensors that were read are written and read again without a difference, compared as bytes because of NaN.
fn written_and_read_again(folder: &Path, tensors: &StateDict, text: &file::Text) {
    let [one, other] = ["one", "other"].map(|name| folder.join(name));
    file::write(&one, tensors, text).expect("written");
    let (again, text_again) = file::read(&one).expect("read again");
    assert_eq!(text, &text_again);
    assert!(tensors.keys().eq(again.keys()));
    for (name, tensor) in tensors {
        assert_eq!((tensor.kind(), tensor.size()), (again[name].kind(), again[name].size()), "{name}");
    }
    file::write(&other, &again, &text_again).expect("written again");
    assert!(fs::read(one).expect("one") == fs::read(other).expect("another"), "writing changes a file");
}

/// Reads a checkpoint of either format with names, form, metadata and specification.
fn complete(path: &Path, length: usize) -> bool {
    let bound = if pickle::is_pickle(path).expect("a file") { PICKLE } else { SAFETENSORS };
    let Ok(checkpoint) = bound.hold(length, || checkpoint::read(path)) else { return false };
    assert!(checkpoint.backbone().keys().all(|name| !name.starts_with(BACKBONE)));
    assert!(checkpoint.classes().is_none_or(|classes| classes >= 0));
    if let Ok(spec) = checkpoint.spec() {
        spec.validate().expect("a specification that can be built");
    }
    if let Some(metadata) = &checkpoint.metadata {
        let [mean, std] = [&metadata.normalization.mean, &metadata.normalization.std];
        assert!(mean.iter().chain(std).all(|number| number.is_finite()) && std.iter().all(|&number| number > 0.0));
        let again = Metadata::from_text(&metadata.to_text(), path).expect("metadata");
        assert_eq!(again.as_ref(), Some(metadata));
    }
    true
}
