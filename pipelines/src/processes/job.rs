//! A command's work among the processes of a job: they join, and end alike.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use tch_ext::cuda;
use tch_ext::distributed::{JoinOptions, Launch, World, exit_at_once};

use super::processors::share_processors;
use super::start::start;
use super::{PATIENCE, Processes};
use crate::console;
use crate::failure::{Elsewhere, Failure, Kind};

/// How long a process may go on after another one has failed: longer than finding out who it was takes.
const AFTER_FAILURE: Duration = Duration::from_secs(8);

/// How long processes may take to find each other.
const JOINING: Duration = Duration::from_secs(60);

/// Does the work of a command in the processes that a launcher started, in as many as `count` says, or in this one alone. Where one
/// process fails, all end, and one of them says why.
///
/// # Errors
/// The work's own, in a single process; in rank 0 of several, that a signal ended all of them. Other errors of several processes
/// end this process here.
pub fn run(count: Option<u16>, work: impl FnOnce(&Processes) -> Result<(), Failure>) -> Result<(), Failure> {
    if let Some(count) = count.filter(|count| *count > 1) {
        return start(count.into());
    }
    let launch = match Launch::from_env().map_err(Failure::usage)? {
        Some(launch) if launch.world_size > 1 => launch,
        launch => return work(&Processes::new(launch, None)),
    };
    // Before the first tensor, and joining makes some. Whoever asks for CUDA hears of the error.
    let _ = cuda::load();
    let options = JoinOptions {
        join_timeout: JOINING,
        timeout: PATIENCE,
        end_after_failure: Some(AFTER_FAILURE),
        ..JoinOptions::default()
    };
    let world = World::join(&launch, &options).unwrap_or_else(|error| end(&Failure::failed(error)));
    console::speak_as(world.rank());
    let processes = Processes::new(Some(launch), Some(world));
    let work = || share_processors(&processes).and_then(|()| work(&processes));
    let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(console::internal_error().into()));
    leave(processes, result)
}

fn leave(processes: Processes, result: Result<(), Failure>) -> Result<(), Failure> {
    let result = match result {
        Err(failure) if !matches!(failure.kind(), Kind::Interrupted(_)) => Err(failure),
        result => processes.wait_for_all().map(|()| result),
    };
    let Some(world) = processes.world else { return result.and_then(|result| result) };
    match result {
        Err(failure) => fail(&world, &failure),
        Ok(result) => {
            let rank = world.rank();
            // All are here: who is late to close its connections harms nobody.
            let _ = world.leave(PATIENCE);
            match &result {
                Err(failure) if rank > 0 => exit_at_once(failure.kind().status().into()),
                _ => result,
            }
        }
    }
}

/// Ends this process after a failure, its own or another's.
fn fail(world: &World, failure: &Failure) -> ! {
    let reason = match failure.elsewhere() {
        Some(Elsewhere::Lost(error)) => world.explain(error),
        Some(Elsewhere::Known(reason)) => reason.clone(),
        None => world.fail(&failure.to_string()),
    };
    if reason.reporter == world.rank() {
        let sentence = Failure::failed(reason.reason);
        let sentence = match failure.next_step() {
            Some(hint) => sentence.hint(hint),
            None => sentence,
        };
        console::failure(&sentence);
    }
    exit_at_once(failure.kind().status().into())
}

/// Prints why, and ends the process, which may have threads that wait for a connection.
fn end(failure: &Failure) -> ! {
    console::failure(failure);
    exit_at_once(failure.kind().status().into())
}
