//! From a YAML file to a checked configuration.
//!
//! The file may extend another one, its values may name environment variables, and `--set a.b=c` changes any key. An error
//! names the file, the line and the key, and for an unknown word the nearest known one.

use published_weights::Name;
use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use serde_path_to_error::Segment;
use serde_yaml::Value;
use std::path::{Path, PathBuf};

use super::check::Problem;
use super::extends::{self, Source};
use super::position::line_of;
use super::schema::{self, Node};
use super::{Config, Keys, Precision, TaskKind, configuration_path, overrides::Override};
use crate::failure::Failure;

/// A configuration that was read, before its task is known.
#[derive(Debug)]
pub struct ConfigFile {
    path: PathBuf,
    /// The file, and those that it extends.
    sources: Vec<Source>,
    overrides: Vec<Override>,
}

#[derive(Deserialize, JsonSchema)]
struct Header {
    task: TaskKind,
}

impl ConfigFile {
    /// Reads the file that `name` means (see [`configuration_path`]); `overrides` are `key=value` words.
    ///
    /// # Errors
    /// When there is no such file, it or one that it extends cannot be read, a variable has no value, or an override has no
    /// `=`.
    pub fn open(name: &str, overrides: &[String]) -> Result<Self, Failure> {
        let path = configuration_path(name)?;
        let sources = extends::read(&path)?;
        Ok(Self { path, sources, overrides: parsed(overrides)? })
    }

    /// The configuration that a file of weights keeps in its metadata.
    ///
    /// # Errors
    /// When it is not YAML, or an override has no `=`.
    pub fn kept_in(weights: &Path, text: &str, overrides: &[String]) -> Result<Self, Failure> {
        let sources = vec![Source::alone(weights, text.to_owned())?];
        Ok(Self { path: weights.to_owned(), sources, overrides: parsed(overrides)? })
    }

    /// The file that was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The task that the file is for.
    ///
    /// # Errors
    /// When the file has no known `task`.
    pub fn task(&self) -> Result<TaskKind, Failure> {
        Ok(self.typed::<Header>()?.task)
    }

    /// The complete configuration, its values checked.
    ///
    /// # Errors
    /// Unknown or missing keys, values of the wrong type or out of range.
    pub fn config<K: Keys>(&self) -> Result<Config<K>, Failure> {
        let mut config: Config<K> = self.typed()?;
        config.backbone.design()?;
        if config.name.is_none() {
            config.name = self.path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        }
        config.data.root = absolute(&config.data.root)?;
        if let Some(weights) = &mut config.backbone.weights {
            *weights = weights.with_file(file_or_name(weights.file())?);
        }
        if let Some(quantize) = &mut config.train.quantize {
            quantize.weights = absolute(&quantize.weights)?;
            for source in quantize.calibration_data.iter_mut().filter(|source| source.exists()) {
                *source = absolute(source)?;
            }
            let (precision, int8) = (config.train.precision, quantize.labels + quantize.teacher);
            self.require(precision == Precision::Fp32, &["train", "precision"], "must be fp32 for train.quantize")?;
            self.require(int8 > 0.0, &["train", "quantize"], "needs labels or a teacher: both are 0")?;
        }
        let normalize = config.normalization();
        let channels = config.backbone.channels();
        if normalize.channels() != channels {
            return Err(Failure::usage(format!(
                "{}: data.normalize is for {} channels, but the network takes {channels} (backbone.in_channels)",
                self.place(&["data".to_owned(), "normalize".to_owned()]),
                normalize.channels()
            )));
        }
        config.data.normalize = Some(normalize);
        Ok(config)
    }

    /// Refuses a key's value.
    fn require(&self, holds: bool, key: &[&str], why: &str) -> Result<(), Failure> {
        let path: Vec<String> = key.iter().map(|&part| part.to_owned()).collect();
        if holds { Ok(()) } else { Err(Failure::usage(format!("{}: {} {why}", self.place(&path), key.join(".")))) }
    }

    fn typed<T: DeserializeOwned + JsonSchema>(&self) -> Result<T, Failure> {
        let schema = schema::of::<T>();
        let schema = Node::root(&schema);
        let mut document = Value::Null;
        for source in self.sources.iter().rev() {
            extends::merge(&mut document, source.keys.clone(), Some(schema));
        }
        self.overrides.iter().try_for_each(|change| change.apply(&mut document))?;
        schema.check(&document, &mut Vec::new()).map_err(|problem| self.explain(problem))?;
        serde_path_to_error::deserialize(document).map_err(|error| {
            let path: Vec<String> = error.path().iter().filter_map(step).collect();
            let sentence = format!("{}: {}", path.join("."), error.inner());
            self.explain(Problem { path, sentence, hint: None })
        })
    }

    fn explain(&self, Problem { path, sentence, hint }: Problem) -> Failure {
        let failure = Failure::usage(format!("{}: {sentence}", self.place(&path)));
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }

    /// The override or the line of a file that sets the key, or the section that it is in.
    fn place(&self, path: &[String]) -> String {
        let sets = |change: &&Override| path.starts_with(change.path());
        if let Some(change) = self.overrides.iter().rev().find(sets) {
            return format!("--set {change}");
        }
        for length in (1..=path.len()).rev() {
            let section = &path[..length];
            let line_in = |source: &Source| Some((source.path.display().to_string(), line_of(&source.text, section)?));
            if let Some((file, line)) = self.sources.iter().find_map(line_in) {
                return format!("{file}:{line}");
            }
            if let Some(change) = self.overrides.iter().find(|change| change.path().starts_with(section)) {
                return format!("--set {change}");
            }
        }
        self.path.display().to_string()
    }
}

fn parsed(overrides: &[String]) -> Result<Vec<Override>, Failure> {
    overrides.iter().map(|word| Override::parse(word)).collect()
}

fn step(segment: &Segment) -> Option<String> {
    match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { .. } | Segment::Unknown => None,
    }
}

/// A path that no longer depends on the current folder; a name of published weights stays as it is.
fn file_or_name(weights: &Path) -> Result<PathBuf, Failure> {
    let is_name = weights.to_str().is_some_and(|text| Name::instead_of_a_path(text).is_some());
    if is_name && !weights.exists() { Ok(weights.to_owned()) } else { absolute(weights) }
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}
