//! Who takes part: the processes of a job introduce themselves at the store.
//!
//! An agent's store outlives the processes, and holds what those before them have left there. So rank 0 calls under a name that is
//! new, and the others answer this call. How often the job was started before would not do for a name: `torchrun` counts on each
//! node for itself, and leaves out restarts for which another node is the cause.

use std::{
    net::IpAddr,
    process,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{
    join::refused,
    launch::{Launch, Listener},
    ranks_in_words,
    store::Store,
    world::LINGER,
};
use crate::Error;

/// How long a process waits before it looks for another call.
const LOOK: Duration = Duration::from_secs(1);
/// Longer than rank 0 waits for the others: its error says more.
const MARGIN: Duration = Duration::from_millis(2500);

/// What a process tells the others about itself: a line in the store.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    pub(super) world_size: usize,
    pub(super) address: IpAddr,
    /// Differs between any two processes of a host.
    start: String,
    pub(super) host: String,
}

/// A start of a job.
#[derive(Debug)]
pub(super) struct Start {
    /// The name under which its processes have met.
    pub(super) call: String,
    /// That of the job's first start at this meeting point.
    pub(super) first: String,
    /// For keys of this start.
    pub(super) store: Store,
    pub(super) members: Vec<Member>,
}

/// Leaves this process' line, and returns all lines by rank. Rank 0 collects them, so that each process asks for one key only.
pub(super) fn introduce(launch: &Launch, store: &Store, me: &Member, limit: Duration) -> Result<Start, Error> {
    let Launch { rank, world_size, .. } = *launch;
    let (call, store_of_call, text) = if rank == 0 {
        store.claim("first", &me.start)?;
        let own = store.under(&me.start)?;
        own.set("member/0", &me.line())?;
        store.set("call", &me.start)?;
        let lines = collect(&own, world_size, limit);
        let text = lines.map_or_else(|reason| format!("!{reason}"), |lines| lines.join("\n"));
        own.set("members", &text)?;
        (me.start.clone(), own, text)
    } else {
        answer(launch, store, me, limit)?
    };
    if let Some(reason) = text.strip_prefix('!') {
        stay_until_read(launch, &store_of_call)?;
        return Err(refused(reason.to_owned()));
    }
    let members: Vec<Member> = text.lines().filter_map(Member::from_line).collect();
    if members.len() != world_size {
        let first = members.len();
        return Err(refused(format!(
            "rank {rank} was started as one of {world_size} processes, rank 0 as one of {first}"
        )));
    }
    let first = store.get("first")?.unwrap_or_else(|| call.clone());
    Ok(Start { call, first, store: store_of_call, members })
}

/// Answers rank 0's call; the call, the store for its keys, and what rank 0 says. A call that was answered before belongs to an
/// earlier start: another one follows.
fn answer(launch: &Launch, store: &Store, me: &Member, limit: Duration) -> Result<(String, Store, String), Error> {
    let (rank, line, deadline) = (launch.rank, me.line(), Instant::now() + limit + MARGIN);
    let wait = |store: &Store, key: &str| {
        let time = LOOK.min(deadline.saturating_duration_since(Instant::now()));
        // After a while in vain there is another look, or the deadline.
        let _ = store.wait(&[key.to_owned()], time);
        store.get(key)
    };
    let mut stale = None;
    while Instant::now() < deadline {
        let Some(call) = wait(store, "call")? else { continue };
        if stale.as_ref() == Some(&call) {
            std::thread::sleep(LOOK / 10);
            continue;
        }
        let own = store.under(&call)?;
        let fresh = launch.listener == Listener::RankZero || own.get("members")?.is_none();
        if !fresh || own.claim(&format!("member/{rank}"), &line)? != line {
            if launch.listener == Listener::RankZero {
                return Err(refused(format!("rank {rank} was started twice, the second time on {}", me.host)));
            }
            stale = Some(call);
        } else if let Some(text) = wait(&own, "members")? {
            return Ok((call, own, text));
        }
    }
    Err(refused(format!("rank 0 did not join within {} s", limit.as_secs_f64())))
}

/// The store ends with its process, and the others are about to read why.
fn stay_until_read(launch: &Launch, store: &Store) -> Result<(), Error> {
    let key = |rank: usize| format!("refused/{rank}");
    if launch.rank > 0 || launch.listener == Listener::Agent {
        return store.set(&key(launch.rank), "");
    }
    let present = (1..launch.world_size).filter(|rank| matches!(store.get(&format!("member/{rank}")), Ok(Some(_))));
    // The reason is known; who is late does without it.
    let _ = store.wait(&present.map(key).collect::<Vec<_>>(), LINGER);
    Ok(())
}

/// The lines of all members, or who is missing or disagrees.
fn collect(store: &Store, world_size: usize, limit: Duration) -> Result<Vec<String>, String> {
    let keys: Vec<String> = (0..world_size).map(|rank| format!("member/{rank}")).collect();
    let complete = store.wait(&keys, limit).is_ok();
    let lines: Vec<Option<String>> = keys.iter().map(|key| store.get(key).ok().flatten()).collect();
    let missing: Vec<usize> = (0..world_size).filter(|&rank| lines[rank].is_none()).collect();
    if !complete && !missing.is_empty() {
        return Err(format!("{} did not join within {} s", ranks_in_words(&missing), limit.as_secs_f64()));
    }
    let lines: Vec<String> = lines.into_iter().flatten().collect();
    let disagrees = |(rank, line): (usize, &String)| {
        let found = Member::from_line(line)?.world_size;
        (found != world_size)
            .then(|| format!("rank {rank} was started as one of {found} processes, rank 0 as one of {world_size}"))
    };
    lines.iter().enumerate().find_map(disagrees).map_or(Ok(lines.clone()), Err)
}

impl Member {
    /// This process.
    pub(super) fn this(world_size: usize, address: IpAddr, host: String) -> Self {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Self { world_size, address, start: format!("{}-{time}", process::id()), host }
    }

    fn line(&self) -> String {
        format!("{} {} {} {}", self.world_size, self.address, self.start, self.host)
    }

    fn from_line(line: &str) -> Option<Self> {
        let mut words = line.splitn(4, ' ');
        let world_size = words.next()?.parse().ok()?;
        let address = words.next()?.parse().ok()?;
        Some(Self { world_size, address, start: words.next()?.to_owned(), host: words.next()?.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_members_line_is_read_back() {
        let member = Member::this(3, "::1".parse().unwrap(), "a host".to_owned());
        assert_eq!(Member::from_line(&member.line()), Some(member));
        assert_eq!(Member::from_line("3 nowhere 0 host"), None);
    }

    #[test]
    fn members_that_disagree_or_are_missing_are_named() {
        let store = Store::local().unwrap();
        store.set("member/0", "2 127.0.0.1 0 a").unwrap();
        let limit = Duration::from_millis(20);
        assert_eq!(collect(&store, 2, limit).unwrap_err(), "rank 1 did not join within 0.02 s");
        store.set("member/1", "3 127.0.0.1 0 b").unwrap();
        let reason = collect(&store, 2, limit).unwrap_err();
        assert_eq!(reason, "rank 1 was started as one of 3 processes, rank 0 as one of 2");
        store.set("member/1", "2 127.0.0.1 0 b").unwrap();
        assert_eq!(collect(&store, 2, limit).unwrap().len(), 2);
    }

    /// What an earlier start has left in the store does not disturb, however it ended.
    #[test]
    fn a_call_that_was_answered_before_is_not_answered_again() {
        let store = Store::local().unwrap();
        let limit = Duration::from_secs(60);
        let launch = |rank| Launch { listener: Listener::Agent, ..Launch::local(rank, 2, 1) };
        let start = |rank: usize, limit| {
            let me = Member::this(2, "::1".parse().unwrap(), format!("host {rank}"));
            introduce(&launch(rank), &store.under("job").unwrap(), &me, limit)
        };
        assert!(start(0, Duration::from_millis(10)).is_err(), "nobody came");
        let mut first = None;
        for _ in 0..2 {
            let (zero, one) = std::thread::scope(|scope| {
                let early = scope.spawn(|| start(1, limit).unwrap());
                std::thread::sleep(Duration::from_millis(300));
                (start(0, limit).unwrap(), early.join().unwrap())
            });
            assert_eq!((&zero.call, &zero.members), (&one.call, &one.members));
            assert_eq!((zero.first.as_str(), one.members[1].host.as_str()), (one.first.as_str(), "host 1"));
            assert_ne!(zero.first, zero.call);
            assert_eq!(first.get_or_insert(zero.first.clone()), &zero.first);
        }
    }
}
