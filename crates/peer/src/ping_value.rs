//! The value of the metric that makes a peer a member (api §10.5).

use cluster_core::{Multiaddr, PeerId, ports::ipfs_connector::IpfsId};
use multiaddr::Protocol;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Addresses of an IPFS daemon that are told; a daemon has a dozen. More would make the metric too large for others.
const MAX_ADDRESSES: usize = 128;

/// What a peer says of itself in its ping.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PingValue {
    /// Its display name.
    pub peername: String,
    /// Its IPFS daemon, when that ever answered.
    pub ipfs_id: Option<PeerId>,
    /// Addresses of that daemon.
    pub ipfs_addresses: Vec<Multiaddr>,
}

/// The JSON form; each key is left out when it would be empty.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct PingJson {
    #[serde(skip_serializing_if = "String::is_empty")]
    peer_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    ipfs_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ipfs_addresses: Vec<String>,
}

impl PingValue {
    /// Makes the value of this peer; of the daemon's addresses only those with a DNS name or a global-unicast IP
    /// (private ones count) are told.
    pub fn new(peername: &str, ipfs: Option<&IpfsId>) -> Self {
        let addresses = ipfs.map(|ipfs| ipfs.addresses.as_slice()).unwrap_or_default();
        Self {
            peername: peername.to_owned(),
            ipfs_id: ipfs.map(|ipfs| ipfs.id),
            ipfs_addresses: addresses.iter().filter(|a| is_told(a)).take(MAX_ADDRESSES).cloned().collect(),
        }
    }

    /// Writes the JSON text.
    pub fn encode(&self) -> String {
        let json = PingJson {
            peer_name: self.peername.clone(),
            ipfs_id: self.ipfs_id.map(|id| id.to_string()).unwrap_or_default(),
            ipfs_addresses: self.ipfs_addresses.iter().map(Multiaddr::to_string).collect(),
        };
        // Texts in a struct always have a JSON form.
        serde_json::to_string(&json).unwrap_or_default()
    }

    /// Reads what another peer told. What cannot be read is left out: a ping makes a member whatever its value says.
    pub fn decode(text: &str) -> Self {
        let json: PingJson = serde_json::from_str(text).unwrap_or_default();
        Self {
            peername: json.peer_name,
            ipfs_id: json.ipfs_id.parse().ok(),
            ipfs_addresses: json.ipfs_addresses.iter().filter_map(|a| a.parse().ok()).collect(),
        }
    }
}

fn is_told(address: &Multiaddr) -> bool {
    let mut ip = None;
    for part in address {
        match part {
            Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) | Protocol::Dnsaddr(_) => return true,
            Protocol::Ip4(v4) => ip = ip.or(Some(IpAddr::V4(v4))),
            Protocol::Ip6(v6) => ip = ip.or(Some(v6.to_canonical())),
            _ => {}
        }
    }
    ip.is_some_and(is_global_unicast)
}

fn is_global_unicast(ip: IpAddr) -> bool {
    let is_link_local = match ip {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(is_link_local || ip.is_unspecified() || ip.is_loopback() || ip.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq";

    fn ipfs(addresses: &[&str]) -> IpfsId {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        IpfsId { id: ID.parse().unwrap(), addresses }
    }

    #[test]
    fn the_worked_example_of_the_reference() {
        let value = PingValue::new("peer-a", Some(&ipfs(&["/ip4/10.0.0.1/tcp/4001"])));
        let text = format!(
            r#"{{"peer_name":"peer-a","ipfs_id":"{ID}","ipfs_addresses":["/ip4/10.0.0.1/tcp/4001"]}}"#
        );
        assert_eq!(value.encode(), text);
        assert_eq!(PingValue::decode(&text), value);
    }

    #[test]
    fn pings_recorded_from_go_are_read_and_written_again_to_the_same_text() {
        let all: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/vectors/gossip-metrics.json")).unwrap();
        let recorded: Vec<&str> = all["vectors"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|v| v["decoded"]["n"] == "ping" && v["name"].as_str().unwrap().contains("-go"))
            .map(|v| v["decoded"]["v"].as_str().unwrap())
            .collect();
        assert!(!recorded.is_empty());
        for text in recorded {
            let value = PingValue::decode(text);
            assert!(value.peername.starts_with("go") && value.ipfs_id.is_some(), "{text}");
            assert_eq!(value.encode(), text);
        }
    }

    #[test]
    fn what_is_empty_is_left_out() {
        assert_eq!(PingValue::default().encode(), "{}");
        assert_eq!(PingValue::new("", Some(&ipfs(&[]))).encode(), format!(r#"{{"ipfs_id":"{ID}"}}"#));
        assert_eq!(PingValue::decode(""), PingValue::default());
        assert_eq!(PingValue::decode("[1]"), PingValue::default());
        let partly = PingValue::decode(
            r#"{"peer_name":"x","ipfs_id":"no","ipfs_addresses":["/ip4/1.2.3.4/tcp/1","?"],"new":1}"#,
        );
        assert_eq!((partly.peername.as_str(), partly.ipfs_id, partly.ipfs_addresses.len()), ("x", None, 1));
    }

    #[test]
    fn only_addresses_that_others_may_reach_are_told() {
        let told = [
            "/ip4/1.2.3.4/tcp/4001",
            "/ip4/192.168.1.2/udp/4001/quic-v1",
            "/ip4/100.64.0.1/tcp/1",
            "/ip6/2001:db8::1/tcp/4001",
            "/ip6/fd00::1/tcp/4001",
            "/dns4/example.org/tcp/4001",
            "/dnsaddr/bootstrap.example.org",
        ];
        let kept_back = [
            "/ip4/127.0.0.1/tcp/4001",
            "/ip4/169.254.3.4/tcp/4001",
            "/ip4/0.0.0.0/tcp/4001",
            "/ip4/224.0.0.1/udp/4001",
            "/ip4/255.255.255.255/udp/4001",
            "/ip6/::1/tcp/4001",
            "/ip6/fe80::1/tcp/4001",
            "/ip6/::ffff:127.0.0.1/tcp/4001",
            "/ip6/ff02::1/udp/4001",
            "/unix/socket",
        ];
        let value = PingValue::new("", Some(&ipfs(&[told.as_slice(), &kept_back].concat())));
        assert_eq!(value.ipfs_addresses.iter().map(Multiaddr::to_string).collect::<Vec<_>>(), told);
        let many = vec!["/ip4/1.2.3.4/tcp/4001"; MAX_ADDRESSES + 1];
        assert_eq!(PingValue::new("", Some(&ipfs(&many))).ipfs_addresses.len(), MAX_ADDRESSES);
    }
}
