//! Weights by their published name, from a server on 127.0.0.1.

#[path = "../../../backbone/published-weights/tests/fetch/server.rs"]
mod server;

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::workshop::{Workshop, output, pipeline, read};
use server::{Behaviour, Served, Server};

const NAME: &str = "timm/mobileone_s0.apple_in1k";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn golden() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../backbone/tests/golden/mobileone_small_timm.safetensors");
    std::fs::read(path).unwrap()
}

/// A folder with an empty cache, and a server.
struct Site {
    workshop: Workshop,
    server: Server,
}

impl Site {
    fn new(workshop: Workshop) -> Self {
        Self { workshop, server: Server::start() }
    }

    /// With weights under [`NAME`].
    fn with_weights(bytes: Vec<u8>) -> Self {
        let site = Self::new(Workshop::empty());
        site.serve(NAME, bytes);
        site
    }

    fn serve(&self, repository: &str, bytes: Vec<u8>) {
        let tag = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        self.server.serve(repository, "model.safetensors", &Served { bytes, tag, commit: COMMIT.to_owned() });
    }

    /// `command` with this cache and this server.
    fn connected<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let home = self.workshop.at("cache");
        command.env("HF_HOME", home).env("HF_ENDPOINT", self.server.address()).env_remove("HF_HUB_OFFLINE")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        output(self.connected(&mut pipeline(arguments)))
    }

    /// Standard output and standard error of a success.
    fn succeed(&self, arguments: &[&str]) -> (String, String) {
        done(self.run(arguments))
    }

    fn cached(&self) -> PathBuf {
        let below = format!("cache/hub/models--timm--mobileone_s0.apple_in1k/snapshots/{COMMIT}/model.safetensors");
        self.workshop.path(&below)
    }
}

fn done(output: Output) -> (String, String) {
    let [out, errors] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{errors}");
    (out, errors)
}

#[test]
fn weights_are_fetched_by_name_once_and_then_used_without_a_network() {
    let site = Site::with_weights(golden());
    let out = site.workshop.at("own.safetensors");
    let (_, errors) = site.succeed(&["convert", NAME, "-o", &out]);
    assert!(errors.contains(&format!("{NAME} (revision {COMMIT}, downloaded)\n")), "{errors}");
    assert!(Path::new(&out).is_file());
    for arguments in [&["info", NAME][..], &["reparameterize", NAME, "-o", &out, "--size", "64"]] {
        let ended = output(site.connected(&mut pipeline(arguments)).env("HF_HUB_OFFLINE", "1"));
        let (_, errors) = done(ended);
        assert!(errors.contains(&format!("{NAME} (revision {COMMIT}, from the cache)\n")), "{errors}");
    }
    assert_eq!(site.server.transfers(), [None]);
}

#[test]
fn something_on_the_disk_of_that_name_comes_first() {
    let site = Site::with_weights(golden());
    let folder = site.workshop.path("timm");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("mobileone_s0.apple_in1k"), "not weights").unwrap();
    let mut command = pipeline(&["convert", NAME, "-o", "out.safetensors"]);
    let ended = output(site.connected(&mut command).current_dir(site.workshop.path("")));
    assert_eq!(ended.status.code(), Some(1));
    assert!(site.server.requests().is_empty());
}

#[test]
fn fetch_prints_the_path_and_nothing_else_on_standard_output() {
    let site = Site::with_weights(golden());
    site.serve("me/mine", b"weights of mine".to_vec());
    let (out, errors) = site.succeed(&["weights", "fetch", NAME, "me/mine"]);
    let paths: Vec<&Path> = out.lines().map(Path::new).collect();
    assert_eq!(paths[0], site.cached());
    assert_eq!(std::fs::read(paths[0]).unwrap(), golden());
    assert_eq!(std::fs::read(paths[1]).unwrap(), b"weights of mine");
    assert_eq!(paths.len(), 2);
    assert!(errors.contains("hf://me/mine (revision "), "{errors}");
}

#[test]
fn the_list_shows_what_is_in_the_cache_and_asks_nobody() {
    let site = Site::with_weights(golden());
    let list = || serde_json::from_str::<Value>(&site.succeed(&["weights", "list", "--json"]).0).unwrap();
    let before = list();
    let weights = before["weights"].as_array().unwrap();
    assert_eq!(weights.len(), 15);
    assert!(weights.iter().all(|one| one["bytes"].is_null() && one["path"].is_null()), "{before}");
    assert!(site.server.requests().is_empty());

    site.succeed(&["weights", "fetch", NAME]);
    let after = list();
    assert_eq!(after["weights"][0]["path"].as_str().map(Path::new), Some(site.cached().as_path()));
    assert_eq!(after["weights"][0]["bytes"], golden().len());
    let table = site.succeed(&["weights", "list"]).0;
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    assert!(table.contains("| apple/mobileone_s4_unfused") && table.contains("14.95"), "{table}");
}

#[test]
fn two_processes_download_a_file_once() {
    let site = Site::with_weights(golden());
    site.server.behave(Behaviour { delay: Duration::from_secs(2), ..Behaviour::default() });
    let start = || {
        let mut command = pipeline(&["weights", "fetch", NAME]);
        site.connected(&mut command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let both = [start(), start()].map(|child| done(child.wait_with_output().unwrap()));
    assert_eq!(both[0].0, both[1].0);
    assert_eq!(std::fs::read(site.cached()).unwrap(), golden());
    assert_eq!(site.server.transfers(), [None]);
    let waited = |errors: &str| errors.contains("waiting for another process that downloads the same file");
    assert!(both.iter().any(|(_, errors)| waited(errors)), "{both:?}");
}

#[test]
fn a_killed_download_resumes() {
    let site = Site::with_weights(golden());
    site.server.behave(Behaviour { cuts: vec![10_000], falls_silent: true, ..Behaviour::default() });
    let mut command = pipeline(&["weights", "fetch", NAME]);
    let mut child = site.connected(&mut command).stderr(Stdio::null()).spawn().unwrap();
    let blobs = site.workshop.path("cache/hub/models--timm--mobileone_s0.apple_in1k/blobs");
    let part = || std::fs::read_dir(&blobs).into_iter().flatten().flatten().map(|entry| entry.path()).next();
    let begun = Instant::now();
    while part().and_then(|part| part.metadata().ok()).is_none_or(|part| part.len() < 10_000) {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing arrives");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!site.cached().exists());
    site.server.behave(Behaviour::default());
    site.succeed(&["weights", "fetch", NAME]);
    assert_eq!(std::fs::read(site.cached()).unwrap(), golden());
    assert_eq!(site.server.transfers(), [None, Some("bytes=10000-".to_owned())]);
}

#[test]
fn training_starts_from_weights_by_name_and_keeps_the_name() {
    let site = Site::new(Workshop::new());
    let train = |name: &str, changes: &[&str]| {
        done(output(site.connected(&mut site.workshop.train(name, &[&["train.epochs=1"], changes].concat())))).1
    };
    train("first", &[]);
    let weights = site.workshop.path("runs/first/checkpoints/last/ema.safetensors");
    site.serve("me/private", std::fs::read(weights).unwrap());
    site.server.behave(Behaviour { token: Some("hf_secret".to_owned()), ..Behaviour::default() });
    std::fs::create_dir_all(site.workshop.path("cache")).unwrap();
    std::fs::write(site.workshop.path("cache/token"), "hf_secret\n").unwrap();
    let errors = train("second", &["backbone.weights=hf://me/private"]);
    assert!(errors.contains(&format!("hf://me/private (revision {COMMIT}, downloaded)")), "{errors}");
    assert!(errors.contains(" tensors from "), "{errors}");
    let file = |request: &server::Request| request.host.starts_with("localhost") && request.range.is_none();
    let requests = site.server.requests();
    let transfers: Vec<_> = requests.into_iter().filter(file).collect();
    assert!(transfers.len() == 1 && transfers[0].token.is_none(), "the token went to the storage: {transfers:?}");
    let kept = read(site.workshop.path("runs/second/config.yaml"));
    assert!(kept.contains("weights: hf://me/private\n"), "{kept}");
}

#[test]
fn a_file_from_an_address_is_reported_with_the_checksum_that_nobody_published() {
    let site = Site::new(Workshop::empty());
    let served = Served { bytes: golden(), tag: "tag".to_owned(), commit: String::new() };
    site.server.serve_file("small.safetensors", &served);
    let address = format!("{}/files/small.safetensors", site.server.address());
    let sum: String = Sha256::digest(golden()).iter().map(|byte| format!("{byte:02x}")).collect();
    let (table, errors) = site.succeed(&["info", &address]);
    assert!(errors.contains(&format!("{address} (no published checksum, SHA-256 {sum}, downloaded)\n")), "{errors}");
    assert!(table.contains("names timm's"), "{table}");
}

#[test]
fn a_refused_checksum_ends_with_a_sentence_a_hint_and_status_1() {
    let site = Site::with_weights(golden());
    let mut served = golden();
    served[20_000] ^= 1;
    let tag = Sha256::digest(golden()).iter().map(|byte| format!("{byte:02x}")).collect();
    site.server.serve(NAME, "model.safetensors", &Served { bytes: served, tag, commit: COMMIT.to_owned() });
    let ended = site.run(&["weights", "fetch", NAME]);
    let errors = String::from_utf8(ended.stderr).unwrap();
    assert_eq!((ended.status.code(), ended.stdout.len()), (Some(1), 0), "{errors}");
    assert!(errors.contains("error: 127.0.0.1:") && errors.contains("hint: Nothing was kept."), "{errors}");
    assert!(!site.cached().exists());
}
