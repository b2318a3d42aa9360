//! The subject of a command: a run, a configuration, or a file of weights.

use backbone::Checkpoint;
use std::path::{Path, PathBuf};

use super::RunFolder;
use crate::config::ConfigFile;
use crate::failure::Failure;
use crate::model::{CONFIG, published, read_weights};

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
    /// Opens a run's folder, a file of weights (or the network at `key` of it), published weights by name, or a configuration by path or
    /// name.
    ///
    /// # Errors
    /// When nothing has that name, or it cannot be read.
    pub fn open(name: &str, key: Option<&str>, overrides: &[String]) -> Result<Self, Failure> {
        let path = Path::new(name);
        let no_weights = || match key {
            Some(_) => Err(key_without_weights()),
            None => Ok(()),
        };
        if path.is_dir() {
            no_weights()?;
            let run = RunFolder::open(path)?;
            let (config, path) = (run.configuration(overrides)?, run.best_weights()?);
            let weights = read_weights(&path, None)?;
            return Ok(Self::Trained { path, weights, config });
        }
        if let Some(file) = published::named(path)? {
            return Self::weights(&file, key, overrides);
        }
        if holds_weights(path) {
            return Self::weights(path, key, overrides);
        }
        let number = name.strip_prefix('s').unwrap_or_default();
        if !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()) && !path.exists() {
            return Err(Failure::usage(backbone::Error::UnknownVariant { name: name.to_owned() }));
        }
        no_weights()?;
        ConfigFile::open(name, overrides).map(Self::Config)
    }

    /// Opens a run's folder, a file of weights, or published weights by name.
    ///
    /// # Errors
    /// As [`Subject::open`], and for a configuration.
    pub fn open_weights(name: &str, key: Option<&str>, overrides: &[String]) -> Result<Self, Failure> {
        let path = Path::new(name);
        match path.is_dir() {
            true => Self::open(name, key, overrides),
            false => Self::weights(&published::resolve(path)?, key, overrides),
        }
    }

    fn weights(path: &Path, key: Option<&str>, overrides: &[String]) -> Result<Self, Failure> {
        let weights = read_weights(path, key)?;
        let kept = weights.metadata.as_ref().and_then(|metadata| metadata.extra.get(CONFIG));
        let config = kept.map(|text| ConfigFile::kept_in(path, text, overrides)).transpose()?;
        let path = path.to_owned();
        Ok(match config {
            Some(config) => Self::Trained { path, weights, config },
            None => Self::Bare { path, weights },
        })
    }
}

/// The refusal of a key for a subject that is no file of weights.
pub fn key_without_weights() -> Failure {
    Failure::usage("--key is only valid with a file of weights")
}

/// Whether the path ends as files of weights do.
pub fn holds_weights(path: &Path) -> bool {
    let endings = ["safetensors", "pth", "pt", "tar", "bin", "ckpt"];
    let index = path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".index.json"));
    index || path.extension().is_some_and(|ending| endings.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}
