//! The folder of one run: configuration, environment, metrics, checkpoints and report.

use atomic_write_file::AtomicWriteFile;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::console;
use crate::failure::Failure;

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes `parent/name`, or `parent/name-2` and so on where that is taken.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn create(parent: &Path, name: &str) -> Result<Self, Failure> {
        let failed = |path: &Path, error| Failure::failed(format!("{} cannot be made: {error}", path.display()));
        std::fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
        let mut path = parent.join(name);
        for number in 2.. {
            match std::fs::create_dir(&path) {
                Ok(()) => break,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    path = parent.join(format!("{name}-{number}"));
                }
                Err(error) => return Err(failed(&path, error)),
            }
        }
        let run = Self { path };
        std::fs::create_dir_all(run.checkpoints()).map_err(|error| failed(&run.checkpoints(), error))?;
        Ok(run)
    }

    /// The folder of a run that was made before.
    ///
    /// # Errors
    /// When `path` holds no run.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let run = Self { path: path.to_owned() };
        if !run.config().is_file() {
            return Err(Failure::usage(format!("{} is not a run: it has no config.yaml", path.display()))
                .hint("Name the folder that `pipeline train` made, for example runs/detect."));
        }
        Ok(run)
    }

    /// Keeps other processes from training into this folder, until what is given is dropped or the process ends, however it
    /// ends. On a file system without locks there is nothing to hold, which a warning says.
    ///
    /// # Errors
    /// When another process trains there, or the lock's file cannot be made.
    pub fn lock(&self) -> Result<Option<File>, Failure> {
        let path = self.file(".lock");
        let failed = |error: std::io::Error| cannot_write(&path, &error);
        let mut options = File::options();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(failed)?;
                Ok(Some(file))
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who it is only helps to find it.
                let known = file.rewind().and_then(|()| file.read_to_string(&mut holder)).is_ok() && !holder.is_empty();
                let holder = if known { format!("process {holder}") } else { "another process".to_owned() };
                Err(Failure::failed(format!("{holder} trains in {}", self.path.display()))
                    .hint("Wait for it, or stop it: it saves the run and leaves room for this one."))
            }
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
                console::warning(format!(
                    "{} lies on a file system without locks: nothing keeps a second process from training into it",
                    self.path.display()
                ));
                Ok(None)
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The resolved configuration.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.yaml")
    }

    /// Where checkpoints stand.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// A file of the run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file of the run whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.file(name);
        write_whole(&path, text.as_bytes())?;
        Ok(path)
    }
}

/// Writes `bytes` so that a reader sees the old file or the new one, never a part, and that neither a crash nor a power cut
/// takes it back.
///
/// # Errors
/// When the file cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || -> std::io::Result<()> {
        // Where renaming fails, the file's other name stays.
        if path.is_dir() {
            return Err(std::io::ErrorKind::IsADirectory.into());
        }
        let mut file = AtomicWriteFile::open(path)?;
        file.write_all(bytes)?;
        file.commit()?;
        sync_folder(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))
    };
    write().map_err(|error| cannot_write(path, &error))
}

/// Makes the names in a folder as durable as the files.
///
/// # Errors
/// The operating system's.
pub fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The error of a file or folder that cannot be written.
pub fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    let failure = Failure::failed(format!("{} cannot be written: {error}", path.display()));
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            failure.hint("Free some space on that disk.")
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(folder: &tempfile::TempDir) -> RunFolder {
        RunFolder::create(folder.path(), "run").unwrap()
    }

    #[test]
    fn a_taken_name_gets_a_number() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(run(&folder).path(), folder.path().join("run"));
        assert_eq!(run(&folder).path(), folder.path().join("run-2"));
    }

    #[test]
    fn one_holder_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let run = run(&folder);
        let held = run.lock().unwrap();
        let refused = run.lock().unwrap_err();
        assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
        drop(held);
        assert!(run.lock().unwrap().is_some());
    }

    #[test]
    fn a_file_is_replaced_whole_or_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_whole(&path, b"old").unwrap();
        write_whole(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        let refused = write_whole(&folder.path().join("nowhere/file"), b"").unwrap_err();
        assert!(refused.to_string().contains("nowhere/file cannot be written"), "{refused}");
    }
}
