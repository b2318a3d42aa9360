//! Length and hash of each file of a checkpoint, so that a damaged one is detected.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// The manifest's own name.
pub const MANIFEST: &str = "manifest.json";

/// The files of a folder.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    files: BTreeMap<String, Facts>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    bytes: u64,
    sha256: String,
}

impl Manifest {
    /// The files that are in `folder` now.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            files.insert(entry.file_name().to_string_lossy().into_owned(), Facts::of(&entry.path())?);
        }
        Ok(Self { files })
    }

    /// The manifest of a folder; the error says what is wrong with it.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(MANIFEST);
        let text = fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{} is damaged: {error}", path.display()))
    }

    /// Compares the files of `folder` with the manifest; the error names the first that differs.
    ///
    /// # Errors
    /// When a file is missing, cut short or altered.
    pub fn check(&self, folder: &Path) -> Result<(), String> {
        for (name, expected) in &self.files {
            let path = folder.join(name);
            let length = fs::metadata(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?.len();
            if length != expected.bytes {
                return Err(format!("{} has {length} bytes instead of {}", path.display(), expected.bytes));
            }
            let found = Facts::of(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            if found != *expected {
                return Err(format!("{} is not what was written: its SHA-256 differs", path.display()));
            }
        }
        Ok(())
    }
}

impl Facts {
    fn of(path: &Path) -> io::Result<Self> {
        let mut hash = Sha256::new();
        let bytes = io::copy(&mut File::open(path)?, &mut hash)?;
        Ok(Self { bytes, sha256: hex(&hash.finalize()) })
    }
}

/// Bytes as lowercase digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_any_kind_is_detected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        fs::write(&path, b"abc").unwrap();
        let manifest = Manifest::of(folder.path()).unwrap();
        assert_eq!(
            manifest.files["weights"].sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        manifest.check(folder.path()).unwrap();
        fs::write(&path, b"abd").unwrap();
        assert!(manifest.check(folder.path()).unwrap_err().contains("SHA-256 differs"));
        fs::write(&path, b"ab").unwrap();
        assert!(manifest.check(folder.path()).unwrap_err().contains("2 bytes instead of 3"));
        fs::remove_file(&path).unwrap();
        assert!(manifest.check(folder.path()).unwrap_err().contains("cannot read"));
    }
}
