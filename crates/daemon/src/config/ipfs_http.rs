//! The `ipfs_connector.ipfshttp` section (api §6.8).

use super::{
    address,
    checker::{Checker, Reach},
    raw::RawIpfsHttp,
};
use cluster_core::{Multiaddr, go_duration::print};
use std::{net::Ipv4Addr, time::Duration};

/// Settings of the connection to the IPFS daemon.
#[derive(Debug, Clone, PartialEq)]
pub struct IpfsHttpConfig {
    /// The daemon's RPC API: a TCP port or a Unix socket.
    pub node_multiaddress: Multiaddr,
    /// When to connect it to the other peers' daemons; `None` never.
    pub connect_swarms_delay: Option<Duration>,
    /// Longest an ordinary call may take.
    pub ipfs_request_timeout: Duration,
    /// Longest a pin may go without progress.
    pub pin_timeout: Duration,
    /// Longest an unpin may take.
    pub unpin_timeout: Duration,
    /// Longest a garbage collection may take.
    pub repogc_timeout: Duration,
    /// Publish free space after so many pins, out of turn; `None` never.
    pub informer_trigger_interval: Option<u64>,
    /// Never unpin anything.
    pub unpin_disable: bool,
}

impl IpfsHttpConfig {
    pub(crate) fn parse(raw: &RawIpfsHttp, check: &mut Checker<'_>) -> Self {
        let node = address::tcp(Ipv4Addr::LOCALHOST, 5001);
        let seconds = Duration::from_secs;
        let every = check.integer("informer_trigger_interval", raw.informer_trigger_interval, 0u64, 0);
        let delay = raw.connect_swarms_delay.as_ref();
        let mut limit =
            |key, raw: &Option<String>, default| check.positive(key, raw.as_ref(), seconds(default));
        let ipfs_request_timeout = limit("ipfs_request_timeout", &raw.ipfs_request_timeout, 5 * 60);
        let pin_timeout = limit("pin_timeout", &raw.pin_timeout, 2 * 60);
        let unpin_timeout = limit("unpin_timeout", &raw.unpin_timeout, 3 * 3600);
        let repogc_timeout = limit("repogc_timeout", &raw.repogc_timeout, 24 * 3600);
        Self {
            node_multiaddress: check.multiaddr(
                "node_multiaddress",
                raw.node_multiaddress.as_ref(),
                node,
                Reach::Tcp,
            ),
            connect_swarms_delay: check.switchable("connect_swarms_delay", delay, Some(seconds(30))),
            ipfs_request_timeout,
            pin_timeout,
            unpin_timeout,
            repogc_timeout,
            informer_trigger_interval: (every > 0).then_some(every),
            unpin_disable: raw.unpin_disable.unwrap_or(false),
        }
    }

    pub(crate) fn to_raw(&self) -> RawIpfsHttp {
        let every = self.informer_trigger_interval.unwrap_or(0);
        RawIpfsHttp {
            node_multiaddress: Some(self.node_multiaddress.to_string()),
            connect_swarms_delay: Some(print(self.connect_swarms_delay.unwrap_or_default())),
            ipfs_request_timeout: Some(print(self.ipfs_request_timeout)),
            pin_timeout: Some(print(self.pin_timeout)),
            unpin_timeout: Some(print(self.unpin_timeout)),
            repogc_timeout: Some(print(self.repogc_timeout)),
            informer_trigger_interval: i64::try_from(every).ok(),
            unpin_disable: Some(self.unpin_disable),
        }
    }
}
