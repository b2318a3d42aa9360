//! Passing over values that [`pytorch_reader`] refuses: tensors that are sparse, quantised, complex or of eight-bit floats, objects
//! with tensors in them, keys that are not text.
//!
//! The reader refuses a file for one of them, also where sound weights stand beside it. What it refuses is replaced by `None` in the
//! stream of the archive, by following what is on the stack; the reader then reads the archive as any other.

mod calls;
mod machine;

use std::{
    collections::BTreeSet,
    io::{Cursor, Read, Write},
};

use machine::Machine;
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

/// The reader's own limit.
const MAX_PICKLE_BYTES: u64 = 100 * 1024 * 1024;

/// An archive of `torch.save` without the values that the reader refuses, and what these are; none where it has no such values, or
/// is not such an archive.
pub(super) fn without_odd_values(archive: &[u8]) -> Option<(Vec<u8>, BTreeSet<String>)> {
    let mut read = ZipArchive::new(Cursor::new(archive)).ok()?;
    let entries: Vec<String> =
        (0..read.len()).map(|at| Some(read.by_index_raw(at).ok()?.name().ok()?.into_owned())).collect::<Option<_>>()?;
    let at = entries.iter().position(|name| name == "data.pkl" || name.ends_with("/data.pkl"))?;
    let mut pickle = Vec::new();
    read.by_index(at).ok()?.take(MAX_PICKLE_BYTES).read_to_end(&mut pickle).ok()?;
    let (pickle, odd) = rewritten(&pickle)?;
    let mut written = ZipWriter::new(Cursor::new(Vec::with_capacity(archive.len())));
    for (index, name) in entries.iter().enumerate() {
        if index == at {
            let plain = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
            written.start_file(name.as_str(), plain).ok()?;
            written.write_all(&pickle).ok()?;
        } else {
            written.raw_copy_file(read.by_index_raw(index).ok()?).ok()?;
        }
    }
    Some((written.finish().ok()?.into_inner(), odd))
}

/// The stream without odd values, and what they are; none where nothing is odd or the stream cannot be followed.
fn rewritten(pickle: &[u8]) -> Option<(Vec<u8>, BTreeSet<String>)> {
    let (mut edits, odd) = Machine::follow(pickle)?;
    if odd.is_empty() {
        return None;
    }
    // A key can be looked at before a value inside it that was read earlier.
    edits.sort_by_key(|edit| edit.at);
    let mut out = Vec::with_capacity(pickle.len());
    let mut done = 0;
    for Edit { at, removed, inserted } in edits {
        out.extend_from_slice(pickle.get(done..at)?);
        out.extend_from_slice(inserted);
        done = at + removed;
    }
    out.extend_from_slice(pickle.get(done..)?);
    Some((out, odd))
}

/// A change of the stream.
struct Edit {
    at: usize,
    removed: usize,
    inserted: &'static [u8],
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(name: &str) -> Vec<u8> {
        let path = format!("{}/tests/golden/pickle_odd_{name}.pth", env!("CARGO_MANIFEST_DIR"));
        let mut archive = ZipArchive::new(Cursor::new(std::fs::read(path).unwrap())).unwrap();
        let mut pickle = Vec::new();
        archive.by_index(0).unwrap().read_to_end(&mut pickle).unwrap();
        pickle
    }

    proptest! {
        #[test]
        fn a_damaged_stream_is_followed_or_given_up(
            name in prop::sample::select(vec!["complex", "float8", "sparse", "object", "key"]),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            length in any::<prop::sample::Index>(),
            cut in any::<bool>(),
        ) {
            let mut pickle = stream(name);
            for (place, byte) in changes {
                let place = place.index(pickle.len());
                pickle[place] = byte;
            }
            if cut {
                pickle.truncate(length.index(pickle.len()));
            }
            if let Some((plain, odd)) = rewritten(&pickle) {
                prop_assert!(!odd.is_empty());
                prop_assert!(rewritten(&plain).is_none(), "something odd is left");
            }
        }
    }

    #[test]
    fn a_stream_without_odd_values_is_left_alone() {
        assert!(rewritten(&stream("uint16")).is_none());
    }
}
