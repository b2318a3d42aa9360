//! The folder of one run: configuration, environment, metrics, checkpoints and report.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::checkpoint::{Checkpoint, NewestCheckpoint};
use crate::config::ConfigFile;
use crate::console;
use crate::failure::Failure;
use crate::files;

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Creates `parent/name`, or `parent/name-2` and so on where that exists.
    ///
    /// # Errors
    /// When the folder cannot be created.
    pub fn create(parent: &Path, name: &str) -> Result<Self, Failure> {
        files::create_folder(parent)?;
        let mut path = parent.join(name);
        for number in 2.. {
            match std::fs::create_dir(&path) {
                Ok(()) => break,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    path = parent.join(format!("{name}-{number}"));
                }
                Err(error) => return Err(Failure::cannot("create", &path, &error)),
            }
        }
        let run = Self { path };
        files::create_folder(&run.checkpoints())?;
        Ok(run)
    }

    /// The last run `parent/name`, `parent/name-2` and so on that a launcher's job of this name began and that has a checkpoint.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn of_job(parent: &Path, name: &str, job: &str) -> Result<Option<Self>, Failure> {
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let places = std::iter::once(name.to_owned()).chain(numbered).map(|name| parent.join(name));
        let mut found = None;
        for path in places.take_while(|path| path.is_dir()) {
            let run = Self { path };
            let text = std::fs::read_to_string(run.file("environment.json")).unwrap_or_default();
            let environment: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            if environment["job"] == job && Checkpoint::newest(&run.checkpoints())?.checkpoint.is_some() {
                found = Some(run);
            }
        }
        Ok(found)
    }

    /// Opens the folder of an existing run.
    ///
    /// # Errors
    /// When `path` is not a run.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let run = Self { path: path.to_owned() };
        if !run.config().is_file() {
            return Err(Failure::usage(format!("{} is not a run: it has no config.yaml", path.display()))
                .hint("Name a folder that `pipeline train` created, for example runs/detect."));
        }
        Ok(run)
    }

    /// Keeps other processes from training into this folder until the returned file is dropped or the process ends. On a file
    /// system without locks a warning is printed and nothing is held.
    ///
    /// # Errors
    /// When another process trains there, or the lock file cannot be created.
    pub fn lock(&self) -> Result<Option<File>, Failure> {
        let path = self.file(".lock");
        let failed = |error: std::io::Error| Failure::cannot("write", &path, &error);
        let mut options = File::options();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(failed)?;
                Ok(Some(file))
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let known = file.rewind().and_then(|()| file.read_to_string(&mut holder)).is_ok() && !holder.is_empty();
                let holder = if known { format!("process {holder}") } else { "another process".to_owned() };
                Err(Failure::failed(format!("{holder} trains in {}", self.path.display()))
                    .hint("Wait for it, or stop it with Ctrl-C: it saves the run first."))
            }
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
                console::warning(format!(
                    "{} is on a file system without locks: a second process could train into it",
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

    /// Fails where the disk has less room than `bytes`; where the system does not say, there is room.
    ///
    /// # Errors
    /// When the disk is too full.
    pub fn require_room(&self, bytes: u64) -> Result<(), Failure> {
        let Ok(disk) = rustix::fs::statvfs(&self.path) else { return Ok(()) };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free >= bytes {
            return Ok(());
        }
        let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
        let reason = format!(
            "the disk of {} has {} MB free, but checkpoints take {} MB",
            self.path.display(),
            megabytes(free),
            megabytes(bytes)
        );
        Err(Failure::failed(reason).hint("Make room, name another folder with --output, or keep fewer checkpoints."))
    }

    /// The configuration that the run was made with, with `overrides` (`key=value`) applied.
    ///
    /// # Errors
    /// When it cannot be read, or an override does not fit.
    pub fn configuration(&self, overrides: &[String]) -> Result<ConfigFile, Failure> {
        ConfigFile::open(&self.config().to_string_lossy(), overrides)
    }

    /// The weights that a run is evaluated by: its best, or its last where no evaluation was made.
    ///
    /// # Errors
    /// When nothing was trained yet, or the checkpoint is damaged.
    pub fn best_weights(&self) -> Result<PathBuf, Failure> {
        match Checkpoint::best(&self.checkpoints())? {
            Some(checkpoint) => Ok(checkpoint.weights_file()),
            None => Err(Failure::failed(format!("{} has no trained weights yet", self.path.display()))
                .hint("A run writes them after its first epoch, or as train.checkpoint.every_steps says.")),
        }
    }

    /// The checkpoint to resume from; damaged newer ones are reported.
    ///
    /// # Errors
    /// When there is none that is intact.
    pub fn newest_checkpoint(&self) -> Result<Checkpoint, Failure> {
        let folder = self.checkpoints();
        let NewestCheckpoint { checkpoint, damaged } = Checkpoint::newest(&folder)?;
        let Some(checkpoint) = checkpoint else {
            return Err(match damaged.first() {
                Some(damage) => Failure::failed(format!("no checkpoint is intact: {damage}")),
                None => Failure::failed(format!("{} has no checkpoint to resume from", folder.display()))
                    .hint("The run ended before training began; start it again with its configuration."),
            });
        };
        for damage in damaged {
            console::warning(format!("{damage}; resuming from step {} instead", checkpoint.state().position.step));
        }
        Ok(checkpoint)
    }

    /// The resolved configuration.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.yaml")
    }

    /// The folder of checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// A file of the run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file of the run, complete or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.file(name);
        files::write(&path, text.as_bytes())?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(folder: &tempfile::TempDir) -> RunFolder {
        RunFolder::create(folder.path(), "run").unwrap()
    }

    #[test]
    fn a_disk_without_room_for_the_checkpoints_is_refused_before_training() {
        let folder = tempfile::tempdir().unwrap();
        run(&folder).require_room(0).unwrap();
        let failure = run(&folder).require_room(u64::MAX).unwrap_err().to_string();
        assert!(failure.contains("MB free, but checkpoints take"), "{failure}");
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
        let lock = run.lock().unwrap();
        let refused = run.lock().unwrap_err();
        assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
        drop(lock);
        assert!(run.lock().unwrap().is_some());
    }
}
