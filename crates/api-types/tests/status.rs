//! Statuses and peers of the domain take the form of the reference.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_api_types::{GlobalPinInfo, Id, json};
use cluster_core::{
    Pin, TrackerStatus, UnixMillis,
    ports::{
        cluster_api::{GlobalPinStatus, PeerInfo, PinStatusOnPeer},
        ipfs_connector::IpfsId,
    },
};

const A: &str = "12D3KooWRmuMWTCRDPJgU6Lhgovh16Mc6pUAeynoz9uii3NSraDu";
const B: &str = "12D3KooWEzimCSQfZVrDWeSuz9ybdt3L8G4ioYfsXeRRhN3cwsQW";

fn line<T: serde::Serialize>(value: &T) -> String {
    let mut out = Vec::new();
    json::to_line(value, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn on_peer(peer: &str, ipfs: Option<&str>) -> PinStatusOnPeer {
    PinStatusOnPeer {
        peer: peer.parse().unwrap(),
        peername: "alpha".into(),
        ipfs_peer_id: ipfs.map(|p| p.parse().unwrap()),
        ipfs_peer_addresses: vec![],
        status: TrackerStatus::PinError,
        timestamp: UnixMillis(1_795_417_450_500),
        error: "a<b".into(),
        attempt_count: 2,
        priority_pin: false,
    }
}

#[test]
fn a_global_status() {
    let status = GlobalPinStatus {
        pin: Pin::new("bafkqaaa".parse().unwrap()),
        created: UnixMillis(1_795_417_450_000),
        peers: vec![on_peer(A, Some(B)), on_peer(B, None)],
    };
    let short = r#""status":"pin_error","timestamp":"2026-11-23T07:04:10.5Z","error":"a\u003cb","attempt_count":2,"priority_pin":false}"#;
    assert_eq!(
        line(&GlobalPinInfo::from(&status)),
        format!(
            "{{\"cid\":\"bafkqaaa\",\"name\":\"\",\"allocations\":[],\"origins\":[],\"created\":\"2026-11-23T07:04:10Z\",\
             \"metadata\":null,\"peer_map\":{{\"{B}\":{{\"peername\":\"alpha\",{short},\
             \"{A}\":{{\"peername\":\"alpha\",\"ipfs_peer_id\":\"{B}\",{short}}}}}\n"
        )
    );
}

#[test]
fn a_peer_with_and_without_ipfs_and_one_that_failed() {
    let peer = |ipfs, error| PeerInfo {
        id: A.parse().unwrap(),
        addresses: vec![],
        cluster_peers: vec![A.parse().unwrap()],
        cluster_peers_addresses: vec![],
        version: "1.1.6".into(),
        rpc_protocol_version: "/ipfscluster/1.0/rpc".into(),
        peername: "alpha".into(),
        ipfs,
        error,
    };
    let ipfs = IpfsId { id: B.parse().unwrap(), addresses: vec![] };
    let fine = line(&Id::from(&peer(Ok(ipfs.clone()), None)));
    assert!(
        fine.contains(&format!(r#""ipfs":{{"id":"{B}","addresses":[],"error":""}},"peername":"alpha"}}"#)),
        "{fine}"
    );
    let no_ipfs = line(&Id::from(&peer(Err("down".into()), None)));
    assert!(no_ipfs.contains(r#""ipfs":{"addresses":null,"error":"down"}"#), "{no_ipfs}");
    let failed = line(&Id::from(&peer(Ok(ipfs), Some("dial".into()))));
    assert!(
        failed.contains(r#""addresses":null,"cluster_peers":null"#)
            && failed.contains(r#""error":"dial","ipfs":{"addresses":null,"error":""},"peername":"""#)
    );
}
