//! The address by which other hosts reach this one.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs, UdpSocket},
};

/// This host's address on the way to `host`. Sends nothing: connecting a datagram socket only selects the route.
pub(super) fn towards(host: &str, port: u16) -> io::Result<IpAddr> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, format!("the host {host:?} has no address"));
    for target in (host, port.max(1)).to_socket_addrs()? {
        let any = if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { IpAddr::from(Ipv6Addr::UNSPECIFIED) };
        let local = UdpSocket::bind((any, 0)).and_then(|socket| {
            socket.connect(target)?;
            socket.local_addr()
        });
        match local {
            Ok(local) => return Ok(local.ip()),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The address of a process without others. Gloo listens in any case, and a sandbox may lack even the loopback interface.
pub(super) fn alone() -> IpAddr {
    let loopback = Ipv4Addr::LOCALHOST;
    if UdpSocket::bind((loopback, 0)).is_ok() { loopback.into() } else { Ipv4Addr::UNSPECIFIED.into() }
}

/// Replaces a loopback address where there are other hosts: a host often resolves its own name to one.
pub(super) fn reachable(own: IpAddr, peers: &[IpAddr]) -> IpAddr {
    let other = peers.iter().find(|peer| !peer.is_loopback());
    match other {
        Some(peer) if own.is_loopback() => towards(&peer.to_string(), 1).unwrap_or(own),
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn processes_on_this_host_meet_on_loopback() {
        assert_eq!(towards("127.0.0.1", 0).unwrap(), LOOPBACK);
        assert!(towards("name.invalid", 1).is_err());
        assert_eq!(reachable(LOOPBACK, &[LOOPBACK]), LOOPBACK);
    }

    #[test]
    fn an_address_that_others_reach_is_kept() {
        let own: IpAddr = "10.0.0.1".parse().unwrap();
        assert_eq!(reachable(own, &[own, "10.0.0.2".parse().unwrap()]), own);
    }
}
