//! The two routing tables (wire-protocol §2) and which addresses go where.

use cluster_core::{Multiaddr, PeerId};
use libp2p::{
    StreamProtocol,
    kad::{Behaviour, Caching, Config, Mode, StoreInserts, store::MemoryStore},
    multiaddr::Protocol,
};
use std::{net::IpAddr, num::NonZeroUsize, time::Duration};

/// Protocol of the table of the local network.
pub(super) const LAN_PROTOCOL: StreamProtocol = StreamProtocol::new("/ipfs/lan/kad/1.0.0");

/// Protocol of the table of the internet.
pub(super) const WAN_PROTOCOL: StreamProtocol = StreamProtocol::new("/ipfs/kad/1.0.0");

/// Bytes of one routing message.
const MAX_MESSAGE: usize = 256 * 1024;

/// Builds a table. Neither values nor providers are kept: no peer of a cluster ever asks for them, and it would get
/// a provider record for each block.
pub(super) fn table(own: PeerId, protocol: StreamProtocol, mode: Mode) -> Behaviour<MemoryStore> {
    let mut config = Config::new(protocol);
    config
        .set_parallelism(NonZeroUsize::MIN.saturating_add(9))
        .set_query_timeout(Duration::from_secs(10))
        .set_record_filtering(StoreInserts::FilterBoth)
        .set_caching(Caching::Disabled)
        .set_kbucket_inserts(libp2p::kad::BucketInserts::Manual)
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_publication_interval(None)
        .set_periodic_bootstrap_interval(Some(Duration::from_secs(10 * 60)))
        .set_max_packet_size(MAX_MESSAGE);
    let mut table = Behaviour::with_config(own, MemoryStore::new(own), config);
    // Left alone, a table turns into a server as soon as any external address is known.
    table.set_mode(Some(mode));
    table
}

/// Returns the IP an address begins with.
pub(super) fn ip(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}

/// Says whether an address goes through a relay.
pub(super) fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// Says whether an address leads to the same machine.
pub(super) fn is_loopback(address: &Multiaddr) -> bool {
    ip(address).is_some_and(|ip| ip.is_loopback())
}

/// Says whether an address begins with a name.
pub(super) fn is_dns(address: &Multiaddr) -> bool {
    matches!(
        address.iter().next(),
        Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) | Protocol::Dnsaddr(_))
    )
}

/// Says whether an address can be reached from the internet.
pub(super) fn is_public(address: &Multiaddr) -> bool {
    if is_relayed(address) {
        return false;
    }
    match ip(address) {
        Some(IpAddr::V4(ip)) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && b & 0b1100_0000 == 64;
            let elsewhere =
                ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() || ip.is_documentation();
            !(shared || elsewhere || ip.is_private() || ip.is_loopback() || ip.is_link_local())
        }
        Some(IpAddr::V6(ip)) => ip.segments()[0] & 0xe000 == 0x2000,
        None => is_dns(address),
    }
}

/// Says whether an address is what its text says. Names may hold anything, line breaks included, and the text goes into
/// files of lines and into logs.
pub(super) fn is_plain(address: &Multiaddr) -> bool {
    let text = address.to_string();
    let one_word = !text.contains(|c: char| c.is_whitespace() || c.is_control());
    one_word && text.parse().is_ok_and(|again: Multiaddr| again == *address)
}

/// Picks from what a peer lists what is worth keeping: reachable by these transports, and loopback addresses only
/// of peers that are on this machine.
pub(super) fn usable(listed: &[Multiaddr], on_this_machine: bool) -> Vec<Multiaddr> {
    listed
        .iter()
        .filter(|address| {
            is_relayed(address)
                || address.iter().any(|part| {
                    matches!(part, Protocol::Tcp(port) if port != 0) || matches!(part, Protocol::Dnsaddr(_))
                })
        })
        .filter(|address| {
            !ip(address).is_some_and(|ip| ip.is_unspecified() || (ip.is_loopback() && !on_this_machine))
        })
        .cloned()
        .collect()
}
