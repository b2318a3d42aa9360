//! Weights by name, from a server on 127.0.0.1.

mod addresses;
mod faults;
mod hub;
mod server;
mod together;

use published_weights::settings::Patience;
use published_weights::{Error, Found, Freshness, Name, Progress, Settings, fetch};
use server::{Served, Server};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

const NAME: &str = "timm/mobileone_s0.apple_in1k";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn bytes(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|index| ((index + seed) * (index + 7) % 251) as u8).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file whose entity tag is its SHA-256, as a hub's.
fn served(bytes: Vec<u8>, commit: &str) -> Served {
    Served { tag: sha256(&bytes), bytes, commit: commit.to_owned() }
}

/// A server, and an empty cache.
struct Bench {
    server: Server,
    settings: Settings,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start();
        let settings = Settings {
            hub_cache: folder.path().join("hub"),
            assets_cache: folder.path().join("assets"),
            endpoint: server.address(),
            token: None,
            offline: None,
            patience: Patience { tries: 1, pause: Duration::from_millis(1), silence: Duration::from_secs(5) },
        };
        Self { server, settings, folder }
    }

    /// With [`NAME`] on the server: 100,000 bytes.
    fn with_weights() -> (Self, Served) {
        let bench = Self::new();
        let file = served(bytes(100_000, 0), COMMIT);
        bench.server.serve(NAME, "model.safetensors", &file);
        (bench, file)
    }

    fn fetch(&self, name: &str) -> Result<Found, Error> {
        self.fetch_as(name, Freshness::Cached, &())
    }

    fn fetch_as(&self, name: &str, freshness: Freshness, progress: &dyn Progress) -> Result<Found, Error> {
        fetch(&self.settings, &Name::parse(name).unwrap(), freshness, progress)
    }

    /// Every file and link in the cache, by its path there.
    fn files(&self) -> Vec<String> {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_type().unwrap().is_dir() { walk(&entry.path(), found) } else { found.push(entry.path()) }
            }
        }
        let mut found = Vec::new();
        walk(self.folder.path(), &mut found);
        let below = |path: &PathBuf| path.strip_prefix(self.folder.path()).unwrap().to_string_lossy().into_owned();
        let mut names: Vec<String> = found.iter().map(below).collect();
        names.sort();
        names
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }
}

/// Remembers what it hears.
#[derive(Default)]
struct Heard {
    /// Each beginning: bytes that were there, and bytes in all.
    begun: Mutex<Vec<(u64, u64)>>,
    advanced: Mutex<u64>,
    notes: Mutex<Vec<String>>,
}

impl Progress for Heard {
    fn begin(&self, done: u64, size: u64) {
        self.begun.lock().unwrap().push((done, size));
    }

    fn advance(&self, bytes: u64) {
        *self.advanced.lock().unwrap() += bytes;
    }

    fn note(&self, text: &str) {
        self.notes.lock().unwrap().push(text.to_owned());
    }
}
