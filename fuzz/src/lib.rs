//! What the fuzz targets share: the promises that each of them holds a reader to, and a folder for the reader's files.
//!
//! | module | what it holds |
//! |---|---|
//! | [`promises`] | the readers of data sets; the stable tests of `datasets` hold them too |
//! | [`checkpoint`] | the readers of weights |
//! | `config` | the reader of jobs |
//! | [`memory`] | how much memory a reader asked for |
//!
//! A promise takes a folder and the bytes, and says whether they were accepted; it panics where it is broken.

#[path = "../../datasets/tests/hostile/memory.rs"]
pub mod memory;
#[path = "../../datasets/tests/hostile/promises.rs"]
pub mod promises;

pub mod checkpoint;
#[cfg(feature = "config")]
pub mod config;

use std::path::Path;
use std::sync::OnceLock;

use tempfile::TempDir;

/// Holds a promise against the bytes. The files lie where temporary files do (`TMPDIR`), best in memory.
///
/// # Panics
/// Where the promise is broken, which is what a target ends with.
pub fn hold(promise: fn(&Path, &[u8]) -> bool, bytes: &[u8]) {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    promise(FOLDER.get_or_init(|| tempfile::tempdir().expect("a folder")).path(), bytes);
}
