//! What a name of weights means.

use std::fmt;

use crate::error::Error;
use crate::list::published;
use crate::settings::HUB;

/// The file of a repository's weights, unless another one is named.
const FILE: &str = "model.safetensors";
/// The revision, unless another one is named.
const REVISION: &str = "main";
const SCHEMES: [&str; 3] = ["hf://", "https://", "http://"];
/// How files of weights end, which no repository's name does.
const ENDINGS: [&str; 7] = [".safetensors", ".pth", ".pt", ".tar", ".bin", ".ckpt", ".yaml"];

/// The weights that a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// A file of a repository on the hub.
    Hub(HubFile),
    /// A file at an address.
    Address(Address),
}

/// A file of a repository on the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubFile {
    /// `organisation/repository`.
    pub repository: String,
    /// A branch, a tag or a commit.
    pub revision: String,
    /// Its path in the repository.
    pub file: String,
}

/// A file at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The complete address.
    pub url: String,
    /// The server, with its port if it names one.
    pub host: String,
    /// The last part of the path.
    pub file: String,
    /// The name in the list of published files, where it has one.
    pub published: Option<&'static str>,
}

impl Name {
    /// Reads a name.
    ///
    /// # Errors
    /// When it has none of the forms in the [crate's table](crate).
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |reason| Error::Name { name: text.to_owned(), reason };
        if let Some(address) = published(text).and_then(|file| Some((file.name, file.address?))) {
            return address_of(address.1, Some(address.0)).map(Self::Address).map_err(wrong);
        }
        if let Some(path) = text.strip_prefix("hf://") {
            return hub_file(path).map(Self::Hub).map_err(wrong);
        }
        if text.starts_with("https://") || text.starts_with("http://") {
            let address = match text.strip_prefix(HUB).and_then(|path| path.strip_prefix('/')) {
                Some(path) => return hub_page(path).map(Self::Hub).map_err(wrong),
                None => address_of(text, None),
            };
            return address.map(Self::Address).map_err(wrong);
        }
        let file = hub_file(text).map_err(wrong)?;
        if ENDINGS.iter().any(|ending| file.repository.ends_with(ending)) {
            return Err(wrong("it looks like the path of a file"));
        }
        Ok(Self::Hub(file))
    }

    /// Reads a word that may be a path as well: only a published file's name and those with a scheme are names then, so that a path
    /// with a typing error is never sent to a server.
    ///
    /// # Errors
    /// As [`Name::parse`].
    pub fn instead_of_a_path(text: &str) -> Option<Result<Self, Error>> {
        let certain = published(text).is_some() || SCHEMES.iter().any(|scheme| text.starts_with(scheme));
        certain.then(|| Self::parse(text))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub(file) => {
                let bare = file.revision == REVISION && file.file == FILE;
                if bare && published(&file.repository).is_some() {
                    return out.write_str(&file.repository);
                }
                write!(out, "hf://{}", file.repository)?;
                if file.revision != REVISION {
                    write!(out, "@{}", file.revision)?;
                }
                if file.file != FILE { write!(out, "/{}", file.file) } else { Ok(()) }
            }
            Self::Address(address) => out.write_str(address.published.unwrap_or(&address.url)),
        }
    }
}

/// `ORG/REPOSITORY[@REVISION][/FILE]`.
fn hub_file(path: &str) -> Result<HubFile, &'static str> {
    let mut parts = path.splitn(3, '/');
    let (Some(organisation), Some(repository)) = (parts.next(), parts.next()) else {
        return Err("it is not of the form ORG/REPOSITORY");
    };
    let (repository, revision) = repository.split_once('@').unwrap_or((repository, REVISION));
    checked(organisation, repository, revision, parts.next().unwrap_or(FILE))
}

/// `ORG/REPOSITORY`, or `ORG/REPOSITORY/(blob|resolve)/REVISION/FILE` as in a browser.
fn hub_page(path: &str) -> Result<HubFile, &'static str> {
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let parts: Vec<&str> = path.splitn(5, '/').collect();
    match parts[..] {
        [organisation, repository] => checked(organisation, repository, REVISION, FILE),
        [organisation, repository, "blob" | "resolve" | "raw", revision, file] => {
            checked(organisation, repository, revision, file)
        }
        _ => Err("it is no page of a repository or of a file in one"),
    }
}

fn checked(organisation: &str, repository: &str, revision: &str, file: &str) -> Result<HubFile, &'static str> {
    let word = |text: &str| {
        let known = |letter: u8| letter.is_ascii_alphanumeric() || b"._-".contains(&letter);
        text.bytes().all(known) && text.bytes().any(|letter| letter.is_ascii_alphanumeric()) && !text.contains("..")
    };
    if !word(organisation) || !word(repository) {
        return Err("it is not of the form ORG/REPOSITORY");
    }
    if !word(revision) {
        return Err("the revision is not a branch, a tag or a commit");
    }
    if file.split('/').any(|part| part.is_empty() || part == "." || part == "..") || file.contains(['\\', '\0']) {
        return Err("the file is not a path in the repository");
    }
    Ok(HubFile {
        repository: format!("{organisation}/{repository}"),
        revision: revision.to_owned(),
        file: file.to_owned(),
    })
}

fn address_of(url: &str, published: Option<&'static str>) -> Result<Address, &'static str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    // A user and password would end up in the cache's folder names and in messages.
    if host.is_empty() || host.contains('@') {
        return Err("the address names no server, or a user");
    }
    if !host.bytes().all(|letter| letter.is_ascii_alphanumeric() || b".-:[]".contains(&letter)) {
        return Err("the address names no server");
    }
    let file = path.rsplit('/').next().unwrap_or_default();
    let plain = file.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"._-+%=~".contains(&letter));
    if file.is_empty() || file.starts_with('.') || !plain {
        return Err("the address does not end with the name of a file");
    }
    Ok(Address { url: url.to_owned(), host: host.to_owned(), file: file.to_owned(), published })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::PUBLISHED;

    fn hub(text: &str) -> (String, String, String) {
        match Name::parse(text).unwrap() {
            Name::Hub(HubFile { repository, revision, file }) => (repository, revision, file),
            Name::Address(address) => panic!("{text} is {address:?}"),
        }
    }

    fn file(repository: &str, revision: &str, file: &str) -> (String, String, String) {
        (repository.to_owned(), revision.to_owned(), file.to_owned())
    }

    #[test]
    fn every_published_name_is_read_and_printed_as_it_is() {
        for published in PUBLISHED {
            let name = Name::parse(published.name).unwrap();
            assert_eq!(name.to_string(), published.name);
            assert_eq!(Name::instead_of_a_path(published.name).unwrap().unwrap(), name);
            match (name, published.address) {
                (Name::Hub(hub), None) => assert_eq!(hub.repository, published.name),
                (Name::Address(address), Some(url)) => assert_eq!(address.url, url),
                (name, _) => panic!("{name:?}"),
            }
        }
    }

    #[test]
    fn a_repository_may_name_revision_and_file() {
        assert_eq!(hub("me/mine"), file("me/mine", "main", "model.safetensors"));
        assert_eq!(hub("hf://me/mine"), hub("me/mine"));
        assert_eq!(hub("hf://me/mine@v1.0"), file("me/mine", "v1.0", "model.safetensors"));
        assert_eq!(hub("me/mine/epoch/9.safetensors"), file("me/mine", "main", "epoch/9.safetensors"));
        let page = "https://huggingface.co/me/mine/blob/main/best.safetensors?download=true";
        assert_eq!(hub(page), hub("hf://me/mine/best.safetensors"));
        assert_eq!(hub("https://huggingface.co/me/mine/"), hub("hf://me/mine"));
        for text in ["hf://me/mine", "hf://me/mine@v1.0", "hf://me/mine@v1/a/b.pth"] {
            assert_eq!(Name::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_path_with_a_typing_error_is_never_sent_to_a_server() {
        for path in ["runs/s0", "weights/s0.safetensors", "./timm/mobileone_s0.apple_in1k", "timm/mobileone_s9"] {
            assert_eq!(Name::instead_of_a_path(path).map(|name| name.is_ok()), None, "{path}");
        }
        assert!(Name::instead_of_a_path("hf://runs").unwrap().is_err());
    }

    #[test]
    fn a_name_never_leads_out_of_the_cache() {
        for text in [
            "hf://../x",
            "hf://a/..",
            "hf://a/b@../c",
            "hf://a/b/../../c",
            "hf://a/b//c",
            "hf://a/b/./c",
            "hf://a/b/",
            "hf://a/b/c\\d",
            "hf://",
            "hf://a",
            "mobileone_s0",
            "weights/s0.pth.tar",
            "a b/c",
            "",
            "https://",
            "https://host",
            "https://host/",
            "https://host/..",
            "https://host/a%2F..%2F..",
            "https://me:secret@host/file",
            "https://ho st/file",
            "https://host/a/.hidden",
            "https://huggingface.co/me",
            "https://huggingface.co/me/x/tree/main",
        ] {
            match Name::parse(text) {
                Err(Error::Name { .. }) => {}
                Ok(Name::Address(Address { file, .. })) => assert!(!file.contains('/') && file != "..", "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
