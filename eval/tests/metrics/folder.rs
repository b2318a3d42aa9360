//! A temporary folder, and the messages of errors in it.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> std::io::Result<Folder> {
        Ok(Folder(tempfile::tempdir()?))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> std::io::Result<PathBuf> {
        fs::write(self.path(name), text)?;
        Ok(self.path(name))
    }

    pub fn names(&self) -> std::io::Result<Vec<String>> {
        fs::read_dir(self.0.path())?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    /// An error's message, without this folder.
    pub fn message<T>(&self, result: Result<T, eval::Error>) -> String {
        message(result).replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// An error's message.
pub fn message<T>(result: Result<T, eval::Error>) -> String {
    result.err().map_or_else(|| "no error".to_owned(), |error| error.to_string())
}
