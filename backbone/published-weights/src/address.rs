//! Files at addresses, such as Apple's own, in a folder of this program beside Python's cache.
//!
//! ```text
//! assets/mobileone/HOST/HASH OF THE ADDRESS/
//!     mobileone_s0.pth.tar
//!     mobileone_s0.pth.tar.sha256       recorded with the first download, as sha256sum writes it
//! ```

use std::path::{Path, PathBuf};
use ureq::http::{HeaderMap, StatusCode, header};

use crate::checksum::{of_text, sha256};
use crate::error::{Error, cannot};
use crate::lock::Lock;
use crate::name::{Address, Name};
use crate::progress::Progress;
use crate::settings::Settings;
use crate::transfer::{Remote, Tries, agent, content_length, content_range};
use crate::{Found, Origin};

/// The folder of this program among those of Python's libraries.
const LIBRARY: &str = "mobileone";
/// Digits of the hash that keep addresses apart.
const DIGITS: usize = 16;

/// Where the file of an address is kept.
fn place(settings: &Settings, address: &Address) -> PathBuf {
    let hash = of_text(&address.url);
    settings.assets_cache.join(LIBRARY).join(&address.host).join(&hash[..DIGITS]).join(&address.file)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

fn record(path: &Path) -> PathBuf {
    beside(path, ".sha256")
}

fn recorded(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(record(path)).ok()?;
    text.split_whitespace().next().map(str::to_owned)
}

pub(crate) fn cached(settings: &Settings, address: &Address) -> Option<Found> {
    let path = place(settings, address);
    let recorded_sha256 = recorded(&path);
    path.is_file().then_some(Found { path, revision: None, recorded_sha256, origin: Origin::Cache })
}

pub(crate) fn fetch(settings: &Settings, address: &Address, progress: &dyn Progress) -> Result<Found, Error> {
    let path = place(settings, address);
    let before = modified(&path);
    let _lock = Lock::take(&beside(&path, ".lock"), progress)?;
    // Another process downloaded it while this one waited.
    if modified(&path) != before
        && let Some(found) = cached(settings, address)
    {
        return Ok(found);
    }
    let agent = agent(&settings.patience);
    let name = Name::Address(address.clone()).to_string();
    let (url, host) = (address.url.clone(), address.host.clone());
    let remote = Remote { agent: &agent, url, name, host, token: None, on_hub: false };
    let stated = ask(&remote, settings, progress)?;

    // The tag is in the name: a partial file is resumed only while the file at the address is still the same.
    let version = of_text(&format!("{:?} {}", stated.tag, stated.size));
    let part = beside(&path, &format!(".{}.incomplete", &version[..DIGITS]));
    remove_parts(&path, &part)?;
    if stated.tag.is_none() {
        remove(&part)?;
    }
    remote.complete(&part, stated.size, stated.tag.as_deref(), &settings.patience, progress)?;
    let found = sha256(&part).map_err(cannot("read", &part))?;
    match recorded(&path) {
        Some(recorded) if recorded != found => {
            remove(&part)?;
            return Err(Error::Changed { name: remote.name, recorded, found, record: record(&path) });
        }
        Some(_) => {}
        None => {
            let line = format!("{found}  {}\n", address.file);
            std::fs::write(record(&path), line).map_err(cannot("write", &record(&path)))?;
        }
    }
    std::fs::rename(&part, &path).map_err(cannot("write", &path))?;
    Ok(Found { path, revision: None, recorded_sha256: Some(found), origin: Origin::Download })
}

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    std::fs::metadata(path).and_then(|file| file.modified()).ok()
}

/// What a server states about a file.
struct Stated {
    size: u64,
    /// What changes with the file; none where a download cannot be resumed.
    tag: Option<String>,
}

fn ask(remote: &Remote<'_>, settings: &Settings, progress: &dyn Progress) -> Result<Stated, Error> {
    let mut tries = Tries::new(&settings.patience);
    // Not a HEAD request, which servers of signed addresses refuse.
    let response = loop {
        match remote.get(0, Some(0), None) {
            Ok(response) => break response,
            Err(error) => tries.again(error, progress)?,
        }
    };
    let size = match response.status() {
        StatusCode::PARTIAL_CONTENT => content_range(&response).map(|(_, total)| total),
        StatusCode::OK => content_length(&response),
        _ => None,
    };
    match size {
        Some(size @ 1..) => Ok(Stated { size, tag: tag(response.headers()) }),
        Some(0) => Err(remote.answer("has an empty file there")),
        None => Err(remote.answer("does not state the size of the file")),
    }
}

/// A weak entity tag does not stand for every byte; a date does, on a server of files.
fn tag(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let strong = text(header::ETAG).filter(|tag| !tag.starts_with("W/"));
    strong.or_else(|| text(header::LAST_MODIFIED)).map(str::to_owned)
}

/// Removes what is left of downloads of earlier versions of the file.
fn remove_parts(path: &Path, kept: &Path) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(path);
    let entries = std::fs::read_dir(folder).map_err(cannot("read", folder))?;
    let old = entries.flatten().map(|entry| entry.path());
    old.filter(|path| path.extension().is_some_and(|ending| ending == "incomplete") && path != kept)
        .try_for_each(|path| remove(&path))
}

fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(cannot("delete", path)(error)),
        _ => Ok(()),
    }
}
