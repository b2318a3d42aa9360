//! Files of repositories.

use published_weights::{Error, Freshness, Name, Origin, cached};
use std::fs;
use std::path::Path;

use crate::server::Behaviour;
use crate::{Bench, COMMIT, Heard, NAME, bytes, served};

#[test]
fn the_cache_has_the_layout_of_huggingface_hub() {
    let (bench, file) = Bench::with_weights();
    let heard = Heard::default();
    let found = bench.fetch_as(NAME, Freshness::Cached, &heard).unwrap();
    let repository = "hub/models--timm--mobileone_s0.apple_in1k";
    let snapshot = format!("{repository}/snapshots/{COMMIT}/model.safetensors");
    assert_eq!(found.path, bench.at(&snapshot));
    assert_eq!((found.revision.as_deref(), found.origin), (Some(COMMIT), Origin::Download));
    assert_eq!(
        bench.files(),
        [
            format!("hub/.locks/models--timm--mobileone_s0.apple_in1k/{}.lock", file.tag),
            format!("{repository}/blobs/{}", file.tag),
            format!("{repository}/refs/main"),
            snapshot,
        ]
    );
    assert_eq!(fs::read_link(&found.path).unwrap(), Path::new(&format!("../../blobs/{}", file.tag)));
    assert_eq!(fs::read_to_string(bench.at(&format!("{repository}/refs/main"))).unwrap(), COMMIT);
    assert_eq!(fs::read(&found.path).unwrap(), file.bytes);
    assert_eq!(*heard.begun.lock().unwrap(), [(0, 100_000)]);
    assert_eq!(*heard.advanced.lock().unwrap(), 100_000);
}

#[test]
fn what_is_in_the_cache_is_used_without_asking() {
    let (mut bench, _) = Bench::with_weights();
    let first = bench.fetch(NAME).unwrap();
    let asked = bench.server.requests().len();
    bench.settings.offline = Some("HF_HUB_OFFLINE");
    let second = bench.fetch(NAME).unwrap();
    assert_eq!((&second.path, second.origin), (&first.path, Origin::Cache));
    assert_eq!(second.revision, first.revision);
    assert_eq!(bench.server.requests().len(), asked);
}

#[test]
fn a_file_that_python_has_cached_is_found() {
    let bench = Bench::new();
    let repository = bench.at("hub/models--me--mine");
    let snapshot = repository.join("snapshots").join(COMMIT);
    for folder in [&repository.join("blobs"), &repository.join("refs"), &snapshot] {
        fs::create_dir_all(folder).unwrap();
    }
    fs::write(repository.join("blobs/abc"), "weights").unwrap();
    fs::write(repository.join("refs/main"), COMMIT).unwrap();
    std::os::unix::fs::symlink("../../blobs/abc", snapshot.join("best.safetensors")).unwrap();
    let find = |name: &str| cached(&bench.settings, &Name::parse(name).unwrap()).map(|found| found.path);
    assert_eq!(find("hf://me/mine/best.safetensors"), Some(snapshot.join("best.safetensors")));
    assert_eq!(find(&format!("hf://me/mine@{COMMIT}/best.safetensors")), Some(snapshot.join("best.safetensors")));
    assert_eq!(find("hf://me/mine"), None);
    assert_eq!(find("hf://me/mine@v2/best.safetensors"), None);
}

#[test]
fn offline_nobody_is_asked_for_what_is_missing() {
    let (mut bench, _) = Bench::with_weights();
    bench.settings.offline = Some("HF_HUB_OFFLINE");
    let error = bench.fetch(NAME).unwrap_err();
    assert_eq!(error.to_string(), format!("{NAME} is not in the cache, and HF_HUB_OFFLINE is set"));
    assert!(error.hint().unwrap().contains("Unset HF_HUB_OFFLINE"));
    assert!(bench.server.requests().is_empty() && bench.files().is_empty());
}

#[test]
fn a_token_is_sent_only_where_the_hub_refuses_without() {
    let (mut bench, _) = Bench::with_weights();
    bench.settings.token = Some("hf_secret".to_owned());
    bench.fetch(NAME).unwrap();
    assert!(bench.server.requests().iter().all(|request| request.token.is_none()));

    let private = served(bytes(3000, 1), COMMIT);
    bench.server.serve("me/private", "model.safetensors", &private);
    bench.server.behave(Behaviour { token: Some("hf_secret".to_owned()), ..Behaviour::default() });
    let found = bench.fetch("me/private").unwrap();
    assert_eq!(fs::read(found.path).unwrap(), private.bytes);
    let transfer = |request: &&crate::server::Request| request.path.starts_with("/storage") && request.range.is_none();
    let requests = bench.server.requests();
    let transfers: Vec<_> = requests.iter().filter(transfer).collect();
    assert_eq!(transfers.len(), 2, "{requests:?}");
    assert!(transfers.iter().all(|one| one.host.starts_with("localhost") && one.token.is_none()), "{transfers:?}");
}

#[test]
fn a_revision_and_a_file_in_a_folder_are_found() {
    let bench = Bench::new();
    let file = served(bytes(500, 2), COMMIT);
    bench.server.serve("me/mine", "epochs/9 b.safetensors", &file);
    let name = format!("hf://me/mine@{COMMIT}/epochs/9 b.safetensors");
    // The server knows the file under its encoded path.
    bench.server.serve("me/mine", "epochs/9%20b.safetensors", &file);
    let found = bench.fetch(&name).unwrap();
    assert_eq!(fs::read(&found.path).unwrap(), file.bytes);
    assert_eq!(fs::read_link(&found.path).unwrap(), Path::new(&format!("../../../blobs/{}", file.tag)));
    assert!(!bench.at("hub/models--me--mine/refs").exists(), "a commit needs no reference");
}

#[test]
fn a_newer_revision_is_used_when_asked_for() {
    let (bench, old) = Bench::with_weights();
    let first = bench.fetch(NAME).unwrap();
    let commit = "f".repeat(40);
    let new = served(bytes(200, 3), &commit);
    bench.server.serve(NAME, "model.safetensors", &new);
    assert_eq!(bench.fetch(NAME).unwrap().path, first.path);
    let newest = bench.fetch_as(NAME, Freshness::Newest, &()).unwrap();
    assert_eq!((newest.revision.as_ref(), fs::read(&newest.path).unwrap()), (Some(&commit), new.bytes));
    assert_eq!(fs::read(first.path).unwrap(), old.bytes);
    assert_eq!(bench.fetch(NAME).unwrap().path, newest.path);
    let again = bench.fetch_as(NAME, Freshness::Newest, &()).unwrap();
    assert_eq!(again.origin, Origin::Cache);
}

#[test]
fn a_small_file_kept_in_git_is_checked_by_its_size() {
    let bench = Bench::new();
    let mut file = served(bytes(40, 4), COMMIT);
    file.tag = "a".repeat(40);
    bench.server.serve("me/mine", "config.json", &file);
    assert_eq!(fs::read(bench.fetch("me/mine/config.json").unwrap().path).unwrap(), file.bytes);
}

#[test]
fn a_server_cannot_choose_a_path_outside_of_the_cache() {
    let bench = Bench::new();
    for (tag, commit) in [("../../evil", COMMIT), ("abc", "../../evil")] {
        let mut file = served(bytes(40, 5), commit);
        file.tag = tag.to_owned();
        bench.server.serve("me/mine", "model.safetensors", &file);
        let error = bench.fetch("me/mine").unwrap_err();
        assert!(matches!(error, Error::Answer { .. }), "{error}");
        assert!(bench.files().is_empty(), "{:?}", bench.files());
    }
}
