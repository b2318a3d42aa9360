//! Servers that misbehave.

use published_weights::settings::Patience;
use published_weights::{Error, Freshness, Origin};
use std::fs;
use std::time::{Duration, Instant};

use crate::server::Behaviour;
use crate::{Bench, COMMIT, Heard, NAME, bytes, served};

const BLOBS: &str = "hub/models--timm--mobileone_s0.apple_in1k/blobs";

#[test]
fn an_interrupted_download_resumes_and_asks_only_for_the_rest() {
    let (bench, file) = Bench::with_weights();
    bench.server.behave(Behaviour { cuts: vec![30_000], ..Behaviour::default() });
    let error = bench.fetch(NAME).unwrap_err();
    assert!(error.to_string().ends_with("the connection ended after 30000 of 100000 bytes"), "{error}");
    assert!(error.hint().unwrap().contains("what has arrived is kept"), "{:?}", error.hint());
    assert!(!bench.at(&format!("{BLOBS}/{}", file.tag)).exists());
    assert!(!bench.at("hub/models--timm--mobileone_s0.apple_in1k/snapshots").exists());

    let heard = Heard::default();
    let found = bench.fetch_as(NAME, Freshness::Cached, &heard).unwrap();
    assert_eq!(fs::read(found.path).unwrap(), file.bytes);
    assert_eq!(bench.server.transfers(), [None, Some("bytes=30000-".to_owned())]);
    assert_eq!((*heard.begun.lock().unwrap()).as_slice(), [(30_000, 100_000)]);
    assert_eq!(*heard.advanced.lock().unwrap(), 70_000);
    assert_eq!(fs::read_dir(bench.at(BLOBS)).unwrap().count(), 1, "the partial file is gone");
}

#[test]
fn a_download_goes_on_by_itself_while_every_try_brings_something() {
    let (mut bench, file) = Bench::with_weights();
    bench.settings.patience.tries = 2;
    bench.server.behave(Behaviour { cuts: vec![10_000, 20_000, 1, 5], ..Behaviour::default() });
    let heard = Heard::default();
    let found = bench.fetch_as(NAME, Freshness::Cached, &heard).unwrap();
    assert_eq!(fs::read(found.path).unwrap(), file.bytes);
    let ranges = [None, Some("bytes=10000-"), Some("bytes=30000-"), Some("bytes=30001-"), Some("bytes=30006-")];
    assert_eq!(bench.server.transfers(), ranges.map(|range| range.map(str::to_owned)));
    assert_eq!(heard.notes.lock().unwrap().len(), 4);
}

#[test]
fn a_file_with_another_checksum_is_refused_and_nothing_is_left() {
    let (bench, mut file) = Bench::with_weights();
    let stated = file.tag.clone();
    file.bytes[70_000] ^= 1;
    bench.server.serve(NAME, "model.safetensors", &file);
    let error = bench.fetch(NAME).unwrap_err();
    assert!(matches!(&error, Error::Checksum { expected, .. } if *expected == stated), "{error}");
    assert!(error.hint().unwrap().contains("Nothing was kept"));
    assert!(bench.files().iter().all(|path| path.ends_with(".lock")), "{:?}", bench.files());
}

#[test]
fn a_damaged_part_of_an_earlier_download_is_fetched_anew() {
    let (bench, file) = Bench::with_weights();
    fs::create_dir_all(bench.at(BLOBS)).unwrap();
    fs::write(bench.at(&format!("{BLOBS}/{}.incomplete", file.tag)), [9; 5000]).unwrap();
    let found = bench.fetch(NAME).unwrap();
    assert_eq!(fs::read(found.path).unwrap(), file.bytes);
    assert_eq!(bench.server.transfers(), [Some("bytes=5000-".to_owned()), None]);
}

#[test]
fn a_download_that_was_complete_but_for_its_name_is_not_repeated() {
    let (bench, file) = Bench::with_weights();
    fs::create_dir_all(bench.at(BLOBS)).unwrap();
    fs::write(bench.at(&format!("{BLOBS}/{}.incomplete", file.tag)), &file.bytes).unwrap();
    let found = bench.fetch(NAME).unwrap();
    assert_eq!((fs::read(found.path).unwrap(), found.origin), (file.bytes, Origin::Download));
    assert!(bench.server.transfers().is_empty());
}

#[test]
fn a_server_that_ignores_ranges_sends_the_file_anew() {
    let (bench, file) = Bench::with_weights();
    bench.server.serve_file("weights", &file);
    let address = format!("{}/files/weights", bench.server.address());
    bench.server.behave(Behaviour { cuts: vec![30_000], ..Behaviour::default() });
    bench.fetch(&address).unwrap_err();
    bench.server.behave(Behaviour { ignores_ranges: true, ..Behaviour::default() });
    let heard = Heard::default();
    let found = bench.fetch_as(&address, Freshness::Cached, &heard).unwrap();
    assert_eq!(fs::read(found.path).unwrap(), file.bytes);
    assert_eq!((*heard.begun.lock().unwrap()).as_slice(), [(30_000, 100_000), (0, 100_000)]);
}

#[test]
fn every_refusal_is_a_sentence_with_a_next_step() {
    for (status, token, sentence, hint) in [
        (401, None, "answered 401 (not authorised)", "set HF_TOKEN"),
        (401, Some("old"), "answered 401 (not authorised)", "The token was refused"),
        (403, Some("new"), "answered 403 (forbidden)", "conditions are not accepted"),
        (404, None, "answered 404 (not found)", "hf://ORG/REPOSITORY@REVISION/FILE"),
        (429, None, "answered 429 (too many requests)", "Try again later"),
        (500, None, "answered 500 (an error of the server)", "Try again later"),
        (503, None, "answered 503 (an error of the server)", "Try again later"),
    ] {
        let (mut bench, _) = Bench::with_weights();
        bench.settings.token = token.map(str::to_owned);
        bench.server.behave(Behaviour { status: Some(status), ..Behaviour::default() });
        let error = bench.fetch(NAME).unwrap_err();
        assert!(error.to_string().starts_with(&format!("cannot fetch {NAME}: 127.0.0.1:")), "{error}");
        assert!(error.to_string().ends_with(sentence), "{error}");
        assert!(error.hint().unwrap().contains(hint), "{status}: {:?}", error.hint());
        assert!(bench.files().is_empty(), "{:?}", bench.files());
    }
}

#[test]
fn a_server_with_an_error_is_asked_again_a_refusal_is_final() {
    for (status, asked) in [(500, 3), (404, 1), (401, 1)] {
        let (mut bench, _) = Bench::with_weights();
        bench.settings.patience.tries = 3;
        bench.server.behave(Behaviour { status: Some(status), ..Behaviour::default() });
        bench.fetch(NAME).unwrap_err();
        assert_eq!(bench.server.requests().len(), asked, "{status}");
    }
}

#[test]
fn a_login_page_is_not_taken_for_weights() {
    let (bench, file) = Bench::with_weights();
    bench.server.serve_file("weights.pth.tar", &file);
    bench.server.behave(Behaviour { is_login_page: true, ..Behaviour::default() });
    for name in [NAME.to_owned(), format!("{}/files/weights.pth.tar", bench.server.address())] {
        let error = bench.fetch(&name).unwrap_err();
        assert!(matches!(error, Error::Answer { .. }), "{error}");
        assert!(error.hint().unwrap().contains("login page"), "{error}");
    }
    assert!(bench.files().iter().all(|path| path.ends_with(".lock")), "{:?}", bench.files());
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let (mut bench, _) = Bench::with_weights();
    bench.settings.patience = Patience { silence: Duration::from_millis(400), ..bench.settings.patience };
    bench.server.behave(Behaviour { cuts: vec![30_000], falls_silent: true, ..Behaviour::default() });
    let begun = Instant::now();
    let error = bench.fetch(NAME).unwrap_err();
    assert!(error.to_string().ends_with("the server does not answer"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());

    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    bench.settings.endpoint = format!("http://{}", deaf.local_addr().unwrap());
    let error = bench.fetch("me/other").unwrap_err();
    assert!(error.to_string().ends_with("the server does not answer"), "{error}");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let mut bench = Bench::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    bench.settings.endpoint = format!("http://{free}");
    let error = bench.fetch(NAME).unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot fetch {NAME} from {free}: ")), "{error}");
    assert!(error.hint().unwrap().contains("HF_ENDPOINT"));
}

#[test]
fn a_cache_that_cannot_be_written_is_reported() {
    let (bench, _) = Bench::with_weights();
    fs::write(bench.at("hub"), "a file").unwrap();
    let error = bench.fetch(NAME).unwrap_err();
    assert!(error.to_string().starts_with("cannot create "), "{error}");
}

#[test]
fn a_part_that_is_longer_than_the_file_is_dropped() {
    // This tag says nothing about the bytes.
    let bench = Bench::new();
    let mut file = served(bytes(400, 6), COMMIT);
    file.tag = "b".repeat(40);
    bench.server.serve("me/mine", "model.safetensors", &file);
    let blobs = bench.at("hub/models--me--mine/blobs");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(blobs.join(format!("{}.incomplete", file.tag)), [0; 4000]).unwrap();
    assert_eq!(fs::read(bench.fetch("me/mine").unwrap().path).unwrap(), file.bytes);
}

#[test]
fn a_file_of_another_size_than_stated_is_refused() {
    for surplus in [-1, 1] {
        let (bench, file) = Bench::with_weights();
        bench.server.behave(Behaviour { surplus, ..Behaviour::default() });
        let error = bench.fetch(NAME).unwrap_err();
        let sentence = format!("sends {} bytes, but stated 100000", 100_000 + surplus);
        assert!(error.to_string().ends_with(&sentence), "{error}");
        assert!(!bench.at(&format!("{BLOBS}/{}", file.tag)).exists());
    }
}
