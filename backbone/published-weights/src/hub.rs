//! Files of repositories, in the cache that Python's `huggingface_hub` shares.
//!
//! `hf-hub` asks the hub for commit, entity tag and size of a file, and knows the layout of the cache:
//!
//! ```text
//! models--timm--mobileone_s0.apple_in1k/
//!     blobs/ENTITY-TAG                               the file
//!     snapshots/COMMIT/model.safetensors             a link to it
//!     refs/main                                      the commit
//! ```
//!
//! The file itself is transferred and checked [here](crate::transfer) before it gets a name there. The version 0.5 of `hf-hub` is used:
//! 1.0 brings 200 crates (an asynchronous runtime, a second protocol) and no longer resumes.

use hf_hub::api::sync::{ApiBuilder, ApiError, Metadata};
use hf_hub::{Cache, CacheRepo, Repo, RepoType};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use ureq::Agent;

use crate::checksum::{is_sha256, sha256};
use crate::error::{Error, cannot};
use crate::lock::Lock;
use crate::name::{HubFile, Name};
use crate::progress::Progress;
use crate::settings::Settings;
use crate::transfer::{Remote, Tries, agent};
use crate::{Found, Origin};

const IN_PATHS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn repository(file: &HubFile) -> Repo {
    Repo::with_revision(file.repository.clone(), RepoType::Model, file.revision.clone())
}

fn cache(settings: &Settings, file: &HubFile) -> CacheRepo {
    Cache::new(settings.hub_cache.clone()).repo(repository(file))
}

fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|digit| digit.is_ascii_hexdigit())
}

pub(crate) fn cached(settings: &Settings, file: &HubFile) -> Option<Found> {
    let cache = cache(settings, file);
    let path = if is_commit(&file.revision) {
        Some(cache.pointer_path(&file.revision).join(&file.file)).filter(|path| path.exists())
    } else {
        cache.get(&file.file)
    };
    path.map(|path| found(&cache, path, Origin::Cache))
}

fn found(cache: &CacheRepo, path: PathBuf, origin: Origin) -> Found {
    let below = path.strip_prefix(cache.pointer_path("")).ok();
    let commit = below.and_then(|below| below.components().next());
    let revision = commit.map(|commit| commit.as_os_str().to_string_lossy().into_owned());
    Found { path, revision, recorded_sha256: None, origin }
}

pub(crate) fn fetch(settings: &Settings, file: &HubFile, progress: &dyn Progress) -> Result<Found, Error> {
    let agent = agent(&settings.patience);
    let mut remote = remote(settings, file, None, &agent);
    let metadata = ask(settings, &mut remote, progress)?;
    let tag = metadata.etag().trim_start_matches("W/");
    let plain =
        |word: &str| !word.is_empty() && word.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'-');
    if !plain(tag) || !plain(metadata.commit_hash()) {
        return Err(remote.answer("stated a commit or an entity tag that is none"));
    }

    let cache = cache(settings, file);
    let blob = cache.blob_path(tag);
    let folder = blob.parent().unwrap_or(&settings.hub_cache);
    std::fs::create_dir_all(folder).map_err(cannot("create", folder))?;
    let locks = settings.hub_cache.join(".locks").join(repository(file).folder_name());
    let _lock = Lock::take(&locks.join(format!("{tag}.lock")), progress)?;
    let origin = if blob.exists() { Origin::Cache } else { Origin::Download };
    if origin == Origin::Download {
        download(&remote, &blob, tag, metadata.size() as u64, settings, progress)?;
    }
    let pointer = cache.pointer_path(metadata.commit_hash()).join(&file.file);
    link(&pointer, &file.file, tag)?;
    if !is_commit(&file.revision) && cache.get(&file.file).as_ref() != Some(&pointer) {
        cache.create_ref(metadata.commit_hash()).map_err(cannot("write", &settings.hub_cache))?;
    }
    Ok(found(&cache, pointer, origin))
}

/// Downloads into `blob`. The partial file has the name that earlier versions of `huggingface_hub` resume too.
fn download(
    remote: &Remote<'_>,
    blob: &Path,
    tag: &str,
    size: u64,
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let part = blob.with_file_name(format!("{tag}.incomplete"));
    let mut resumed = part.exists();
    loop {
        remote.complete(&part, size, None, &settings.patience, progress)?;
        let found = if is_sha256(tag) { sha256(&part).map_err(cannot("read", &part))? } else { tag.to_owned() };
        if found == tag {
            return std::fs::rename(&part, blob).map_err(cannot("write", blob));
        }
        std::fs::remove_file(&part).map_err(cannot("delete", &part))?;
        if !resumed {
            let (name, host) = (remote.name.clone(), remote.host.clone());
            return Err(Error::Checksum { name, host, expected: tag.to_owned(), found });
        }
        progress.note("the part that an earlier download left is damaged: starting anew");
        resumed = false;
    }
}

/// Links to the blob by a relative path, so that the cache can be moved.
fn link(pointer: &Path, file: &str, tag: &str) -> Result<(), Error> {
    let folder = pointer.parent().unwrap_or(pointer);
    std::fs::create_dir_all(folder).map_err(cannot("create", folder))?;
    let target = format!("{}blobs/{tag}", "../".repeat(2 + file.matches('/').count()));
    if std::fs::read_link(pointer).is_ok_and(|known| known == Path::new(&target)) {
        return Ok(());
    }
    match std::fs::remove_file(pointer) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(cannot("delete", pointer)(error)),
        _ => std::os::unix::fs::symlink(target, pointer).map_err(cannot("link", pointer)),
    }
}

/// The file on the hub.
fn remote<'a>(settings: &Settings, file: &HubFile, token: Option<&'a str>, agent: &'a Agent) -> Remote<'a> {
    let (endpoint, repository) = (&settings.endpoint, repository(file));
    let path = utf8_percent_encode(&file.file, IN_PATHS);
    Remote {
        agent,
        url: format!("{endpoint}/{}/resolve/{}/{path}", repository.url(), repository.url_revision()),
        name: Name::Hub(file.clone()).to_string(),
        host: endpoint.split_once("://").map_or(endpoint.as_str(), |(_, host)| host).to_owned(),
        token,
        on_hub: true,
    }
}

/// What the hub states about a file; `remote` has the token that it wanted afterwards.
///
/// `hf-hub` sends the token to the server that the hub redirects to as well. So it gets one only where the hub refuses without: it is
/// never sent for a public file.
fn ask<'a>(settings: &'a Settings, remote: &mut Remote<'a>, progress: &dyn Progress) -> Result<Metadata, Error> {
    let mut tries = Tries::new(&settings.patience);
    loop {
        match ask_once(settings, remote) {
            Err(Error::Status { status: 401 | 403 | 429, token: false, .. }) if settings.token.is_some() => {
                remote.token = settings.token.as_deref();
            }
            Err(error) => tries.again(error, progress)?,
            Ok(metadata) => return Ok(metadata),
        }
    }
}

/// Asks on a thread of its own: `hf-hub` waits without a limit, and panics on some answers of servers that are no hubs.
fn ask_once(settings: &Settings, remote: &Remote<'_>) -> Result<Metadata, Error> {
    let client = ApiBuilder::from_cache(Cache::new(settings.hub_cache.clone()))
        .with_token(remote.token.map(str::to_owned))
        .with_user_agent("mobileone", env!("CARGO_PKG_VERSION"))
        .build()
        .map_err(|error| explained(remote, error))?;
    let (sender, answer) = mpsc::channel();
    let url = remote.url.clone();
    std::thread::spawn(move || sender.send(client.metadata(&url)));
    match answer.recv_timeout(settings.patience.silence) {
        Ok(answer) => answer.map_err(|error| explained(remote, error)),
        Err(RecvTimeoutError::Timeout) => Err(remote.silent()),
        Err(RecvTimeoutError::Disconnected) => Err(remote.answer("does not answer as a hub does")),
    }
}

fn explained(remote: &Remote<'_>, error: ApiError) -> Error {
    match error {
        ApiError::RequestError(error) => remote.connection(*error),
        error => remote.answer(format!("does not answer as a hub does ({error})")),
    }
}
