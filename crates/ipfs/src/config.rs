//! How to reach a Kubo daemon and how long to wait for it.

use crate::endpoint::{Endpoint, EndpointError};
use multiaddr::Multiaddr;
use std::time::Duration;

/// Settings of the connector (api §6.8).
#[derive(Debug, Clone)]
pub struct KuboConfig {
    /// The daemon's RPC: `/ip4|ip6|dns|dns4|dns6/<host>/tcp/<port>`, optionally followed by `/http`, `/https` or
    /// `/tls/http`; or `/unix/<path>`, where the part of the socket holds its path with or without the first slash.
    ///
    /// With TLS the certificates that the system trusts are trusted; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
    pub node: Multiaddr,
    /// Longest a short call may take, and longest silence within a listing of pins.
    pub ipfs_request_timeout: Duration,
    /// Longest a pin may go without progress; also the longest it waits for a connection before it starts. A pin
    /// that is an update of another may first spend five times as long on that, see `PinRequest::update_from`.
    pub pin_timeout: Duration,
    /// Longest an unpin may take.
    pub unpin_timeout: Duration,
    /// Longest a garbage collection may take.
    pub repogc_timeout: Duration,
    /// Refuses every unpin.
    pub unpin_disable: bool,
    /// Connections to the daemon at most, half of them for pins (see [`KuboConfig::connections_for`]); at least
    /// [`KuboConfig::MIN_CONNECTIONS`]. Collecting garbage uses one more.
    pub max_connections: usize,
}

impl KuboConfig {
    /// Fewest connections: one for each class of calls, so that no class can starve another.
    pub const MIN_CONNECTIONS: usize = 8;

    /// Takes the defaults of the reference for everything but the address, and 32 connections.
    pub fn new(node: Multiaddr) -> Self {
        Self {
            node,
            ipfs_request_timeout: Duration::from_mins(5),
            pin_timeout: Duration::from_mins(2),
            unpin_timeout: Duration::from_hours(3),
            repogc_timeout: Duration::from_hours(24),
            unpin_disable: false,
            max_connections: 32,
        }
    }

    /// Returns how many connections let that many pins run at once.
    pub fn connections_for(concurrent_pins: usize) -> usize {
        // Half of all connections are for pins, see `Lanes`.
        concurrent_pins.saturating_mul(2).max(Self::MIN_CONNECTIONS)
    }

    pub(crate) fn endpoint(&self) -> Result<Endpoint, KuboConfigError> {
        for (name, value) in [
            ("ipfs_request_timeout", self.ipfs_request_timeout),
            ("pin_timeout", self.pin_timeout),
            ("unpin_timeout", self.unpin_timeout),
            ("repogc_timeout", self.repogc_timeout),
        ] {
            if value.is_zero() {
                return Err(KuboConfigError::ZeroTimeout { name });
            }
        }
        if self.max_connections < Self::MIN_CONNECTIONS {
            return Err(KuboConfigError::TooFewConnections { given: self.max_connections });
        }
        Ok(Endpoint::from_multiaddr(&self.node)?)
    }
}

/// Says why a configuration cannot work.
#[derive(Debug, thiserror::Error)]
pub enum KuboConfigError {
    /// The address is not one this connector can use.
    #[error(transparent)]
    Node(#[from] EndpointError),
    /// A timeout of zero would fail every call.
    #[error("{name} must be longer than zero")]
    ZeroTimeout {
        /// The setting.
        name: &'static str,
    },
    /// One class of calls would starve another.
    #[error("max_connections is {given}, but at least {} are needed", KuboConfig::MIN_CONNECTIONS)]
    TooFewConnections {
        /// The setting.
        given: usize,
    },
    /// The HTTP client could not be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}
