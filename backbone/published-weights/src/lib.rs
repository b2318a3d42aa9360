#![doc = include_str!("../README.md")]
//!
//! | module | contents |
//! |---|---|
//! | [`list`] | the published files |
//! | [`name`] | what a name means |
//! | [`settings`] | cache, hub and token, from the variables that Python reads too |
//! | [`progress`] | who hears how far a download is |
//! | [`error`] | why there is no file, and what to do |

mod address;
mod checksum;
pub mod error;
mod hub;
pub mod list;
mod lock;
pub mod name;
pub mod progress;
pub mod settings;
mod transfer;

use std::path::PathBuf;

pub use error::Error;
pub use list::{Form, PUBLISHED, Published};
pub use name::Name;
pub use progress::Progress;
pub use settings::Settings;

/// Whether the cache decides, or the publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// What is in the cache is used without asking.
    Cached,
    /// The publisher is asked for the newest file.
    Newest,
}

/// Where a file came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was in the cache.
    Cache,
    /// It was downloaded.
    Download,
}

/// A file of weights on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// The commit of its repository; none for a file from an address.
    pub revision: Option<String>,
    /// The SHA-256 that was recorded with the first download; none for a file of a repository.
    pub recorded_sha256: Option<String>,
    /// Where it came from.
    pub origin: Origin,
}

/// The file that `name` means, where it is in the cache. Asks nobody.
pub fn cached(settings: &Settings, name: &Name) -> Option<Found> {
    match name {
        Name::Hub(file) => hub::cached(settings, file),
        Name::Address(address) => address::cached(settings, address),
    }
}

/// The file that `name` means, downloaded into the cache where it is not there yet.
///
/// # Errors
/// When it is not in the cache and cannot be downloaded.
pub fn fetch(settings: &Settings, name: &Name, freshness: Freshness, progress: &dyn Progress) -> Result<Found, Error> {
    if freshness == Freshness::Cached
        && let Some(found) = cached(settings, name)
    {
        return Ok(found);
    }
    if let Some(variable) = settings.offline {
        return Err(Error::Offline { name: name.to_string(), variable });
    }
    match name {
        Name::Hub(file) => hub::fetch(settings, file, progress),
        Name::Address(address) => address::fetch(settings, address, progress),
    }
}
