//! From a YAML file to a checked configuration.
//!
//! Values may name environment variables, `${NAME}` or `${NAME:-default}`; `--set a.b=c` overrides any key. An error
//! names the file, the line, and for an unknown word the nearest known one.

use serde::{Deserialize, de::DeserializeOwned};
use serde_yaml::Value;
use std::path::{Path, PathBuf};

use super::{Config, Keys, TaskKind, overrides::Override};
use crate::failure::Failure;

/// A configuration's text, read and with its variables put in, before its task is known.
#[derive(Debug)]
pub struct ConfigFile {
    path: PathBuf,
    text: String,
    overrides: Vec<Override>,
}

#[derive(Deserialize)]
struct Header {
    task: TaskKind,
}

impl ConfigFile {
    /// Reads the file that `name` means (see [`configuration_path`]); `overrides` are `key=value` words.
    ///
    /// # Errors
    /// When there is no such file, it cannot be read, a variable has no value, or an override has no `=`.
    pub fn open(name: &str, overrides: &[String]) -> Result<Self, Failure> {
        let path = configuration_path(name)?;
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))?;
        let text = put_variables_in(&text, &path, |name| std::env::var(name).ok())?;
        let overrides = overrides.iter().map(|word| Override::parse(word)).collect::<Result<_, _>>()?;
        Ok(Self { path, text, overrides })
    }

    /// The configuration that a file of weights keeps in its metadata.
    ///
    /// # Errors
    /// When an override has no `=`.
    pub fn kept_in(weights: &Path, text: &str, overrides: &[String]) -> Result<Self, Failure> {
        let overrides = overrides.iter().map(|word| Override::parse(word)).collect::<Result<_, _>>()?;
        Ok(Self { path: weights.to_owned(), text: text.to_owned(), overrides })
    }

    /// The file that was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The task that the file is for.
    ///
    /// # Errors
    /// When the file is no YAML or has no known `task`.
    pub fn task(&self) -> Result<TaskKind, Failure> {
        Ok(self.typed::<Header>()?.task)
    }

    /// The whole configuration, its values checked.
    ///
    /// # Errors
    /// Unknown or missing keys, values of the wrong type or out of range.
    pub fn config<K: Keys>(&self) -> Result<Config<K>, Failure> {
        let mut config: Config<K> = self.typed()?;
        config.backbone.specification()?;
        config.train.validate()?;
        config.data.validate()?;
        if config.name.is_none() {
            config.name = self.path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        }
        config.data.root = absolute(&config.data.root)?;
        config.backbone.weights = config.backbone.weights.as_deref().map(absolute).transpose()?;
        Ok(config)
    }

    fn typed<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        match serde_yaml::from_str(&self.text) {
            Ok(value) if self.overrides.is_empty() => return Ok(value),
            Ok(_) => {}
            // An override may supply what the file leaves out.
            Err(error) if !self.overrides.is_empty() && error.to_string().contains("missing field") => {}
            Err(error) => return Err(self.explain(&error)),
        }
        let mut document: Value = serde_yaml::from_str(&self.text).map_err(|error| self.explain(&error))?;
        for change in &self.overrides {
            change.apply(&mut document)?;
        }
        serde_yaml::from_value(document).map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &serde_yaml::Error) -> Failure {
        let whole = error.to_string();
        let sentence = match whole.rfind(" at line ") {
            Some(place) => &whole[..place],
            None => &whole,
        };
        let words: Vec<&str> = sentence.split('`').skip(1).step_by(2).collect();
        let unknown = (sentence.contains("unknown field") || sentence.contains("unknown variant"))
            .then(|| words.first().copied())
            .flatten();
        let reported = error.location().map(|location| location.line());
        let line = match unknown {
            Some(word) => line_naming(&self.text, word, reported),
            None => reported,
        };
        let set_by_hand = unknown.and_then(|word| self.overrides.iter().find(|change| change.names(word)));
        let place = match (set_by_hand, line) {
            (Some(change), _) => format!("--set {change}"),
            (None, Some(line)) => format!("{}:{line}", self.path.display()),
            // A document that overrides have changed has no lines any more.
            (None, None) => {
                let sets = self.overrides.iter().map(|change| format!(" --set {change}"));
                std::iter::once(self.path.display().to_string()).chain(sets).collect()
            }
        };
        let sentence = match (unknown, sentence.find(", expected")) {
            (Some(_), Some(end)) => &sentence[..end],
            _ => sentence,
        };
        let failure = Failure::usage(format!("{place}: {sentence}"));
        match unknown.and_then(|word| nearest(word, words.iter().skip(1).copied())) {
            Some(known) => failure.hint(format!("Did you mean `{known}`?")),
            None if unknown.is_some() && words.len() > 1 => {
                failure.hint(format!("Known here: {}.", words[1..].join(", ")))
            }
            None => failure,
        }
    }
}

/// The line that holds `word`; the parser's own report is kept where it is right, and is missing for some nested keys.
fn line_naming(text: &str, word: &str, reported: Option<usize>) -> Option<usize> {
    let holds = |line: &str| {
        line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-' || c == '.')).any(|part| part == word)
    };
    match reported {
        Some(line) if text.lines().nth(line.saturating_sub(1)).is_some_and(holds) => Some(line),
        _ => text
            .lines()
            .enumerate()
            .find(|(_, line)| holds(line.split('#').next().unwrap_or_default()))
            .map(|(index, _)| index + 1)
            .or(reported),
    }
}

/// The known word that is close enough to have been meant.
fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Configurations that a hint names.
const NAMED: usize = 8;

/// Finds a configuration by path, or by name in a `configs` folder here or above the program.
///
/// # Errors
/// When nothing is found; the hint lists the names that are there.
pub fn configuration_path(name: &str) -> Result<PathBuf, Failure> {
    let given = PathBuf::from(name);
    if given.is_file() {
        return Ok(given);
    }
    let above_program = std::env::current_exe().ok().and_then(|program| program.canonicalize().ok());
    let folders = std::iter::once(PathBuf::from("configs"))
        .chain(
            above_program.iter().flat_map(|program| program.ancestors().skip(1).map(|folder| folder.join("configs"))),
        )
        .filter(|folder| folder.is_dir());
    let mut known = Vec::new();
    for folder in folders {
        for candidate in [folder.join(name), folder.join(format!("{name}.yaml"))] {
            if candidate.is_file() {
                return Ok(candidate);
            }
        }
        if known.is_empty() {
            known = configurations_in(&folder);
        }
    }
    let failure = Failure::usage(format!("no configuration {name} is here or in a configs folder"));
    Err(match nearest(name, known.iter().map(String::as_str)) {
        Some(meant) => failure.hint(format!("Did you mean {meant}?")),
        None if known.is_empty() => failure.hint("Name a YAML file by its path."),
        None => {
            let more = known.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            failure.hint(format!("Known: {}{more}.", known[..known.len().min(NAMED)].join(", ")))
        }
    })
}

/// The YAML files in a folder and in the folders in it, by their place below it.
fn configurations_in(folder: &Path) -> Vec<String> {
    let entries = |folder: &Path| {
        let found = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        found.collect::<Vec<_>>()
    };
    let deeper = entries(folder).into_iter().flat_map(|path| if path.is_dir() { entries(&path) } else { vec![path] });
    let mut names: Vec<String> = deeper
        .filter_map(|path| Some(path.strip_prefix(folder).ok()?.to_string_lossy().into_owned()))
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    // Those of the folder itself first: they are what a newcomer looks for.
    names.sort_by_key(|name| (name.contains('/'), name.clone()));
    names
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

fn put_variables_in(text: &str, path: &Path, lookup: impl Fn(&str) -> Option<String>) -> Result<String, Failure> {
    let mut out = String::with_capacity(text.len());
    for (index, line) in text.lines().enumerate() {
        let mut rest = line;
        // A comment may show the notation without meaning it.
        while let Some(start) = rest.find("${").filter(|start| !rest[..*start].contains('#')) {
            let place = || format!("{}:{}", path.display(), index + 1);
            let length = rest[start..]
                .find('}')
                .ok_or_else(|| Failure::usage(format!("{}: `${{` has no closing `}}`", place())))?;
            let inside = &rest[start + 2..start + length];
            let (name, default) = match inside.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (inside, None),
            };
            let value = lookup(name).filter(|value| !value.is_empty()).or_else(|| default.map(str::to_owned));
            out.push_str(&rest[..start]);
            out.push_str(&value.ok_or_else(|| {
                Failure::usage(format!("{}: the environment variable {name} is not set", place()))
                    .hint(format!("Set it, or write a default: ${{{name}:-value}}."))
            })?);
            rest = &rest[start + length + 1..];
        }
        out.push_str(rest);
        out.push('\n');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str) -> Result<String, Failure> {
        put_variables_in(text, Path::new("job.yaml"), |name| (name == "HERE").then(|| "/data".to_owned()))
    }

    #[test]
    fn variables_are_put_in_and_defaults_fill_what_is_not_set() {
        let text = "a: ${HERE}/coco\nb: ${THERE:-data}/voc # ${NOT}\n";
        assert_eq!(expand(text).unwrap(), "a: /data/coco\nb: data/voc # ${NOT}\n");
    }

    #[test]
    fn a_variable_without_value_names_its_line() {
        let failure = expand("a: 1\nb: ${THERE}\n").unwrap_err();
        assert_eq!(failure.to_string(), "job.yaml:2: the environment variable THERE is not set");
        assert!(expand("a: ${HERE\n").unwrap_err().to_string().contains("no closing"));
    }

    #[test]
    fn the_nearest_word_is_close_or_nothing() {
        let known = ["epochs", "batch_size", "optimizer"];
        assert_eq!(nearest("epoch", known.into_iter()), Some("epochs"));
        assert_eq!(nearest("optimiser", known.into_iter()), Some("optimizer"));
        assert_eq!(nearest("wheels", known.into_iter()), None);
    }
}
