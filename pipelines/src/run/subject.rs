//! The subject of a command: a run, a configuration, or a file of weights.

use backbone::checkpoint::{self, Checkpoint};
use std::path::{Path, PathBuf};

use super::RunFolder;
use crate::config::ConfigFile;
use crate::failure::Failure;
use crate::model::{CONFIG, published};

/// The subject of a command.
pub enum Subject {
    /// A configuration alone.
    Config(ConfigFile),
    /// Weights with the configuration that they were trained with.
    Trained {
        /// The file of weights.
        path: PathBuf,
        /// What it holds.
        weights: Checkpoint,
        /// How the network was trained.
        config: ConfigFile,
    },
    /// Weights of a backbone or classifier without metadata.
    Bare {
        /// The file of weights.
        path: PathBuf,
        /// What it holds.
        weights: Checkpoint,
    },
}

impl Subject {
    /// Opens a run's folder, a file of weights, published weights by name, or a configuration by path or name.
    ///
    /// # Errors
    /// When nothing has that name, or it cannot be read.
    pub fn open(name: &str, overrides: &[String]) -> Result<Self, Failure> {
        let path = Path::new(name);
        if path.is_dir() {
            let run = RunFolder::open(path)?;
            let (config, path) = (run.configuration(overrides)?, run.best_weights()?);
            let weights = checkpoint::read(&path)?;
            return Ok(Self::Trained { path, weights, config });
        }
        if let Some(file) = published::named(path)? {
            return Self::weights(&file, overrides);
        }
        if holds_weights(path) {
            return Self::weights(path, overrides);
        }
        let number = name.strip_prefix('s').unwrap_or_default();
        if !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()) && !path.exists() {
            return Err(Failure::usage(backbone::Error::UnknownVariant { name: name.to_owned() }));
        }
        ConfigFile::open(name, overrides).map(Self::Config)
    }

    /// Opens a run's folder, a file of weights, or published weights by name.
    ///
    /// # Errors
    /// As [`Subject::open`], and for a configuration.
    pub fn open_weights(name: &str, overrides: &[String]) -> Result<Self, Failure> {
        let path = Path::new(name);
        if path.is_dir() { Self::open(name, overrides) } else { Self::weights(&published::resolve(path)?, overrides) }
    }

    fn weights(path: &Path, overrides: &[String]) -> Result<Self, Failure> {
        let weights = checkpoint::read(path)?;
        let kept = weights.metadata.as_ref().and_then(|metadata| metadata.extra.get(CONFIG));
        let config = kept.map(|text| ConfigFile::kept_in(path, text, overrides)).transpose()?;
        let path = path.to_owned();
        Ok(match config {
            Some(config) => Self::Trained { path, weights, config },
            None => Self::Bare { path, weights },
        })
    }
}

/// Whether the path ends as files of weights do.
pub fn holds_weights(path: &Path) -> bool {
    let endings = ["safetensors", "pth", "pt", "tar", "bin", "ckpt"];
    path.extension().is_some_and(|ending| endings.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}
