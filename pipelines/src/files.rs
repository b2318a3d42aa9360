//! Durable files: each is written completely, or the previous one stays.

use atomic_write_file::AtomicWriteFile;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::failure::Failure;

/// Writes `bytes` so that a reader sees the old file or the new one, never a part of it, and a crash or power cut does not
/// undo it.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || -> std::io::Result<()> {
        // `atomic-write-file` leaves its temporary file behind where the rename fails.
        if path.is_dir() {
            return Err(std::io::ErrorKind::IsADirectory.into());
        }
        let mut file = AtomicWriteFile::open(path)?;
        file.write_all(bytes)?;
        file.commit()?;
        sync_folder(folder_of(path))
    };
    write().map_err(|error| Failure::cannot("write", path, &error))
}

/// The folder that a file is in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a folder as durable as its files.
///
/// # Errors
/// The operating system's.
pub fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Creates a folder, and those above it, where it does not exist.
///
/// # Errors
/// When it cannot be created.
pub fn create_folder(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::cannot("create", folder, &error))
}

/// The text of a file.
///
/// # Errors
/// When it cannot be read, or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::cannot("read", path, &error))
}

/// The size of a file in bytes.
///
/// # Errors
/// When it cannot be read.
pub fn size(path: &Path) -> Result<u64, Failure> {
    std::fs::metadata(path).map(|metadata| metadata.len()).map_err(|error| Failure::cannot("read", path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_completely_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        let refused = write(&folder.path().join("nowhere/file"), b"").unwrap_err();
        assert!(
            refused.to_string().starts_with("cannot write ") && refused.to_string().contains("nowhere/file"),
            "{refused}"
        );
    }
}
