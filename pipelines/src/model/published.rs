//! Weights by name: the one place where what a user names becomes a file.

use published_weights::{Freshness, Name, Origin, PUBLISHED, Settings};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::console::{self, Progress};
use crate::failure::Failure;

/// The file of weights that `path` means: itself where it exists, otherwise the published weights of that name, from the cache or
/// downloaded. Another path is returned as it is.
///
/// # Errors
/// When published weights cannot be had, or the path does not exist and resembles the name of some.
pub fn resolve(path: &Path) -> Result<PathBuf, Failure> {
    if let Some(file) = named(path)? {
        return Ok(file);
    }
    match std::fs::metadata(path) {
        Err(error) if nearest(path).is_some() => {
            Err(meant(&path.to_string_lossy(), Failure::cannot("read", path, &error)))
        }
        _ => Ok(path.to_owned()),
    }
}

/// The file of the published weights that `path` names, unless something exists there.
///
/// # Errors
/// When they cannot be had.
pub fn named(path: &Path) -> Result<Option<PathBuf>, Failure> {
    if path.exists() {
        return Ok(None);
    }
    let name = path.to_str().and_then(Name::instead_of_a_path).transpose()?;
    name.map(|name| fetch(&name, Freshness::Cached)).transpose()
}

/// The file of weights by name; says which ones they are and where they come from.
///
/// # Errors
/// When they cannot be had.
pub fn fetch(name: &Name, freshness: Freshness) -> Result<PathBuf, Failure> {
    let settings = Settings::from_environment()?;
    let found = published_weights::fetch(&settings, name, freshness, &Download::of(name))?;
    let version = match (&found.revision, &found.recorded_sha256) {
        (Some(revision), _) => format!("revision {revision}"),
        (None, Some(sum)) => format!("no published checksum, SHA-256 {sum}"),
        (None, None) => "no published checksum".to_owned(),
    };
    let origin = match found.origin {
        Origin::Cache => "from the cache",
        Origin::Download => "downloaded",
    };
    console::status(format!("{name} ({version}, {origin})"));
    Ok(found.path)
}

/// Adds the published name that was probably meant.
pub fn meant(text: &str, failure: Failure) -> Failure {
    match nearest(Path::new(text)) {
        Some(name) => failure.hint(format!("Did you mean {name}? `pipeline weights list` shows all.")),
        None => failure,
    }
}

/// Letters that a name may differ in.
const MAX_DISTANCE: usize = 3;

/// The published weights that resemble `path`: by their name, or by that of their file in some folder.
fn nearest(path: &Path) -> Option<&'static str> {
    let text = path.to_str()?;
    let file = path.file_name()?.to_str()?;
    let file = [".safetensors", ".pth.tar", ".pth", ".pt"].iter().find_map(|ending| file.strip_suffix(ending));
    let distance = |name: &'static str| {
        let of_file = name.split_once('/').and_then(|(_, rest)| Some(strsim::damerau_levenshtein(file?, rest)));
        of_file.into_iter().chain([strsim::damerau_levenshtein(text, name)]).min()
    };
    let known = PUBLISHED.iter().filter_map(|published| Some((distance(published.name)?, published.name)));
    known.filter(|(distance, _)| *distance <= MAX_DISTANCE).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// Shows a download: nothing before it begins.
struct Download {
    label: String,
    progress: Mutex<Option<Progress>>,
}

impl Download {
    fn of(name: &Name) -> Self {
        Self { label: name.to_string(), progress: Mutex::new(None) }
    }
}

impl published_weights::Progress for Download {
    fn begin(&self, done: u64, size: u64) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        // The old bar must be gone before a new one is drawn.
        drop(progress.take());
        *progress = Some(Progress::of_bytes(&self.label, done, size));
    }

    fn advance(&self, bytes: u64) {
        if let Some(progress) = &mut *self.progress.lock().unwrap_or_else(PoisonError::into_inner) {
            progress.advance(bytes, String::new);
        }
    }

    fn note(&self, text: &str) {
        console::status(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_typing_error_and_a_file_that_was_not_placed_lead_to_the_published_name() {
        let near = |path: &str| nearest(Path::new(path));
        assert_eq!(near("timm/mobileone_s1.apple_in1"), Some("timm/mobileone_s1.apple_in1k"));
        assert_eq!(near("tim/mobileone_s4.apple_in1k"), Some("timm/mobileone_s4.apple_in1k"));
        assert_eq!(near("aple/mobileone_s2_unfused"), Some("apple/mobileone_s2_unfused"));
        assert_eq!(near("weights/mobileone_s0_unfused.pth.tar"), Some("apple/mobileone_s0_unfused"));
        for path in ["imagenet/mobileone_s1", "no.safetensors", "runs/s0", "w.safetensors", "weights/resnet50.pth"] {
            assert_eq!(near(path), None, "{path}");
        }
    }

    #[test]
    fn a_path_that_names_nothing_published_stays_as_it_is() {
        for path in ["no.safetensors", "runs/s0", "weights/resnet50.pth", "/", ""] {
            assert_eq!(resolve(Path::new(path)).unwrap(), Path::new(path));
        }
        let failure = resolve(Path::new("timm/mobileone_s7.apple_in1k")).unwrap_err();
        assert!(failure.to_string().starts_with("cannot read timm/mobileone_s7.apple_in1k: "), "{failure}");
        assert!(failure.next_step().unwrap().starts_with("Did you mean timm/mobileone_s"), "{failure:?}");
    }
}
