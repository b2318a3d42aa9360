//! `extends: FILE`: a configuration that is merged over another one.

use annotation_files::text;
use serde_yaml::Value;
use std::path::{Path, PathBuf};

use super::find::{configuration_beside, not_found};
use super::position::line_of;
use super::schema::Node;
use super::variables::put_variables_in;
use crate::failure::Failure;

/// The key that names the file to merge over.
const EXTENDS: &str = "extends";

/// The text of one file with its variables put in, and its keys without `extends`.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) keys: Value,
}

impl Source {
    /// A text and the name that its `extends` gives.
    fn parse(path: &Path, text: String) -> Result<(Self, Option<String>), Failure> {
        let place = |line: Option<usize>| {
            line.map_or_else(|| path.display().to_string(), |line| format!("{}:{line}", path.display()))
        };
        let mut keys: Value = serde_yaml::from_str(&text).map_err(|error| {
            Failure::usage(format!("{}: {error}", place(error.location().map(|location| location.line()))))
        })?;
        let base = match keys.as_mapping_mut().and_then(|keys| keys.shift_remove(EXTENDS)) {
            None => None,
            Some(Value::String(name)) => Some(name),
            Some(_) => {
                let place = place(line_of(&text, &[EXTENDS.to_owned()]));
                return Err(Failure::usage(format!("{place}: {EXTENDS} must be the name of a configuration")));
            }
        };
        Ok((Self { path: path.to_owned(), text, keys }, base))
    }

    /// A text that stands for itself.
    ///
    /// # Errors
    /// When it is not YAML.
    pub(super) fn alone(path: &Path, text: String) -> Result<Self, Failure> {
        Ok(Self::parse(path, text)?.0)
    }
}

/// Reads a file and those that it is merged over, one after the other.
///
/// # Errors
/// When a file cannot be read, is not YAML or has a variable without value, or when files extend each other in a circle.
pub(super) fn read(path: &Path) -> Result<Vec<Source>, Failure> {
    let mut sources: Vec<Source> = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next.take() {
        let text = text::read(&path)
            .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?
            .content;
        let text = put_variables_in(&text, &path, |name| std::env::var(name).ok())?;
        let (source, base) = Source::parse(&path, text)?;
        next = base.map(|name| base_of(&sources, &source, &name)).transpose()?;
        sources.push(source);
    }
    Ok(sources)
}

/// The file that the last of `sources` extends.
fn base_of(sources: &[Source], last: &Source, name: &str) -> Result<PathBuf, Failure> {
    let line = line_of(&last.text, &[EXTENDS.to_owned()]).unwrap_or(1);
    let place = format!("{}:{line}", last.path.display());
    let chain: String = sources.iter().chain([last]).map(|source| format!("{} -> ", source.path.display())).collect();
    let Some(base) = configuration_beside(&last.path, name) else {
        let sentence =
            format!("{place}: no configuration {name} is beside this file or in a configs folder ({chain}{name})");
        return Err(not_found(&sentence, name));
    };
    let real = |path: &Path| path.canonicalize().ok();
    if sources.iter().chain([last]).any(|source| real(&source.path) == real(&base)) {
        let base = base.display();
        return Err(Failure::usage(format!("{place}: configurations extend each other in a circle ({chain}{base})")));
    }
    Ok(base)
}

/// Puts `keys` over `base`: sections are merged, anything else replaces what is there. A section that is written in another of
/// the forms that the schema has for it, such as another optimiser, replaces the base's.
pub(super) fn merge(base: &mut Value, keys: Value, schema: Option<Node<'_>>) {
    let form = |value: &Value| schema.and_then(|schema| schema.only_form_of(value));
    let (old, new) = (form(base), form(&keys));
    let same_form = old.zip(new).is_none_or(|(old, new)| old.is_same_as(new));
    match (base, keys) {
        (Value::Mapping(base), Value::Mapping(keys)) if same_form => {
            for (key, value) in keys {
                let below = new.or(old).zip(key.as_str()).and_then(|(form, key)| form.key(key));
                match base.get_mut(&key) {
                    Some(place) => merge(place, value, below),
                    None => {
                        base.insert(key, value);
                    }
                }
            }
        }
        (place, keys) => *place = keys,
    }
}
