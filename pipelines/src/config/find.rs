//! Finds configurations by path or by name.

use std::path::{Path, PathBuf};

use super::check::nearest;
use crate::failure::Failure;

/// Names that a hint lists at most.
const MAX_LISTED_NAMES: usize = 8;

/// Finds a configuration by path, or by name in a `configs` folder here or above the program.
///
/// # Errors
/// When nothing is found; the hint lists the names that are there.
pub fn configuration_path(name: &str) -> Result<PathBuf, Failure> {
    let given = PathBuf::from(name);
    if given.is_file() {
        return Ok(given);
    }
    by_name(name).ok_or_else(|| not_found(&format!("no configuration {name} is here or in a configs folder"), name))
}

/// Finds a configuration by its path from the folder of `file`, or by name in a `configs` folder.
pub(super) fn configuration_beside(file: &Path, name: &str) -> Option<PathBuf> {
    file.parent().and_then(|folder| configuration_in(folder, name)).or_else(|| by_name(name))
}

fn by_name(name: &str) -> Option<PathBuf> {
    configs_folders().iter().find_map(|folder| configuration_in(folder, name))
}

fn configuration_in(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(name), folder.join(format!("{name}.yaml"))].into_iter().find(|path| path.is_file())
}

fn configs_folders() -> Vec<PathBuf> {
    let program = std::env::current_exe().ok().and_then(|program| program.canonicalize().ok());
    let above = program.iter().flat_map(|program| program.ancestors().skip(1)).map(|folder| folder.join("configs"));
    std::iter::once(PathBuf::from("configs")).chain(above).filter(|folder| folder.is_dir()).collect()
}

/// The error of a name that means no configuration, with the names that do.
pub(super) fn not_found(sentence: &str, name: &str) -> Failure {
    let known = configs_folders().iter().map(|folder| configurations_in(folder)).find(|names| !names.is_empty());
    let known = known.unwrap_or_default();
    let failure = Failure::usage(sentence);
    match nearest(name, known.iter().map(String::as_str)) {
        Some(meant) => failure.hint(format!("Did you mean {meant}?")),
        None if known.is_empty() => failure.hint("Name a YAML file by its path."),
        None => {
            let more = known.len().saturating_sub(MAX_LISTED_NAMES);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            failure.hint(format!("Known: {}{more}.", known[..known.len().min(MAX_LISTED_NAMES)].join(", ")))
        }
    }
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
