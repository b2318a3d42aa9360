//! Reasons and accusations, in a store without other processes.

use super::*;

#[test]
fn the_first_reason_is_every_ones() {
    let store = Store::local().unwrap();
    let hosts = ["a".to_owned(), "b".to_owned()];
    let first = Failure { reporter: 1, reason: "rank 1 on b: a 0 is missing".to_owned(), gone: vec![0, 2] };
    assert_eq!(claim(&store, &first).unwrap(), first);
    assert_eq!(search(&store, 0, &hosts, "closed").unwrap(), first);
    assert_eq!(claim(&store, &Failure { reporter: 0, reason: "other".to_owned(), gone: vec![] }).unwrap(), first);
}

#[test]
fn a_roll_call_tells_processes_that_are_gone_from_those_that_are_late() {
    let hosts = ["a", "b", "c"].map(str::to_owned);
    let store = Store::local().unwrap();
    store.set("present/2", "").unwrap();
    let Failure { reason, gone, .. } = search(&store, 0, &hosts, "closed").unwrap();
    assert_eq!((reason.as_str(), gone), ("rank 1 on b does not answer any more (closed)", vec![1]));

    let store = Store::local().unwrap();
    for key in ["present/1", "present/2", "stopped/2"] {
        store.set(key, "").unwrap();
    }
    let Failure { reason, gone, .. } = search(&store, 0, &hosts, "Timed out").unwrap();
    assert_eq!((reason.as_str(), gone), ("rank 1 on b does not get as far as the others (Timed out)", vec![]));
}

#[test]
fn processes_are_named_with_their_hosts() {
    let hosts = ["a", "b", "c"].map(str::to_owned);
    assert_eq!(
        accusation(&[1, 2], &[1, 2], 0, &hosts, "closed"),
        "ranks 1 and 2 (the first on b) do not answer any more (closed)"
    );
    assert_eq!(accusation(&[], &[], 2, &hosts, "closed"), "rank 2 on c: closed");
}

#[test]
fn a_single_process_fails_for_its_own_reason() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut world = World::alone().unwrap();
    world.launch.error_file = Some(file.path().to_owned());
    assert_eq!(world.failed_elsewhere(), None);
    let failure = world.explain(&Error::Unused { parameters: vec!["head.bias".to_owned()] });
    assert_eq!(failure.reporter, 0);
    assert!(failure.reason.starts_with("rank 0 on ") && failure.reason.contains("head.bias"), "{failure:?}");
    let written: serde_json::Value = serde_json::from_reader(file).unwrap();
    assert_eq!(written["message"]["message"], failure.reason);
}
