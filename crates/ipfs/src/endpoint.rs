//! From the multiaddress of a daemon's RPC to the base of its URLs.

use multiaddr::{Multiaddr, Protocol};
use reqwest::Url;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Where a daemon's RPC listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `http://host:port/api/v0/`.
    pub(crate) base: Url,
    /// Whether the host is this machine.
    pub(crate) loopback: bool,
}

/// An address that this connector cannot use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot use {node} as the address of an IPFS daemon: {reason}; \
     expected /ip4/<address>/tcp/<port>, /ip6/<address>/tcp/<port> or /dns/<name>/tcp/<port>"
)]
pub struct EndpointError {
    node: Multiaddr,
    reason: &'static str,
}

impl Endpoint {
    /// Reads `/ip4|ip6|dns|dns4|dns6/<host>/tcp/<port>[/http]`.
    pub(crate) fn from_multiaddr(node: &Multiaddr) -> Result<Self, EndpointError> {
        let fail = |reason| EndpointError { node: node.clone(), reason };
        let mut parts = node.iter();
        let (host, loopback) = match parts.next() {
            Some(Protocol::Ip4(address)) => (address.to_string(), Ipv4Addr::is_loopback(&address)),
            Some(Protocol::Ip6(address)) => (format!("[{address}]"), Ipv6Addr::is_loopback(&address)),
            Some(Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name)) => {
                if name.is_empty() || !name.bytes().all(is_host_byte) {
                    return Err(fail("the host name has characters that no host name has"));
                }
                let loopback = name.eq_ignore_ascii_case("localhost");
                (name.into_owned(), loopback)
            }
            Some(Protocol::Unix(_)) => return Err(fail("Unix sockets are not supported yet")),
            _ => return Err(fail("it does not start with an IP address or a host name")),
        };
        let port = match parts.next() {
            Some(Protocol::Tcp(0)) => return Err(fail("the port is 0")),
            Some(Protocol::Tcp(port)) => port,
            _ => return Err(fail("it has no TCP port after the host")),
        };
        match (parts.next(), parts.next()) {
            (None | Some(Protocol::Http), None) => {}
            (Some(Protocol::Https | Protocol::Tls), _) => return Err(fail("TLS is not supported")),
            _ => return Err(fail("nothing but /http may follow the port")),
        }
        let base = Url::parse(&format!("http://{host}:{port}/api/v0/"));
        Ok(Self { base: base.map_err(|_| fail("the host is not one that a URL can have"))?, loopback })
    }
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Endpoint, String> {
        Endpoint::from_multiaddr(&text.parse().unwrap()).map_err(|e| e.to_string())
    }

    #[test]
    fn makes_the_base_of_urls() {
        assert_eq!(read("/ip4/127.0.0.1/tcp/5001").unwrap().base.as_str(), "http://127.0.0.1:5001/api/v0/");
        assert_eq!(read("/ip6/::1/tcp/5001").unwrap().base.as_str(), "http://[::1]:5001/api/v0/");
        assert_eq!(read("/dns4/kubo/tcp/80/http").unwrap().base.as_str(), "http://kubo/api/v0/");
        assert!(read("/ip4/127.0.0.7/tcp/5001").unwrap().loopback);
        assert!(read("/dns/LocalHost/tcp/5001").unwrap().loopback);
        assert!(!read("/dns/kubo/tcp/5001").unwrap().loopback);
    }

    #[test]
    fn names_what_is_wrong_with_an_address() {
        for (text, reason) in [
            ("/unix/%2Ftmp%2Fx.sock", "Unix sockets are not supported yet"),
            ("/ip4/127.0.0.1/udp/5001", "no TCP port"),
            ("/ip4/127.0.0.1", "no TCP port"),
            ("/ip4/127.0.0.1/tcp/0", "the port is 0"),
            ("/ip4/127.0.0.1/tcp/443/https", "TLS"),
            ("/ip4/127.0.0.1/tcp/5001/ws", "nothing but /http"),
            ("/tcp/5001", "does not start with"),
            ("/dns4/a@b/tcp/5001", "characters"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
