//! Processes that cannot find each other: a sentence each, in time.

use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use tch_ext::distributed::{JoinOptions, Launch, World, exit_at_once};

use crate::job::{Job, free_port, launch};

const PATIENT: Duration = Duration::from_secs(100);

/// As a process of a job: joins, writes the error or "joined", and stays for the others to join.
fn report<T: Fn() + Copy>(test: T, join_timeout: Duration) {
    let Some(launch) = launch(test) else { return };
    let start = Instant::now();
    let world = World::join(&launch, &JoinOptions { join_timeout, ..JoinOptions::default() });
    let limit = join_timeout + Duration::from_secs(8);
    assert!(start.elapsed() < limit, "joining took {:?}", start.elapsed());
    match &world {
        Ok(_) => println!("joined (done)"),
        Err(error) => println!("refused: {error} (done)"),
    }
    if world.is_ok() {
        thread::sleep(PATIENT);
    }
    exit_at_once(0);
}

/// What processes with these launches write.
fn answers<T: Fn() + Copy>(test: T, launches: impl IntoIterator<Item = Launch>) -> Vec<String> {
    let job = Job::start_all(test, launches);
    job.wait_for("(done)");
    job.outputs()
}

fn assert_refused(output: &str, expected: &str) {
    assert!(output.contains(&format!("refused: {expected}")), "{expected:?} is not in: {output}");
}

#[test]
fn a_process_that_never_starts_is_named_by_all() {
    let test = a_process_that_never_starts_is_named_by_all;
    report(test, Duration::from_secs(10));
    let port = free_port();
    for output in answers(test, [0, 1].map(|rank| Launch::local(rank, 3, port))) {
        assert_refused(&output, "rank 2 did not join within 10 s");
    }
}

#[test]
fn other_world_sizes_are_refused() {
    let test = other_world_sizes_are_refused;
    report(test, PATIENT);
    let port = free_port();
    for output in answers(test, [Launch::local(0, 2, port), Launch::local(1, 3, port)]) {
        assert_refused(&output, "rank 1 was started as one of 3 processes, rank 0 as one of 2");
    }
}

#[test]
fn a_rank_that_is_started_twice_is_refused() {
    let test = a_rank_that_is_started_twice_is_refused;
    report(test, PATIENT);
    let port = free_port();
    let outputs = answers(test, [0, 1, 1].map(|rank| Launch::local(rank, 2, port)));
    let count = |text: &str| outputs.iter().filter(|output| output.contains(text)).count();
    let found = (count("joined"), count("refused: rank 1 was started twice, the second time on "));
    assert_eq!(found, (2, 1), "{outputs:#?}");
}

#[test]
fn a_port_in_use_is_refused_at_once() {
    let test = a_port_in_use_is_refused_at_once;
    report(test, PATIENT);
    let taken = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0")).unwrap();
    let port = taken.local_addr().unwrap().port();
    let outputs = answers(test, [Launch::local(0, 2, port)]);
    let expected = format!("port {port} of this host is in use by another program; choose another MASTER_PORT");
    assert_refused(&outputs[0], &expected);
}

#[test]
fn a_master_that_is_not_there_or_silent_is_refused_in_time() {
    let test = a_master_that_is_not_there_or_silent_is_refused_in_time;
    report(test, Duration::from_secs(2));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for port in [free_port(), silent.local_addr().unwrap().port()] {
        let outputs = answers(test, [Launch::local(1, 2, port)]);
        let expected = format!("no answer at 127.0.0.1:{port}, where the processes meet, within 2 s: rank 0 has not");
        assert_refused(&outputs[0], &expected);
    }
}

#[test]
fn a_master_without_an_address_is_refused() {
    let test = a_master_without_an_address_is_refused;
    report(test, Duration::from_secs(2));
    let launch = Launch { master_host: "name.invalid".to_owned(), ..Launch::local(1, 2, free_port()) };
    let outputs = answers(test, [launch]);
    assert_refused(&outputs[0], "");
    assert!(outputs[0].contains("name.invalid"), "{}", outputs[0]);
}
