//! Why there is no file, and what to do.

use std::io;
use std::path::{Path, PathBuf};

/// Why a file could not be had: one sentence; [`Error::hint`] is the next step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that means nothing.
    #[error("`{name}` does not name published weights: {reason}")]
    Name {
        /// As given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Neither variable nor account says where the cache is.
    #[error("no folder for the cache: this account has no home folder")]
    NoHome,
    /// The file is not in the cache, and the network may not be used.
    #[error("{name} is not in the cache, and {variable} is set")]
    Offline {
        /// The weights.
        name: String,
        /// The variable that forbids the network.
        variable: &'static str,
    },
    /// An answer of the server that is not the file.
    #[error("cannot fetch {name}: {host} answered {status} ({})", meaning(*status))]
    Status {
        /// The weights.
        name: String,
        /// The server.
        host: String,
        /// The status code.
        status: u16,
        /// Whether a token was sent.
        token: bool,
        /// Whether it is a file of a repository.
        on_hub: bool,
    },
    /// No connection, or one that ended or fell silent.
    #[error("cannot fetch {name} from {host}: {reason}")]
    Connection {
        /// The weights.
        name: String,
        /// The server.
        host: String,
        /// What the network reported.
        reason: String,
    },
    /// The connection ended too early, every time.
    #[error("cannot fetch {name} from {host}: the connection ended after {received} of {size} bytes")]
    Cut {
        /// The weights.
        name: String,
        /// The server.
        host: String,
        /// Bytes that are here.
        received: u64,
        /// Bytes of the complete file.
        size: u64,
    },
    /// An answer that this program cannot use.
    #[error("cannot fetch {name}: {host} {what}")]
    Answer {
        /// The weights.
        name: String,
        /// The server.
        host: String,
        /// What it did.
        what: String,
    },
    /// Another file than the published one.
    #[error("{host} sent another file for {name} than it stated: SHA-256 {found}, expected {expected}")]
    Checksum {
        /// The weights.
        name: String,
        /// The server.
        host: String,
        /// What the server stated.
        expected: String,
        /// What came.
        found: String,
    },
    /// Another file than the first one from this address.
    #[error("{name} has changed since its first download: SHA-256 {found}, recorded {recorded}")]
    Changed {
        /// The weights.
        name: String,
        /// SHA-256 of the first download.
        recorded: String,
        /// SHA-256 of this one.
        found: String,
        /// The file that records the first one.
        record: PathBuf,
    },
    /// A file or folder of the cache.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
}

/// For `map_err`.
pub(crate) fn cannot(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |cause| Error::Io { action, path: path.clone(), cause }
}

fn meaning(status: u16) -> &'static str {
    match status {
        401 => "not authorised",
        403 => "forbidden",
        404 | 410 => "not found",
        407 => "the proxy wants a login",
        429 => "too many requests",
        500..=599 => "an error of the server",
        _ => "not a file",
    }
}

impl Error {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Name { .. } => {
                "Known: timm/mobileone_s0.apple_in1k, apple/mobileone_s0, apple/mobileone_s0_unfused (up to s4); others as hf://ORG/REPOSITORY or https://ADDRESS."
            }
            Self::NoHome => "Set HF_HOME to a folder.",
            Self::Offline { variable, .. } => {
                return Some(format!(
                    "Unset {variable}, or fetch the file on a machine with a network and copy the cache."
                ));
            }
            Self::Status { status: 401 | 403, on_hub: true, token: false, .. } => {
                "The repository is private, or there is none of that name. For a private one set HF_TOKEN, or log in with `hf auth login`."
            }
            Self::Status { status: 401 | 403, on_hub: true, token: true, .. } => {
                "The token was refused: it may have expired, lack access to the repository, or its conditions are not accepted yet on the repository's page."
            }
            Self::Status { status: 404 | 410, on_hub: true, .. } => {
                "Check organisation, repository, revision and file: hf://ORG/REPOSITORY@REVISION/FILE; without FILE it is model.safetensors."
            }
            Self::Status { status: 404 | 410, .. } => "Check the address.",
            Self::Status { status: 407, .. } => "Put user and password into HTTPS_PROXY.",
            Self::Status { status: 429 | 500..=599, .. } => "Try again later; what has arrived is kept.",
            Self::Connection { .. } | Self::Cut { .. } => {
                "Check the network, HTTPS_PROXY and HF_ENDPOINT, and run it again: what has arrived is kept."
            }
            Self::Answer { .. } => "Check HF_ENDPOINT and the address; a proxy or a login page may have answered.",
            Self::Checksum { .. } => {
                "Nothing was kept. Run it again; if the error stays, do not use that server (HF_ENDPOINT)."
            }
            Self::Changed { record, .. } => {
                return Some(format!("If the new file is meant, delete {}.", record.display()));
            }
            Self::Io { cause, .. }
                if matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
            {
                "Free some space on that disk, or set HF_HOME to a folder on another one."
            }
            Self::Io { cause, .. }
                if matches!(cause.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) =>
            {
                "Set HF_HOME to a folder that you may write."
            }
            Self::Status { .. } | Self::Io { .. } => return None,
        };
        Some(text.to_owned())
    }

    /// Whether the next try may succeed.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Status { status: 408 | 429 | 500..=599, .. } | Self::Connection { .. } | Self::Cut { .. })
    }
}
