//! Durable files: each is written completely, or the previous one stays.

use atomic_write_file::AtomicWriteFile;
use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::{TempDir, TempPath};

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

/// The size of a file in bytes, or of all files in a folder.
///
/// # Errors
/// When it cannot be read.
pub fn size(path: &Path) -> Result<u64, Failure> {
    let failed = |error: std::io::Error| Failure::cannot("read", path, &error);
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    let entries = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(failed)?;
    entries.iter().map(|entry| size(&entry.path())).sum()
}

/// A file or folder under another name, beside the one that it is to get; removed where it does not get it.
#[derive(Debug)]
pub enum Aside {
    /// A file, which exists already.
    File(TempPath),
    /// A folder above the one that is to be created.
    Folder(TempDir, PathBuf),
}

impl Aside {
    /// For a file, or a folder, with this path; what it ends in stays.
    ///
    /// # Errors
    /// When its folder cannot be written.
    pub fn of(path: &Path, is_folder: bool) -> Result<Self, Failure> {
        let folder = folder_of(path);
        create_folder(folder)?;
        let ending = format!(".{}", path.extension().unwrap_or_default().to_string_lossy());
        let mut builder = tempfile::Builder::new();
        builder.prefix(".export-");
        let failed = |error: std::io::Error| Failure::cannot("write", path, &error);
        if is_folder {
            let above = builder.tempdir_in(folder).map_err(failed)?;
            let inside = above.path().join(format!("new{ending}"));
            return Ok(Self::Folder(above, inside));
        }
        // Without these only its owner could read the file.
        builder.permissions(Permissions::from_mode(0o666));
        Ok(Self::File(builder.suffix(&ending).tempfile_in(folder).map_err(failed)?.into_temp_path()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Folder(_, inside) => inside,
        }
    }

    /// Gives it its name, durably. A folder of that name is replaced where it is of the same kind: with the same files in it.
    ///
    /// # Errors
    /// When it cannot be renamed, or would replace another kind of folder.
    pub fn persist(self, path: &Path) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::cannot("write", path, &error);
        match self {
            Self::File(file) => {
                File::open(&file).and_then(|file| file.sync_all()).map_err(failed)?;
                file.persist(path).map_err(|error| failed(error.error))?;
            }
            Self::Folder(above, inside) => {
                if path.exists() {
                    let entries = std::fs::read_dir(&inside).map_err(failed)?;
                    let names = entries.collect::<Result<Vec<_>, _>>().map_err(failed)?;
                    if !names.iter().all(|entry| path.join(entry.file_name()).exists()) {
                        return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
                    }
                    // The old one is removed with the folder above.
                    std::fs::rename(path, above.path().join("old")).map_err(failed)?;
                }
                std::fs::rename(&inside, path).map_err(failed)?;
            }
        }
        sync_folder(folder_of(path)).map_err(failed)
    }
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

    #[test]
    fn a_folder_takes_the_place_of_one_of_its_kind_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.mlpackage");
        let make = |text: &str| {
            let aside = Aside::of(&path, true).unwrap();
            std::fs::create_dir(aside.path()).unwrap();
            std::fs::write(aside.path().join("Manifest.json"), text).unwrap();
            aside
        };
        for text in ["old", "new"] {
            make(text).persist(&path).unwrap();
            assert_eq!(std::fs::read_to_string(path.join("Manifest.json")).unwrap(), text);
            assert_eq!(size(&path).unwrap(), 3);
        }
        std::fs::remove_dir_all(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("precious"), "").unwrap();
        assert!(make("other").persist(&path).is_err());
        assert!(path.join("precious").exists());
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }
}
