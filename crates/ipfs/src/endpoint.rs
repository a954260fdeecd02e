//! From the multiaddress of a daemon's RPC to the base of its URLs.

use multiaddr::{Multiaddr, Protocol};
use reqwest::Url;
use std::{
    net::{Ipv4Addr, Ipv6Addr},
    path::PathBuf,
};

/// Where a daemon's RPC listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `http://host:port/api/v0/` or the same with `https`.
    pub(crate) base: Url,
    /// How to get there.
    pub(crate) route: Route,
}

/// A way to a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// A port of this machine: never through a proxy.
    Loopback,
    /// A port of another machine.
    Remote,
    /// A Unix socket; the host in the URL is only a name.
    Socket(PathBuf),
}

/// An address that this connector cannot use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot use {node} as the address of an IPFS daemon: {reason}; \
     expected /ip4/<address>/tcp/<port>, /ip6/<address>/tcp/<port> or /dns/<name>/tcp/<port>, each with /https after it \
     where the daemon speaks TLS, or /unix/<path>"
)]
pub struct EndpointError {
    node: Multiaddr,
    reason: &'static str,
}

impl Endpoint {
    /// Reads `/ip4|ip6|dns|dns4|dns6/<host>/tcp/<port>[/http|/https|/tls/http]` or `/unix/<path>`.
    pub(crate) fn from_multiaddr(node: &Multiaddr) -> Result<Self, EndpointError> {
        let fail = |reason| EndpointError { node: node.clone(), reason };
        let mut parts = node.iter();
        let (host, route) = match parts.next() {
            Some(Protocol::Ip4(address)) => (address.to_string(), route(Ipv4Addr::is_loopback(&address))),
            Some(Protocol::Ip6(address)) => (format!("[{address}]"), route(Ipv6Addr::is_loopback(&address))),
            Some(Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name)) => {
                if name.is_empty() || !name.bytes().all(is_host_byte) {
                    return Err(fail("the host name has characters that no host name has"));
                }
                let route = route(name.eq_ignore_ascii_case("localhost"));
                (name.into_owned(), route)
            }
            Some(Protocol::Unix(path)) => {
                if parts.next().is_some() {
                    return Err(fail("nothing may follow the path of a Unix socket"));
                }
                if path.trim_matches('/').is_empty() {
                    return Err(fail("the Unix socket has no path"));
                }
                // Addresses read from text have lost the first slash of the path, those in binary form have it.
                let path = PathBuf::from(format!("/{}", path.trim_start_matches('/')));
                let base = Url::parse("http://localhost/api/v0/");
                let base = base.map_err(|_| fail("the host is not one that a URL can have"))?;
                return Ok(Self { base, route: Route::Socket(path) });
            }
            _ => return Err(fail("it does not start with an IP address, a host name or a Unix socket")),
        };
        let port = match parts.next() {
            Some(Protocol::Tcp(0)) => return Err(fail("the port is 0")),
            Some(Protocol::Tcp(port)) => port,
            _ => return Err(fail("it has no TCP port after the host")),
        };
        let scheme = match (parts.next(), parts.next(), parts.next()) {
            (None | Some(Protocol::Http), None, None) => "http",
            (Some(Protocol::Https), None, None) | (Some(Protocol::Tls), Some(Protocol::Http), None) => {
                "https"
            }
            _ => return Err(fail("nothing but /http, /https or /tls/http may follow the port")),
        };
        let base = Url::parse(&format!("{scheme}://{host}:{port}/api/v0/"));
        Ok(Self { base: base.map_err(|_| fail("the host is not one that a URL can have"))?, route })
    }

    /// Says whether the daemon speaks TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.base.scheme() == "https"
    }
}

fn route(loopback: bool) -> Route {
    if loopback { Route::Loopback } else { Route::Remote }
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
        for (text, base) in [
            ("/ip4/127.0.0.1/tcp/5001", "http://127.0.0.1:5001/api/v0/"),
            ("/ip6/::1/tcp/5001", "http://[::1]:5001/api/v0/"),
            ("/dns4/kubo/tcp/80/http", "http://kubo/api/v0/"),
            ("/dns4/kubo/tcp/443/https", "https://kubo/api/v0/"),
            ("/ip4/10.0.0.1/tcp/5001/https", "https://10.0.0.1:5001/api/v0/"),
            ("/dns6/kubo/tcp/5001/tls/http", "https://kubo:5001/api/v0/"),
            ("/unix/kubo.sock", "http://localhost/api/v0/"),
        ] {
            let endpoint = read(text).unwrap();
            assert_eq!(endpoint.base.as_str(), base);
            assert_eq!(endpoint.is_tls(), base.starts_with("https"), "{text}");
        }
        assert_eq!(read("/ip4/127.0.0.7/tcp/5001").unwrap().route, Route::Loopback);
        assert_eq!(read("/dns/LocalHost/tcp/5001/https").unwrap().route, Route::Loopback);
        assert_eq!(read("/dns/kubo/tcp/5001").unwrap().route, Route::Remote);
    }

    #[test]
    fn finds_the_path_of_a_socket_with_and_without_its_first_slash() {
        for path in ["run/ipfs/api.sock", "/run/ipfs/api.sock"] {
            let node = Multiaddr::empty().with(Protocol::Unix(path.into()));
            let route = Endpoint::from_multiaddr(&node).unwrap().route;
            assert_eq!(route, Route::Socket("/run/ipfs/api.sock".into()));
        }
    }

    #[test]
    fn names_what_is_wrong_with_an_address() {
        for (text, reason) in [
            ("/unix/kubo.sock/http", "nothing may follow the path"),
            ("/unix/", "the Unix socket has no path"),
            ("/ip4/127.0.0.1/udp/5001", "no TCP port"),
            ("/ip4/127.0.0.1", "no TCP port"),
            ("/ip4/127.0.0.1/tcp/0", "the port is 0"),
            ("/ip4/127.0.0.1/tcp/443/https/http", "nothing but /http"),
            ("/ip4/127.0.0.1/tcp/443/tls", "nothing but /http"),
            ("/ip4/127.0.0.1/tcp/443/tls/ws", "nothing but /http"),
            ("/ip4/127.0.0.1/tcp/5001/ws", "nothing but /http"),
            ("/tcp/5001", "does not start with"),
            ("/dns4/a@b/tcp/5001", "characters"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
