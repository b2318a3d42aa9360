//! The promises that readers of foreign files keep for any bytes.
//!
//! | module | what it holds |
//! |---|---|
//! | [`data_set`] | the readers of data sets |
//! | [`checkpoint`] | the readers of weights |
//! | `config` | the reader of configurations |
//! | [`exported`] | the readers of exported files |
//! | [`memory`] | how much memory a reader uses |
//! | [`corpus`] | the files that fuzzing starts from |
//!
//! A promise is a function of a folder and the bytes of a file: it writes the file where its reader looks for it, reads it, and
//! returns whether the reader accepts it. It panics where the reader breaks the promise.
//!
//! The tests `hostile` of `datasets`, `backbone`, `formats` and `pipelines` include these files: they run the corpus without instrumentation.

pub mod checkpoint;
#[cfg(feature = "config")]
pub mod config;
pub mod corpus;
pub mod data_set;
pub mod exported;
pub mod memory;

use std::path::Path;
use std::sync::OnceLock;

use tempfile::TempDir;

/// Holds a reader to its promise with these bytes. Files are written to the folder of temporary files (`TMPDIR`), best in memory.
///
/// # Panics
/// Where the promise is broken: libFuzzer reports it as a crash.
pub fn hold(promise: fn(&Path, &[u8]) -> bool, bytes: &[u8]) {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    promise(FOLDER.get_or_init(|| tempfile::tempdir().expect("a folder")).path(), bytes);
}
