//! Where the daemon is and how long it may take.

use cluster_core::Multiaddr;
use multiaddr::Protocol;
use std::time::Duration;

/// Settings of the connector (api §6.8).
#[derive(Debug, Clone)]
pub struct KuboConfig {
    /// Address of the RPC: `/ip4|ip6|dns…/…/tcp/N`.
    pub node: Multiaddr,
    /// Limit of every call but pinning, unpinning and collecting garbage.
    pub ipfs_request_timeout: Duration,
    /// How long a pin may go without progress.
    pub pin_timeout: Duration,
    /// Limit of an unpin.
    pub unpin_timeout: Duration,
    /// Refuse to unpin.
    pub unpin_disable: bool,
    /// Calls at once, long and short ones counted apart.
    pub max_connections: usize,
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KuboConfigError {
    /// The address is of another kind.
    #[error(
        "{node} cannot be used as the address of an IPFS daemon by this version: use one such as /ip4/127.0.0.1/tcp/5001"
    )]
    Address {
        /// The address.
        node: Multiaddr,
    },
    /// The HTTP client cannot be made.
    #[error("cannot make the HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// Makes the URL below which the RPC is.
pub(crate) fn base_url(node: &Multiaddr) -> Result<String, KuboConfigError> {
    let mut parts = node.iter();
    let host = match parts.next() {
        Some(Protocol::Ip4(ip)) => Some(ip.to_string()),
        Some(Protocol::Ip6(ip)) => Some(format!("[{ip}]")),
        Some(Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name)) => Some(name.into_owned()),
        _ => None,
    };
    match (host, parts.next(), parts.next(), parts.next()) {
        (Some(host), Some(Protocol::Tcp(port)), None | Some(Protocol::Http), None) => {
            Ok(format!("http://{host}:{port}/api/v0/"))
        }
        _ => Err(KuboConfigError::Address { node: node.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_hosts_and_ports_are_taken_and_others_named() {
        let url = |text: &str| base_url(&text.parse().unwrap());
        assert_eq!(url("/ip4/127.0.0.1/tcp/5001").unwrap(), "http://127.0.0.1:5001/api/v0/");
        assert_eq!(url("/ip6/::1/tcp/5001").unwrap(), "http://[::1]:5001/api/v0/");
        assert_eq!(url("/dns4/kubo/tcp/5001/http").unwrap(), "http://kubo:5001/api/v0/");
        let error = url("/ip4/127.0.0.1/udp/5001").unwrap_err().to_string();
        assert!(error.contains("/ip4/127.0.0.1/udp/5001"), "{error}");
        assert!(url("/ip4/127.0.0.1/tcp/5001/https").is_err());
    }
}
