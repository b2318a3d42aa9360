//! Joining: all processes of a job meet at the store, learn who is there, and connect to each other.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    address,
    deadline::within,
    group::{Group, Membership},
    launch::{Launch, Listener},
    ranks_in_words,
    store::Store,
    world::LINGER,
};
use crate::Error;

/// How long joining and collectives may take.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinOptions {
    /// Until all processes have started and found each other.
    pub join_timeout: Duration,
    /// How long a collective waits for the others.
    pub timeout: Duration,
    /// The network interface, such as `eth0`; without it the one on the way to the master.
    pub interface: Option<String>,
}

impl Default for JoinOptions {
    /// 60 s to join, 30 s for a collective, and the interface of `GLOO_SOCKET_IFNAME`, which PyTorch reads as well.
    fn default() -> Self {
        let interface = std::env::var("GLOO_SOCKET_IFNAME").ok().filter(|name| !name.is_empty());
        Self { join_timeout: Duration::from_secs(60), timeout: Duration::from_secs(30), interface }
    }
}

/// Beyond `join_timeout`, so that errors with more detail come first.
const MARGIN: Duration = Duration::from_secs(5);

/// What a process has after joining.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) store: Store,
    /// For another thread; none in a world of one.
    pub(super) second_store: Option<Store>,
    pub(super) group: Group,
    pub(super) member: Membership,
    pub(super) hosts: Vec<String>,
}

/// What joining is doing, for the error when it takes too long.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Meeting,
    Waiting,
    Connecting,
}

/// What a process tells the others about itself: a line in the store.
#[derive(Debug, Clone, PartialEq)]
struct Member {
    world_size: usize,
    address: IpAddr,
    host: String,
}

pub(super) fn join(launch: &Launch, options: &JoinOptions) -> Result<Joined, Error> {
    let stage = Arc::new(Mutex::new(Stage::Meeting));
    let watched = Arc::clone(&stage);
    let (own_launch, own_options) = (launch.clone(), options.clone());
    let joined = within(options.join_timeout + MARGIN, move || {
        let enter = |stage| *watched.lock().unwrap_or_else(PoisonError::into_inner) = stage;
        meet(&own_launch, &own_options, enter)
    });
    joined.unwrap_or_else(|| {
        let stage = *stage.lock().unwrap_or_else(PoisonError::into_inner);
        Err(refused(too_late(stage, launch, options.join_timeout)))
    })
}

fn meet(launch: &Launch, options: &JoinOptions, enter: impl Fn(Stage)) -> Result<Joined, Error> {
    let limit = options.join_timeout;
    let (host, port) = (&launch.master_host, launch.master_port);
    let alone = launch.world_size == 1;
    let hosting = launch.listener == Listener::RankZero && launch.rank == 0;
    let store = if alone { Store::local()? } else { connect(launch, hosting, limit)? };
    let own = if alone {
        address::alone()
    } else {
        address::towards(host, port)
            .map_err(|error| refused(format!("cannot find the way to {host}, where the processes meet: {error}")))?
    };
    enter(Stage::Waiting);
    let me = Member { world_size: launch.world_size, address: own, host: host_name() };
    let members = if alone { vec![me] } else { introduce(launch, &store, &me, limit)? };
    let second_store = if alone { None } else { Some(connect(launch, false, limit)?) };
    enter(Stage::Connecting);
    let addresses: Vec<IpAddr> = members.iter().map(|member| member.address).collect();
    let member = Membership {
        rank: launch.rank,
        size: launch.world_size,
        address: address::reachable(own, &addresses).to_string(),
        interface: options.interface.clone().unwrap_or_default(),
        timeout: options.timeout,
    };
    let group = Group::join(&store, "world", &member)?;
    let hosts = members.into_iter().map(|member| member.host).collect();
    Ok(Joined { store, second_store, group, member, hosts })
}

fn connect(launch: &Launch, hosting: bool, limit: Duration) -> Result<Store, Error> {
    let (host, port) = (&launch.master_host, launch.master_port);
    Store::connect(launch, hosting, limit).map_err(|error| {
        let Error::Libtorch { message, .. } = &error else { return error };
        let lower = message.to_lowercase();
        refused(if lower.contains("eaddrinuse") || lower.contains("address already in use") {
            format!("port {port} of this host is in use by another program; choose another MASTER_PORT")
        } else if lower.contains("timed out") {
            too_late(Stage::Meeting, launch, limit)
        } else {
            format!("cannot meet the other processes at {host}:{port}: {message}")
        })
    })
}

/// Leaves this process' line, and returns all lines by rank. Rank 0 collects them, so that each process asks for one key only.
fn introduce(launch: &Launch, store: &Store, me: &Member, limit: Duration) -> Result<Vec<Member>, Error> {
    let Launch { rank, world_size, .. } = *launch;
    if store.add(&format!("started/{rank}"), 1)? > 1 {
        return Err(refused(format!("rank {rank} was started twice, the second time on {}", me.host)));
    }
    store.set(&format!("member/{rank}"), &me.line())?;
    if rank == 0 {
        let lines = collect(store, world_size, limit);
        let text = lines.as_ref().map_or_else(|reason| format!("!{reason}"), |lines| lines.join("\n"));
        store.set("members", &text)?;
    }
    // Longer than rank 0 waits: its error says more.
    if store.wait(&["members".to_owned()], limit + MARGIN / 2).is_err() {
        return Err(refused(format!("rank 0 did not join within {} s", limit.as_secs_f64())));
    }
    let text = store.get("members")?.unwrap_or_default();
    if let Some(reason) = text.strip_prefix('!') {
        stay_until_read(launch, store)?;
        return Err(refused(reason.to_owned()));
    }
    let members: Vec<Member> = text.lines().filter_map(Member::from_line).collect();
    if members.len() != world_size {
        let first = members.len();
        return Err(refused(format!(
            "rank {rank} was started as one of {world_size} processes, rank 0 as one of {first}"
        )));
    }
    Ok(members)
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
    fn line(&self) -> String {
        format!("{} {} {}", self.world_size, self.address, self.host)
    }

    fn from_line(line: &str) -> Option<Self> {
        let mut words = line.splitn(3, ' ');
        let world_size = words.next()?.parse().ok()?;
        let address = words.next()?.parse().ok()?;
        Some(Self { world_size, address, host: words.next()?.to_owned() })
    }
}

fn too_late(stage: Stage, launch: &Launch, limit: Duration) -> String {
    let (host, port, limit) = (&launch.master_host, launch.master_port, limit.as_secs_f64());
    match stage {
        Stage::Meeting => format!(
            "no answer at {host}:{port}, where the processes meet, within {limit} s: rank 0 has not started there, a \
             firewall is between, or the port belongs to another program"
        ),
        Stage::Waiting => format!("the other processes did not join at {host}:{port} within {limit} s"),
        Stage::Connecting => format!(
            "the processes met at {host}:{port}, but could not connect to each other within {limit} s; \
             GLOO_SOCKET_IFNAME sets the network interface"
        ),
    }
}

fn refused(reason: String) -> Error {
    Error::Join { reason }
}

fn host_name() -> String {
    let mut name = [0u8; 256];
    // SAFETY: the buffer has the stated length.
    let failed = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) } != 0;
    let length = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    let name = String::from_utf8_lossy(&name[..length]).replace(char::is_whitespace, "");
    if failed || name.is_empty() { "an unnamed host".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_members_line_is_read_back() {
        let member = Member { world_size: 3, address: "::1".parse().unwrap(), host: host_name() };
        assert_eq!(Member::from_line(&member.line()), Some(member));
        assert_eq!(Member::from_line("3 nowhere host"), None);
    }

    #[test]
    fn members_that_disagree_or_are_missing_are_named() {
        let store = Store::local().unwrap();
        store.set("member/0", "2 127.0.0.1 a").unwrap();
        let limit = Duration::from_millis(20);
        assert_eq!(collect(&store, 2, limit).unwrap_err(), "rank 1 did not join within 0.02 s");
        store.set("member/1", "3 127.0.0.1 b").unwrap();
        let reason = collect(&store, 2, limit).unwrap_err();
        assert_eq!(reason, "rank 1 was started as one of 3 processes, rank 0 as one of 2");
        store.set("member/1", "2 127.0.0.1 b").unwrap();
        assert_eq!(collect(&store, 2, limit).unwrap().len(), 2);
    }
}
