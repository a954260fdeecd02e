//! Which addresses this peer tells others.

use super::routing;
use cluster_core::Multiaddr;
use libp2p::multiaddr::Protocol;
use std::{collections::VecDeque, net::IpAddr};

/// Addresses others may say they see us at; the oldest gives way.
const MAX_OBSERVED: usize = 8;

/// The addresses of this peer (api §10.7).
#[derive(Debug)]
pub(super) struct OwnAddresses {
    announce: Vec<Multiaddr>,
    never: Vec<Never>,
    listening: Vec<Multiaddr>,
    observed: VecDeque<Multiaddr>,
}

/// What is never told.
#[derive(Debug)]
enum Never {
    Exactly(Multiaddr),
    Network(IpAddr, u8),
}

impl OwnAddresses {
    pub(super) fn new(announce: &[Multiaddr], no_announce: &[Multiaddr]) -> Self {
        Self {
            announce: announce.iter().map(without_peer).collect(),
            never: no_announce.iter().map(Never::parse).collect(),
            listening: Vec::new(),
            observed: VecDeque::new(),
        }
    }

    /// Returns where connections are accepted.
    pub(super) fn listening(&self) -> &[Multiaddr] {
        &self.listening
    }

    pub(super) fn add_listening(&mut self, address: Multiaddr) {
        if !self.listening.contains(&address) {
            self.listening.push(address);
        }
    }

    pub(super) fn remove_listening(&mut self, address: &Multiaddr) {
        self.listening.retain(|known| known != address);
    }

    /// Notes where another peer says it sees us: one such word is enough.
    pub(super) fn add_observed(&mut self, address: Multiaddr) {
        let address = without_peer(&address);
        let unusable =
            routing::ip(&address).is_none_or(|ip| ip.is_unspecified()) || routing::is_relayed(&address);
        if unusable || self.listening.contains(&address) || self.observed.contains(&address) {
            return;
        }
        if self.observed.len() == MAX_OBSERVED {
            self.observed.pop_front();
        }
        self.observed.push_back(address);
    }

    /// Returns what is told to others, without `/p2p/`.
    pub(super) fn told(&self) -> Vec<Multiaddr> {
        let found: Vec<&Multiaddr> = if self.announce.is_empty() {
            let expanded = self
                .listening
                .iter()
                .filter(|address| !routing::ip(address).is_some_and(|ip| ip.is_unspecified()));
            expanded.chain(&self.observed).collect()
        } else {
            self.announce.iter().collect()
        };
        let mut told: Vec<Multiaddr> = Vec::new();
        for address in found {
            if !self.never.iter().any(|never| never.covers(address)) && !told.contains(address) {
                told.push(address.clone());
            }
        }
        told
    }
}

impl Never {
    fn parse(address: &Multiaddr) -> Self {
        let mut parts = address.iter();
        let network = match parts.next() {
            Some(Protocol::Ip4(ip)) => Some(IpAddr::from(ip)),
            Some(Protocol::Ip6(ip)) => Some(IpAddr::from(ip)),
            _ => None,
        };
        match (network, parts.next(), parts.next()) {
            (Some(network), Some(Protocol::Ipcidr(bits)), None) => Self::Network(network, bits),
            _ => Self::Exactly(without_peer(address)),
        }
    }

    fn covers(&self, address: &Multiaddr) -> bool {
        match self {
            Self::Exactly(exactly) => exactly == address,
            Self::Network(network, bits) => {
                routing::ip(address).is_some_and(|ip| in_network(ip, *network, *bits))
            }
        }
    }
}

fn in_network(ip: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            let shift = 32_u32.saturating_sub(bits.into());
            (ip.to_bits() ^ network.to_bits()).checked_shr(shift).unwrap_or(0) == 0
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            let shift = 128_u32.saturating_sub(bits.into());
            (ip.to_bits() ^ network.to_bits()).checked_shr(shift).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// Cuts a final `/p2p/<id>` off.
pub(super) fn without_peer(address: &Multiaddr) -> Multiaddr {
    let mut address = address.clone();
    if matches!(address.iter().last(), Some(Protocol::P2p(_))) {
        address.pop();
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<Multiaddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn masks_and_exact_addresses_are_never_told() {
        let never =
            addresses(&["/ip4/10.0.0.0/ipcidr/8", "/ip4/192.168.1.2/tcp/9096", "/ip6/fe80::/ipcidr/10"]);
        let mut own = OwnAddresses::new(&[], &never);
        for address in addresses(&[
            "/ip4/10.1.2.3/tcp/9096",
            "/ip4/192.168.1.2/tcp/9096",
            "/ip4/192.168.1.2/tcp/9097",
            "/ip6/fe80::1/tcp/9096",
            "/ip6/2001:db8::1/tcp/9096",
            "/ip4/0.0.0.0/tcp/9096",
        ]) {
            own.add_listening(address);
        }
        own.add_observed("/ip4/11.0.0.1/tcp/9096".parse().unwrap());
        own.add_observed("/ip4/10.200.0.1/tcp/9096".parse().unwrap());
        let told =
            addresses(&["/ip4/192.168.1.2/tcp/9097", "/ip6/2001:db8::1/tcp/9096", "/ip4/11.0.0.1/tcp/9096"]);
        assert_eq!(own.told(), told);
    }

    #[test]
    fn what_is_announced_replaces_what_is_found() {
        let announce = addresses(&["/dns4/peer.example/tcp/1", "/ip4/1.2.3.4/tcp/1"]);
        let mut own = OwnAddresses::new(&announce, &addresses(&["/ip4/1.2.3.4/tcp/1"]));
        own.add_listening("/ip4/127.0.0.1/tcp/9096".parse().unwrap());
        own.add_observed("/ip4/11.0.0.1/tcp/9096".parse().unwrap());
        assert_eq!(own.told(), announce[..1]);
    }

    #[test]
    fn observations_are_bounded() {
        let mut own = OwnAddresses::new(&[], &[]);
        for port in 1..100_u16 {
            own.add_observed(format!("/ip4/11.0.0.1/tcp/{port}").parse().unwrap());
        }
        assert_eq!(own.told().len(), MAX_OBSERVED);
        assert_eq!(own.told().last(), Some(&"/ip4/11.0.0.1/tcp/99".parse().unwrap()));
    }

    #[test]
    fn a_mask_of_no_bits_covers_everything_of_its_family() {
        assert!(in_network([1, 2, 3, 4].into(), [0, 0, 0, 0].into(), 0));
        assert!(!in_network([1, 2, 3, 4].into(), [1, 2, 3, 5].into(), 32));
    }
}
