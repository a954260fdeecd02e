//! The sample objects of the API reference decode and encode to the same bytes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_api_types::{
    AddedOutput, Alert, Error, GlobalPinInfo, Id, Metric, Pin, PinPath, RepoGc, RepoStat, Version, json,
};
use serde::{Serialize, de::DeserializeOwned};

fn round<T: Serialize + DeserializeOwned>(text: &str) {
    let value: T = json::from_slice(text.as_bytes()).unwrap_or_else(|e| panic!("{e}: {text}"));
    let mut out = Vec::new();
    json::to_line(&value, &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), format!("{text}\n"));
}

const PIN: &str = r#"{"replication_factor_min":-1,"replication_factor_max":-1,"name":"backup","mode":"recursive","shard_size":0,"user_allocations":null,"expire_at":"0001-01-01T00:00:00Z","metadata":null,"pin_update":null,"origins":[],"cid":"QmTestCid","type":"pin","allocations":[],"max_depth":-1,"reference":null,"timestamp":"2026-01-31T10:20:30Z"}"#;

#[test]
fn pins() {
    round::<Pin>(PIN);
    round::<Pin>(&PIN.replace(r#""metadata":null"#, r#""metadata":{}"#));
    round::<Pin>(&PIN.replace(r#""metadata":null"#, r#""metadata":{"a":"\u003cb\u003e","k":""}"#));
    round::<Pin>(
        &PIN.replace(r#""cid":"QmTestCid""#, r#""cid":null"#)
            .replace(r#""mode":"recursive""#, r#""mode":"direct""#),
    );
    round::<Pin>(&PIN.replace("10:20:30Z", "10:20:30+01:00").replace(r#""origins":[]"#, r#""origins":null"#));
    let path = PIN.split(r#","cid""#).next().unwrap();
    round::<PinPath>(&format!(r#"{path},"path":"/ipfs/QmTestCid"}}"#));
}

#[test]
fn statuses() {
    round::<GlobalPinInfo>(
        r#"{"cid":"QmTestCid","name":"backup","allocations":[],"origins":[],"created":"2026-01-31T10:20:30Z","metadata":null,"peer_map":{"12D3KooPeerA":{"peername":"alpha","ipfs_peer_id":"12D3KooIpfsA","ipfs_peer_addresses":["/ip4/203.0.113.7/tcp/4001/p2p/12D3KooIpfsA"],"status":"pinned","timestamp":"2026-01-31T10:20:30Z","error":"","attempt_count":0,"priority_pin":false}}}"#,
    );
    round::<GlobalPinInfo>(
        r#"{"cid":"b","name":"","allocations":null,"origins":null,"created":"0001-01-01T00:00:00Z","metadata":{"x":"y"},"peer_map":{"a":{"peername":"","status":"unexpectedly_unpinned","timestamp":"2026-01-31T10:20:30.123456789Z","error":"e \u0026 f","attempt_count":3,"priority_pin":true}}}"#,
    );
}

#[test]
fn peers() {
    round::<Id>(
        r#"{"id":"12D3KooPeerA","addresses":["/ip4/203.0.113.7/tcp/9096/p2p/12D3KooPeerA"],"cluster_peers":["12D3KooPeerA","12D3KooPeerB"],"cluster_peers_addresses":["/ip4/203.0.113.8/tcp/9096/p2p/12D3KooPeerB"],"version":"1.1.6","commit":"","rpc_protocol_version":"/ipfscluster/1.0/rpc","error":"","ipfs":{"id":"12D3KooIpfsA","addresses":["/ip4/127.0.0.1/tcp/4001/p2p/12D3KooIpfsA"],"error":""},"peername":"alpha"}"#,
    );
    round::<Id>(
        r#"{"id":"12D3KooPeerA","addresses":null,"cluster_peers":null,"cluster_peers_addresses":null,"version":"","commit":"","rpc_protocol_version":"","error":"dial backoff","ipfs":{"addresses":null,"error":""},"peername":""}"#,
    );
    round::<Version>(r#"{"version":"1.1.6"}"#);
    round::<Error>(r#"{"code":404,"message":"pin is not part of the pinset"}"#);
}

#[test]
fn added_metrics_and_repositories() {
    round::<AddedOutput>(r#"{"name":"dir/a.txt","cid":"QmFile","size":12,"allocations":["12D3KooPeerA"]}"#);
    round::<AddedOutput>(r#"{"name":"dir","cid":"QmDir","size":66,"allocations":["12D3KooPeerA"]}"#);
    round::<AddedOutput>(r#"{"name":"","cid":"QmDir"}"#);
    round::<Metric>(
        r#"{"name":"freespace","peer":"12D3KooPeerA","value":"9000000000","expire":1769854830000000000,"valid":true,"weight":9000000000,"partitionable":false,"received_at":1769854800000000000}"#,
    );
    round::<Alert>(
        r#"{"name":"ping","peer":"12D3KooPeerB","value":"{\"peer_name\":\"beta\"}","expire":1769854830000000000,"valid":true,"weight":0,"partitionable":false,"received_at":1769854800000000000,"triggered_at":"2026-01-31T10:21:00.5Z"}"#,
    );
    round::<RepoStat>(r#"{"RepoSize":5,"StorageMax":10}"#);
    round::<RepoGc>(r#"{"peer":"a","peername":"n","keys":[{"key":"QmFile"},{"key":null,"error":"busy"}]}"#);
}

#[test]
fn decoding_is_lenient_where_the_reference_is() {
    let pin: Pin = json::from_slice(
        br#"{"cid":"QmTestCid","unknown":{"a":[1]},"allocations":null,"metadata":null,"origins":null}"#,
    )
    .unwrap();
    assert_eq!((pin.kind.name(), pin.max_depth), ("bad-type", 0));
    assert!(pin.timestamp.is_zero() && pin.allocations.is_none());
    let info: GlobalPinInfo =
        json::from_slice(br#"{"cid":null,"peer_map":{"x":{"status":"from-the-future"}}}"#).unwrap();
    assert!(!info.cid.is_defined());
    assert_eq!(info.peers().next().unwrap().1.status.name(), "undefined");
}
