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
    introduction::{Member, Start, introduce},
    launch::{Launch, Listener},
    store::Store,
};
use crate::Error;

/// How long joining and collectives may take.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinOptions {
    /// Until all processes have started and found each other.
    pub join_timeout: Duration,
    /// How long a collective waits for the others.
    pub timeout: Duration,
    /// How long this process may go on after another one has failed, or the store is gone. Then it is ended with status 1 and
    /// without a word: one that hangs cannot end itself. `None` leaves it.
    pub end_after_failure: Option<Duration>,
    /// The network interface, such as `eth0`; without it the one on the way to the master.
    pub interface: Option<String>,
}

impl Default for JoinOptions {
    /// 60 s to join, 30 s for a collective, and the interface of `GLOO_SOCKET_IFNAME`, which PyTorch reads as well.
    fn default() -> Self {
        let interface = std::env::var("GLOO_SOCKET_IFNAME").ok().filter(|name| !name.is_empty());
        Self {
            join_timeout: Duration::from_secs(60),
            timeout: Duration::from_secs(30),
            end_after_failure: None,
            interface,
        }
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
    pub(super) first_start: String,
    pub(super) restarted: bool,
}

/// What joining is doing, for the error when it takes too long.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Meeting,
    Waiting,
    Connecting,
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
    let prefix = format!("run/{}", launch.job);
    let of_job = store.under(&prefix)?;
    let own = if alone {
        address::alone()
    } else {
        address::towards(host, port)
            .map_err(|error| refused(format!("cannot find the way to {host}, where the processes meet: {error}")))?
    };
    enter(Stage::Waiting);
    let me = Member::this(launch.world_size, own, host_name());
    let Start { call, first, store, members } = introduce(launch, &of_job, &me, limit)?;
    let second_store = if alone { None } else { Some(connect(launch, false, limit)?.under(&prefix)?.under(&call)?) };
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
    Ok(Joined { restarted: first != call, first_start: first, store, second_store, group, member, hosts })
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

pub(super) fn refused(reason: String) -> Error {
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
