//! Cache, hub and token, from the variables that Python's `huggingface_hub` reads.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Error;

/// The hub without `HF_ENDPOINT`.
pub const HUB: &str = "https://huggingface.co";

/// How long to try.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Tries in a row that bring nothing before the download fails.
    pub tries: u32,
    /// The pause before the second try; it doubles with every further one.
    pub pause: Duration,
    /// How long a server may stay silent.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { tries: 5, pause: Duration::from_secs(1), silence: Duration::from_secs(30) }
    }
}

/// Where files are kept, and who is asked for them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cache of repositories.
    pub hub_cache: PathBuf,
    /// The cache of files that Python's libraries keep beside it, one folder for each library.
    pub assets_cache: PathBuf,
    /// The hub, without a slash at the end.
    pub endpoint: String,
    /// Sent to the hub where it refuses without.
    pub token: Option<String>,
    /// The variable that forbids the network, where one does.
    pub offline: Option<&'static str>,
    /// How long to try.
    pub patience: Patience,
}

impl Settings {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// When no variable names the cache and there is no home folder.
    pub fn from_environment() -> Result<Self, Error> {
        Self::from_variables(&|name| std::env::var(name).ok())
    }

    /// Reads the variables that `get` has. An empty one counts as not set.
    ///
    /// # Errors
    /// As [`Settings::from_environment`].
    pub fn from_variables(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let get = |name: &str| get(name).filter(|value| !value.trim().is_empty());
        let user = get("HOME").map(PathBuf::from).or_else(std::env::home_dir);
        let folder = |names: &[&str]| {
            let value = names.iter().find_map(|name| get(name))?;
            Some(in_home(&value, user.as_deref()))
        };
        let home = folder(&["HF_HOME"])
            .or_else(|| folder(&["XDG_CACHE_HOME"]).map(|cache| cache.join("huggingface")))
            .or_else(|| user.as_ref().map(|user| user.join(".cache/huggingface")));
        let below_home = |name: &str| home.as_ref().map(|home| home.join(name)).ok_or(Error::NoHome);
        let hub_cache = folder(&["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"]).map_or_else(|| below_home("hub"), Ok)?;
        let assets_cache =
            folder(&["HF_ASSETS_CACHE", "HUGGINGFACE_ASSETS_CACHE"]).map_or_else(|| below_home("assets"), Ok)?;
        let endpoint = get("HF_ENDPOINT").unwrap_or_else(|| HUB.to_owned());
        let token_file = folder(&["HF_TOKEN_PATH"]).or_else(|| below_home("token").ok());
        let token = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]
            .iter()
            .find_map(|name| get(name))
            .or_else(|| std::fs::read_to_string(token_file?).ok())
            .map(|token| token.split_whitespace().collect::<String>())
            .filter(|token| {
                !token.is_empty() && !get("HF_HUB_DISABLE_IMPLICIT_TOKEN").is_some_and(|word| is_true(&word))
            });
        let offline = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"];
        Ok(Self {
            hub_cache,
            assets_cache,
            endpoint: endpoint.trim().trim_end_matches('/').to_owned(),
            token,
            offline: offline.into_iter().find(|name| get(name).is_some_and(|word| is_true(&word))),
            patience: Patience::default(),
        })
    }
}

fn is_true(word: &str) -> bool {
    ["1", "ON", "YES", "TRUE"].iter().any(|known| known.eq_ignore_ascii_case(word.trim()))
}

/// A path that may begin with `~/`, which a shell does not replace inside of quotes.
fn in_home(value: &str, user: Option<&Path>) -> PathBuf {
    match (value.strip_prefix("~/"), user) {
        (Some(rest), Some(user)) => user.join(rest),
        _ => PathBuf::from(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let get = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Settings::from_variables(&get).unwrap()
    }

    #[test]
    fn the_cache_is_where_python_has_it() {
        let hub = |variables: &[(&str, &str)]| settings(&[&[("HOME", "/home/me")], variables].concat()).hub_cache;
        assert_eq!(hub(&[]), Path::new("/home/me/.cache/huggingface/hub"));
        assert_eq!(hub(&[("XDG_CACHE_HOME", "/xdg")]), Path::new("/xdg/huggingface/hub"));
        assert_eq!(hub(&[("HF_HOME", "~/hf"), ("XDG_CACHE_HOME", "/xdg")]), Path::new("/home/me/hf/hub"));
        assert_eq!(hub(&[("HF_HOME", "/hf"), ("HUGGINGFACE_HUB_CACHE", "/old")]), Path::new("/old"));
        assert_eq!(hub(&[("HF_HUB_CACHE", "/new"), ("HUGGINGFACE_HUB_CACHE", "/old")]), Path::new("/new"));
        assert_eq!(hub(&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "")]), Path::new("/hf/hub"));
        assert_eq!(settings(&[("HF_HOME", "/hf")]).assets_cache, Path::new("/hf/assets"));
        assert_eq!(settings(&[("HF_HOME", "/hf"), ("HF_ASSETS_CACHE", "/a")]).assets_cache, Path::new("/a"));
    }

    #[test]
    fn the_token_is_the_one_that_python_finds() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
            folder.path().join(name).to_string_lossy().into_owned()
        };
        let elsewhere = file("elsewhere", "from_path");
        let home = folder.path().to_string_lossy().into_owned();
        let token = |variables: &[(&str, &str)]| settings(&[&[("HF_HOME", home.as_str())], variables].concat()).token;
        assert_eq!(token(&[]), None);
        file("token", " from_file\n");
        assert_eq!(token(&[]).as_deref(), Some("from_file"));
        assert_eq!(token(&[("HF_TOKEN_PATH", &elsewhere)]).as_deref(), Some("from_path"));
        assert_eq!(token(&[("HUGGING_FACE_HUB_TOKEN", "older")]).as_deref(), Some("older"));
        assert_eq!(token(&[("HF_TOKEN", "hf_1\n"), ("HUGGING_FACE_HUB_TOKEN", "older")]).as_deref(), Some("hf_1"));
        assert_eq!(token(&[("HF_TOKEN", "hf_1"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]), None);
    }

    #[test]
    fn the_network_is_forbidden_by_the_words_that_python_takes_for_true() {
        let offline = |word: &str| settings(&[("HF_HOME", "/hf"), ("HF_HUB_OFFLINE", word)]).offline;
        assert_eq!(offline("1"), Some("HF_HUB_OFFLINE"));
        assert_eq!(offline("yes"), Some("HF_HUB_OFFLINE"));
        assert_eq!(offline("0"), None);
        assert_eq!(settings(&[("HF_HOME", "/"), ("TRANSFORMERS_OFFLINE", "ON")]).offline, Some("TRANSFORMERS_OFFLINE"));
    }

    #[test]
    fn a_mirror_replaces_the_hub() {
        assert_eq!(settings(&[("HF_HOME", "/hf")]).endpoint, HUB);
        assert_eq!(settings(&[("HF_HOME", "/hf"), ("HF_ENDPOINT", "http://mirror:80/")]).endpoint, "http://mirror:80");
    }
}
