//! Several downloads of one file at once. Threads lock as processes do: each opens the file anew.

use published_weights::{Freshness, Origin};
use std::fs;
use std::sync::Barrier;
use std::time::Duration;

use crate::server::{Behaviour, Served};
use crate::{Bench, Heard, NAME, bytes};

/// Fetches four times at once; every result must be `expected`, downloaded once.
fn at_once(bench: &Bench, name: &str, expected: &[u8]) {
    bench.server.behave(Behaviour { delay: Duration::from_millis(600), ..Behaviour::default() });
    let (barrier, heard) = (Barrier::new(4), Heard::default());
    let found: Vec<_> = std::thread::scope(|scope| {
        let fetch = || {
            barrier.wait();
            bench.fetch_as(name, Freshness::Cached, &heard).unwrap()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(fetch)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(found.iter().all(|one| one.path == found[0].path && fs::read(&one.path).unwrap() == expected));
    assert_eq!(found.iter().filter(|one| one.origin == Origin::Download).count(), 1);
    assert_eq!(bench.server.transfers(), [None]);
    let notes = heard.notes.lock().unwrap();
    assert!(!notes.is_empty() && notes.iter().all(|note| note.starts_with("waiting for another process")), "{notes:?}");
}

#[test]
fn a_file_of_a_repository_is_downloaded_once_by_several_at_once() {
    let (bench, file) = Bench::with_weights();
    at_once(&bench, NAME, &file.bytes);
}

#[test]
fn a_file_from_an_address_is_downloaded_once_by_several_at_once() {
    let bench = Bench::new();
    let file = Served { bytes: bytes(50_000, 0), tag: "tag".to_owned(), commit: String::new() };
    bench.server.serve_file("weights.pth", &file);
    at_once(&bench, &format!("{}/files/weights.pth", bench.server.address()), &file.bytes);
}
