//! One reason for all when a process fails.
//!
//! A process that fails writes why into the store before it ends; only the first reason stays. The others notice through
//! their next collective, whose error names an address at best. They then look for the reason. If nobody has left one, a
//! roll call shows which processes are gone and which have not come as far.

use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{World, deadline::within, launch::Listener, ranks_in_words, sentinel::News, store::Store, world::LINGER};
use crate::Error;

/// Why the job failed: the same for all processes that still reach the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The rank that found the reason. If only this one prints it, it is printed once.
    pub reporter: usize,
    /// The reason, as a sentence that names a rank and its host.
    pub reason: String,
    /// The ranks that gave no sign of life, in order.
    pub gone: Vec<usize>,
}

/// The store's keys.
pub(super) mod keys {
    /// The reason, with the rank that found it.
    pub const REASON: &str = "failure";
    /// Set when a process asks who is there.
    pub const ROLL_CALL: &str = "roll call";
    /// The number of processes that have failed.
    pub const STOPPED: &str = "stopped";

    /// Answers the roll call, even where the process is busy.
    pub fn present(rank: usize) -> String {
        format!("present/{rank}")
    }

    /// The process has failed, and looks for the reason.
    pub fn stopped(rank: usize) -> String {
        format!("stopped/{rank}")
    }

    /// The process knows the reason.
    pub fn informed(rank: usize) -> String {
        format!("informed/{rank}")
    }
}

/// How long a process waits for a reason and for answers, of which each takes a fraction of a second.
const PATIENCE: Duration = Duration::from_secs(3);
const INTERVAL: Duration = Duration::from_millis(50);
/// For calls to a store that may have no other end any more.
const STORE_LIMIT: Duration = Duration::from_secs(2);

impl World {
    /// Tells all that this process fails for a reason of its own. Returns the job's reason: another process may have
    /// failed before. End with [`exit_at_once`](super::exit_at_once) after it.
    pub fn fail(&self, reason: &str) -> Failure {
        let own = self.failure(format!("{}: {reason}", self.name_of(self.rank())));
        let store = self.store.clone();
        let claimed = own.clone();
        let failure = within(STORE_LIMIT, move || claim(&store, &claimed)).and_then(Result::ok).unwrap_or(own);
        self.finish(failure)
    }

    /// Finds out why a call failed: of errors about a lost process who it is, or the reason that it left; other errors are
    /// this process' own, as in [`World::fail`]. Takes a few seconds.
    pub fn explain(&self, error: &Error) -> Failure {
        let missing = match error {
            Error::Lost { .. } => None,
            Error::Missing { ranks, .. } => Some(ranks.clone()),
            _ => return self.fail(&error.to_string()),
        };
        if let News::Failure(failure) = self.news() {
            return self.finish(failure);
        }
        let (store, rank, hosts, text) = (self.store.clone(), self.rank(), self.hosts.clone(), error.to_string());
        let search = move || match missing {
            Some(late) => {
                let reason = accusation(&[], &late, rank, &hosts, &text);
                claim(&store, &Failure { reporter: rank, reason, gone: vec![] })
            }
            None => search(&store, rank, &hosts, &text),
        };
        match within(PATIENCE + STORE_LIMIT, search).and_then(Result::ok) {
            Some(failure) => self.finish(failure),
            None => self.written(self.without_store(&error.to_string())),
        }
    }

    /// The reason of another process that has failed meanwhile; for work without collectives that takes long. Asks nobody.
    pub fn failed_elsewhere(&self) -> Option<Failure> {
        match self.news() {
            News::None => None,
            News::Failure(failure) => Some(failure),
            News::StoreClosed => Some(self.without_store("the program that started the processes is gone")),
        }
    }

    fn without_store(&self, error: &str) -> Failure {
        let reason = match self.launch.listener {
            Listener::RankZero if self.rank() != 0 => format!("{} does not answer any more", self.name_of(0)),
            _ => format!("{}: {error}", self.name_of(self.rank())),
        };
        self.failure(reason)
    }

    fn failure(&self, reason: String) -> Failure {
        Failure { reporter: self.rank(), reason, gone: vec![] }
    }

    /// Where the store ends with this process, it stays until those that are not gone know the reason.
    fn finish(&self, failure: Failure) -> Failure {
        let (store, rank, hosting) = (self.store.clone(), self.rank(), self.hosts_store());
        let present = |rank: &usize| !failure.gone.contains(rank);
        let readers: Vec<String> = (1..self.size()).filter(present).map(keys::informed).collect();
        // Best effort: the reason is known, and the process is about to end.
        let _ = within(LINGER + INTERVAL, move || match hosting {
            true => store.wait(&readers, LINGER),
            false => store.set(&keys::informed(rank), ""),
        });
        self.written(failure)
    }

    /// Writes the reason where `torchrun` looks for the root cause, in the form of `torch.distributed.elastic`.
    fn written(&self, failure: Failure) -> Failure {
        let Some(path) = &self.launch.error_file else { return failure };
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let extra = serde_json::json!({ "timestamp": seconds.to_string() });
        let text = serde_json::json!({ "message": { "message": failure.reason, "extraInfo": extra } }).to_string();
        // The reason is printed as well.
        let _ = std::fs::write(path, text);
        failure
    }

    fn name_of(&self, rank: usize) -> String {
        name(rank, &self.hosts)
    }
}

/// Waits for a reason while the roll is called.
fn search(store: &Store, rank: usize, hosts: &[String], error: &str) -> Result<Failure, Error> {
    store.set(keys::ROLL_CALL, "")?;
    for key in [keys::present(rank), keys::stopped(rank)] {
        store.set(&key, "")?;
    }
    store.add(keys::STOPPED, 1)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(failure) = read(store)? {
            return Ok(failure);
        }
        if store.add(keys::STOPPED, 0)? == hosts.len() as i64 || Instant::now() > deadline {
            break;
        }
        thread::sleep(INTERVAL);
    }
    let without = |key: fn(usize) -> String| -> Result<Vec<usize>, Error> {
        let mut ranks = vec![];
        for other in 0..hosts.len() {
            if store.get(&key(other))?.is_none() {
                ranks.push(other);
            }
        }
        Ok(ranks)
    };
    let gone = without(keys::present)?;
    let reason = accusation(&gone, &without(keys::stopped)?, rank, hosts, error);
    claim(store, &Failure { reporter: rank, reason, gone })
}

/// `late`: the ranks that have not failed, though they should have by now.
fn accusation(gone: &[usize], late: &[usize], rank: usize, hosts: &[String], error: &str) -> String {
    let all = |ranks: &[usize]| match ranks {
        [only] => (name(*only, hosts), "does"),
        [first, ..] => (format!("{} (the first on {})", ranks_in_words(ranks), hosts[*first]), "do"),
        [] => (String::new(), ""),
    };
    match (gone, late) {
        ([], []) => format!("{}: {error}", name(rank, hosts)),
        ([], late) => {
            let (ranks, do_they) = all(late);
            format!("{ranks} {do_they} not get as far as the others ({error})")
        }
        (gone, _) => {
            let (ranks, do_they) = all(gone);
            format!("{ranks} {do_they} not answer any more ({error})")
        }
    }
}

fn name(rank: usize, hosts: &[String]) -> String {
    format!("rank {rank} on {}", hosts[rank])
}

pub(super) fn read(store: &Store) -> Result<Option<Failure>, Error> {
    Ok(store.get(keys::REASON)?.as_deref().and_then(Failure::from_text))
}

fn claim(store: &Store, failure: &Failure) -> Result<Failure, Error> {
    let winner = store.claim(keys::REASON, &failure.to_text())?;
    Ok(Failure::from_text(&winner).unwrap_or_else(|| failure.clone()))
}

impl Failure {
    fn to_text(&self) -> String {
        let gone: Vec<String> = self.gone.iter().map(usize::to_string).collect();
        format!("{} {} {}", self.reporter, gone.join(","), self.reason)
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ' ');
        let reporter = parts.next()?.parse().ok()?;
        let gone = parts.next()?.split(',').filter_map(|rank| rank.parse().ok()).collect();
        Some(Self { reporter, gone, reason: parts.next()?.to_owned() })
    }
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
