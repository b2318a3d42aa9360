//! The folder of one run: configuration, environment, metrics, checkpoints and report.

use std::path::{Path, PathBuf};

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

/// Writes `bytes` beside `path`, then renames: a reader sees the old file or the new one, never a part.
///
/// # Errors
/// When the file cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    use std::io::Write;
    let mut aside = path.as_os_str().to_owned();
    aside.push(".tmp");
    let aside = PathBuf::from(aside);
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&aside, path)
    };
    write().map_err(|error| Failure::failed(format!("{} cannot be written: {error}", path.display())))
}
