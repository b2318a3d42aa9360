//! Files at addresses.

use published_weights::{Error, Freshness, Origin};
use std::fs;

use crate::server::{Behaviour, Served};
use crate::{Bench, bytes, sha256};

const FILE: &str = "mobileone_s0.pth.tar";

fn file(seed: usize, tag: &str) -> Served {
    Served { bytes: bytes(50_000, seed), tag: tag.to_owned(), commit: String::new() }
}

fn bench() -> (Bench, Served, String) {
    let (bench, file) = (Bench::new(), file(0, "first"));
    bench.server.serve_file(FILE, &file);
    let address = format!("{}/files/{FILE}", bench.server.address());
    (bench, file, address)
}

#[test]
fn a_file_from_an_address_is_kept_with_its_checksum_beside_it() {
    let (bench, file, address) = bench();
    let found = bench.fetch(&address).unwrap();
    assert_eq!(fs::read(&found.path).unwrap(), file.bytes);
    assert_eq!((found.revision, found.origin), (None, Origin::Download));
    let sum = sha256(&file.bytes);
    assert_eq!(found.recorded_sha256.as_ref(), Some(&sum));
    let record = fs::read_to_string(found.path.with_file_name(format!("{FILE}.sha256"))).unwrap();
    assert_eq!(record, format!("{sum}  {FILE}\n"));
    assert!(found.path.starts_with(bench.at("assets/mobileone")), "{:?}", found.path);

    let asked = bench.server.requests().len();
    let again = bench.fetch(&address).unwrap();
    assert_eq!((&again.path, again.origin, again.recorded_sha256), (&found.path, Origin::Cache, Some(sum)));
    assert_eq!(bench.server.requests().len(), asked);
}

#[test]
fn files_of_one_name_at_two_addresses_are_kept_apart() {
    let bench = Bench::new();
    let fetch = |folder: &str, seed: usize| {
        let file = file(seed, folder);
        bench.server.serve_file(&format!("{folder}/{FILE}"), &file);
        let found = bench.fetch(&format!("{}/files/{folder}/{FILE}", bench.server.address())).unwrap();
        (found.path, file.bytes)
    };
    for (path, bytes) in [fetch("a", 1), fetch("b", 2)] {
        assert_eq!(fs::read(path).unwrap(), bytes);
    }
}

#[test]
fn an_interrupted_download_resumes_while_the_file_is_the_same() {
    let (bench, file, address) = bench();
    bench.server.behave(Behaviour { cuts: vec![20_000], ..Behaviour::default() });
    assert!(matches!(bench.fetch(&address), Err(Error::Cut { received: 20_000, size: 50_000, .. })));
    let found = bench.fetch(&address).unwrap();
    assert_eq!(fs::read(found.path).unwrap(), file.bytes);
    assert_eq!(bench.server.transfers(), [None, Some("bytes=20000-".to_owned())]);
}

#[test]
fn a_file_that_changed_since_the_interruption_is_downloaded_anew() {
    let (bench, _, address) = bench();
    bench.server.behave(Behaviour { cuts: vec![20_000], ..Behaviour::default() });
    bench.fetch(&address).unwrap_err();
    let new = file(1, "second");
    bench.server.serve_file(FILE, &new);
    let found = bench.fetch(&address).unwrap();
    assert_eq!(fs::read(found.path).unwrap(), new.bytes);
    assert_eq!(bench.server.transfers(), [None, None]);
    assert!(bench.files().iter().all(|path| !path.ends_with(".incomplete")), "{:?}", bench.files());
}

#[test]
fn another_file_than_the_first_one_is_refused_until_the_record_is_deleted() {
    let (bench, old, address) = bench();
    let found = bench.fetch(&address).unwrap();
    let new = file(1, "second");
    bench.server.serve_file(FILE, &new);
    let newest = || bench.fetch_as(&address, Freshness::Newest, &());
    let error = newest().unwrap_err();
    let Error::Changed { record, .. } = &error else { panic!("{error}") };
    assert!(error.hint().unwrap().contains(&record.display().to_string()));
    assert_eq!(fs::read(&found.path).unwrap(), old.bytes);
    fs::remove_file(record).unwrap();
    assert_eq!(fs::read(newest().unwrap().path).unwrap(), new.bytes);
}

#[test]
fn an_address_without_a_file_says_so() {
    let (bench, _, _) = bench();
    let error = bench.fetch(&format!("{}/files/other.pth", bench.server.address())).unwrap_err();
    assert!(error.to_string().ends_with("answered 404 (not found)"), "{error}");
    assert_eq!(error.hint().as_deref(), Some("Check the address."));
}
