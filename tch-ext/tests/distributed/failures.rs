//! A process that is killed, hangs or fails ends all, with one reason.

use std::{
    thread,
    time::{Duration, Instant},
};

use tch::Tensor;
use tch_ext::{
    Error,
    distributed::{JoinOptions, MeetingPoint, Reducer, ReducerOptions, Reduction, World, exit_at_once},
};

use crate::job::{Job, Outcome, launch};

const FAILED: i32 = 7;
const LONG: Duration = Duration::from_secs(100);

/// As a process of a job: joins, works until an error, prints the reason if it is the reporter, and its copy of it.
fn work_until_failure<T: Fn() + Copy>(test: T, timeout: Duration, work: impl Fn(&World) -> Result<(), Error>) {
    let Some(launch) = launch(test) else { return };
    let world = World::join(&launch, &JoinOptions { timeout, ..JoinOptions::default() }).expect("all join");
    println!("joined");
    let error = loop {
        if let Err(error) = work(&world) {
            break error;
        }
    };
    let failure = world.explain(&error);
    println!("because {}", failure.reason);
    if failure.reporter == world.rank() {
        println!("reported");
    }
    exit_at_once(FAILED);
}

fn reduce(world: &World) -> Result<(), Error> {
    world.group().all_reduce(&Tensor::from(1.0), Reduction::Sum)
}

/// The error of a process that notices late.
fn lost() -> Error {
    Error::Lost { call: "reduce a tensor", message: "Connection closed by peer".to_owned() }
}

/// The reason of those that failed: the same for all, reported once.
fn common_reason(outcomes: &[&Outcome]) -> String {
    let reason = |outcome: &Outcome| {
        assert_eq!(outcome.status.code(), Some(FAILED), "{outcome:?}");
        let reason = outcome.output.lines().find_map(|line| line.strip_prefix("because "));
        reason.unwrap_or_else(|| panic!("no reason in {outcome:?}")).to_owned()
    };
    let first = reason(outcomes[0]);
    assert!(outcomes.iter().all(|outcome| reason(outcome) == first), "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| outcome.output.contains("reported")).count(), 1, "{outcomes:?}");
    println!("{first}");
    first
}

#[test]
fn processes_notice_that_the_program_that_started_them_is_gone() {
    let test = processes_notice_that_the_program_that_started_them_is_gone;
    if let Some(launch) = launch(test) {
        let world = World::join(&launch, &JoinOptions::default()).expect("all join at the meeting point");
        println!("joined as one of {}", world.size());
        let reason = loop {
            if let Some(failure) = world.failed_elsewhere() {
                break failure.reason;
            }
            thread::sleep(Duration::from_millis(20));
        };
        println!("because {reason}");
        exit_at_once(FAILED);
    }
    let meeting = MeetingPoint::open().unwrap();
    let job = Job::start_all(test, (0..2).map(|rank| meeting.launch(rank, 2)));
    job.wait_for("joined as one of 2");
    drop(meeting);
    for outcome in job.outcomes() {
        assert_eq!(outcome.status.code(), Some(FAILED), "{outcome:?}");
        assert!(outcome.output.contains("because rank "), "{outcome:?}");
        assert!(outcome.output.contains("the program that started the processes"), "{outcome:?}");
    }
}

/// Kills a rank of `count` at work; the others must end soon and name it.
fn kill_one<T: Fn() + Copy>(test: T, count: usize, killed: usize) {
    work_until_failure(test, LONG, reduce);
    let mut job = Job::start(test, count);
    job.wait_for("joined");
    job.kill(killed);
    let start = Instant::now();
    let outcomes = job.outcomes();
    let time = start.elapsed();
    println!("ended after {time:?}");
    assert!(time < Duration::from_secs(10), "{time:?}");
    let left: Vec<_> = outcomes.iter().enumerate().filter(|(rank, _)| *rank != killed).map(|(_, left)| left).collect();
    let reason = common_reason(&left);
    let name = format!("rank {killed} on ");
    assert!(reason.starts_with(&name) && reason.contains("does not answer any more"), "{reason}");
}

#[test]
fn a_killed_process_ends_the_others_which_name_it() {
    kill_one(a_killed_process_ends_the_others_which_name_it, 3, 1);
}

#[test]
fn the_process_that_hosts_the_store_is_named_when_it_is_killed() {
    kill_one(the_process_that_hosts_the_store_is_named_when_it_is_killed, 2, 0);
}

#[test]
fn a_process_that_fails_gives_its_reason_to_all() {
    let test = a_process_that_fails_gives_its_reason_to_all;
    work_until_failure(test, LONG, |world| {
        if world.rank() == 1 {
            let path = "a.jpg".into();
            let source = std::io::ErrorKind::UnexpectedEof.into();
            return Err(Error::File { path, call: "read", source });
        }
        reduce(world)
    });
    let outcomes = Job::start(test, 3).outcomes();
    let reason = common_reason(&outcomes.iter().collect::<Vec<_>>());
    assert!(
        reason.starts_with("rank 1 on ") && reason.ends_with(": cannot read a.jpg: unexpected end of file"),
        "{reason}"
    );
}

#[test]
fn a_process_that_hangs_is_named_after_the_timeout() {
    let test = a_process_that_hangs_is_named_after_the_timeout;
    work_until_failure(test, Duration::from_secs(2), |world| {
        if world.rank() < 2 {
            return reduce(world);
        }
        // Long work without collectives, which looks around at times.
        while world.failed_elsewhere().is_none() {
            thread::sleep(Duration::from_millis(100));
        }
        Err(lost())
    });
    let outcomes = Job::start(test, 3).outcomes();
    let reason = common_reason(&outcomes.iter().collect::<Vec<_>>());
    // Of the two that waited, one times out first, whose connection to the other is closed then.
    assert!(reason.starts_with("rank 2 on ") && reason.contains("does not get as far as the others"), "{reason}");
}

#[test]
fn a_process_that_hangs_is_ended_after_the_others() {
    let test = a_process_that_hangs_is_ended_after_the_others;
    let Some(launch) = launch(test) else {
        let job = Job::start(test, 2);
        job.wait_for("joined");
        let started = Instant::now();
        let outcomes = job.outcomes();
        assert!(started.elapsed() < LONG / 2, "{:?}", started.elapsed());
        assert_eq!((outcomes[0].status.code(), outcomes[1].status.code()), (Some(FAILED), Some(1)), "{outcomes:?}");
        return;
    };
    let (timeout, end_after_failure) = (Duration::from_secs(1), Some(Duration::from_secs(1)));
    let options = JoinOptions { timeout, end_after_failure, ..JoinOptions::default() };
    let world = World::join(&launch, &options).expect("all join");
    println!("joined");
    if world.rank() == 1 {
        thread::sleep(LONG);
    }
    let failure = world.explain(&reduce(&world).expect_err("rank 1 hangs"));
    assert!(failure.reason.starts_with("rank 1 on "), "{failure:?}");
    exit_at_once(FAILED);
}

#[test]
fn a_barrier_names_who_is_missing() {
    let test = a_barrier_names_who_is_missing;
    work_until_failure(test, LONG, |world| {
        if world.rank() == 1 {
            while world.failed_elsewhere().is_none() {
                thread::sleep(Duration::from_millis(100));
            }
            return Err(lost());
        }
        let error = world.group().barrier(Duration::from_secs(1));
        if world.rank() == 0 {
            assert!(matches!(&error, Err(Error::Missing { ranks, .. }) if ranks == &[1]), "{error:?}");
        }
        error
    });
    let outcomes = Job::start(test, 2).outcomes();
    let reason = common_reason(&outcomes.iter().collect::<Vec<_>>());
    assert!(reason.starts_with("rank 1 on ") && reason.contains("rank 1 did not arrive within 1 s"), "{reason}");
}

#[test]
fn a_loss_without_a_parameter_on_one_process_is_the_reason_of_all() {
    let test = a_loss_without_a_parameter_on_one_process_is_the_reason_of_all;
    work_until_failure(test, LONG, |world| {
        let parameter = |name: &str| (name.to_owned(), Tensor::from_slice(&[1f32]).set_requires_grad(true));
        let named = [parameter("a"), parameter("b")];
        let mut reducer = Reducer::new(&named, world.group(), ReducerOptions::default())?;
        let used = if world.rank() == 1 { 1 } else { 2 };
        let loss = named[..used].iter().map(|(_, tensor)| tensor.square()).sum::<Tensor>();
        reducer.backward(&loss.sum(tch::Kind::Float))
    });
    let outcomes = Job::start(test, 2).outcomes();
    let reason = common_reason(&outcomes.iter().collect::<Vec<_>>());
    assert!(reason.starts_with("rank 1 on ") && reason.contains("the loss does not depend on b;"), "{reason}");
}
