//! The files that fuzzing starts from.

use std::fs;
use std::path::Path;

/// The names and contents of a target's files in `fuzz/corpus`, in order. Files without an extension are left out: libFuzzer adds
/// them while it runs.
pub fn files(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some());
    paths.sort();
    let named = |path: std::path::PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display())))
    };
    paths.into_iter().map(named).collect()
}

/// Holds a reader to its promise with every file of a target's corpus; the names of those that the reader refuses.
///
/// # Panics
/// Where the promise is broken.
pub fn refused(target: &str, promise: fn(&Path, &[u8]) -> bool) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = files(target).into_iter().filter(|(_, bytes)| !promise(folder.path(), bytes));
    refused.map(|(name, _)| name).collect()
}
