//! What an address is good for, and whether it can be reached from elsewhere.

use cluster_core::Multiaddr;
use multiaddr::Protocol;
use std::net::Ipv4Addr;

/// Reads an address. A Unix socket may lie in a folder (`/unix/run/api.sock`); as everywhere in this crate its
/// protocol part then holds the path without the first slash.
pub(crate) fn parse(text: &str) -> Option<Multiaddr> {
    match text.strip_prefix("/unix/") {
        Some("") => None,
        Some(path) => Some(Multiaddr::empty().with(Protocol::Unix(path.to_owned().into()))),
        None => text.parse::<Multiaddr>().ok().filter(|address| !address.is_empty()),
    }
}

/// Builds the address of a TCP port.
pub(crate) fn tcp(ip: Ipv4Addr, port: u16) -> Multiaddr {
    Multiaddr::empty().with(Protocol::Ip4(ip)).with(Protocol::Tcp(port))
}

/// Says whether this is a TCP port of a host (optionally followed by `http`, `https` or `tls/http`) or a Unix socket.
pub(crate) fn tcp_or_unix(address: &Multiaddr) -> bool {
    let mut parts = address.iter();
    match (parts.next(), parts.next()) {
        (Some(Protocol::Unix(_)), None) => true,
        (Some(host), Some(Protocol::Tcp(_))) => {
            let http = match (parts.next(), parts.next()) {
                (None | Some(Protocol::Http | Protocol::Https), None) => true,
                (Some(Protocol::Tls), Some(Protocol::Http)) => parts.next().is_none(),
                _ => false,
            };
            http && is_host(&host)
        }
        _ => false,
    }
}

/// Says whether this is a UDP or TCP port of a host.
pub(crate) fn udp_or_tcp(address: &Multiaddr) -> bool {
    let mut parts = address.iter();
    let parts = (parts.next(), parts.next(), parts.next());
    matches!(parts, (Some(host), Some(Protocol::Udp(_) | Protocol::Tcp(_)), None) if is_host(&host))
}

/// Says whether only this machine can reach a socket listening there. A name counts as reachable, but for
/// `localhost`: what it resolves to can change.
pub(crate) fn is_local(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => ip.is_loopback(),
        Some(Protocol::Ip6(ip)) => {
            ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|mapped| mapped.is_loopback())
        }
        Some(Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name)) => name == "localhost",
        Some(Protocol::Unix(_)) => true,
        _ => false,
    }
}

fn is_host(part: &Protocol<'_>) -> bool {
    use Protocol::{Dns, Dns4, Dns6, Ip4, Ip6};
    matches!(part, Ip4(_) | Ip6(_) | Dns(_) | Dns4(_) | Dns6(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_judged_by_use_and_reach() {
        for (text, socket, local) in [
            ("/ip4/127.0.0.1/tcp/9094", true, true),
            ("/ip4/127.9.9.9/tcp/9094", true, true),
            ("/ip6/::1/tcp/9094", true, true),
            ("/ip6/::ffff:127.0.0.1/tcp/9094", true, true),
            ("/ip6/::/tcp/9094", true, false),
            ("/ip4/0.0.0.0/tcp/9094", true, false),
            ("/dns4/localhost/tcp/9094/http", true, true),
            ("/dns4/example.org/tcp/443/https", true, false),
            ("/dns4/example.org/tcp/443/tls/http", true, false),
            ("/dns4/example.org/tcp/443/tls", false, false),
            ("/dns4/example.org/tcp/443/tls/http/http", false, false),
            ("/unix/run/api.sock", true, true),
            ("/ip4/127.0.0.1/udp/9094", false, true),
            ("/ip4/127.0.0.1", false, true),
            ("/tcp/9094", false, false),
        ] {
            let address = parse(text).unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!((tcp_or_unix(&address), is_local(&address)), (socket, local), "{text}");
        }
        assert!(udp_or_tcp(&"/ip4/0.0.0.0/udp/6831".parse().unwrap()));
        assert!(!udp_or_tcp(&"/ip4/0.0.0.0/udp/6831/quic-v1".parse().unwrap()));
    }
}
