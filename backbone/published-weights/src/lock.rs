//! A lock between processes that fetch the same file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, cannot};
use crate::progress::Progress;

const POLL: Duration = Duration::from_millis(100);

/// Held until it is dropped, or the process ends.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until no other process has the lock. The same call as Python's: both wait for each other.
    ///
    /// Where the file system has no locks, the processes download the same bytes to the same places.
    pub(crate) fn take(path: &Path, progress: &dyn Progress) -> Result<Self, Error> {
        let file = open(path).map_err(cannot("open", path))?;
        let mut waiting = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                    return Ok(Self { _file: file });
                }
                Err(TryLockError::Error(error)) => return Err(cannot("lock", path)(error)),
                Err(TryLockError::WouldBlock) => {
                    if !waiting {
                        progress.note("waiting for another process that downloads the same file");
                        waiting = true;
                    }
                    std::thread::sleep(POLL);
                }
            }
        }
    }
}

/// Opens for reading where the file exists: in a cache that several users share, it may be another user's.
fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            OpenOptions::new().write(true).create(true).truncate(false).open(path)
        }
        opened => opened,
    }
}
