use super::{Text, health::si_size};
use cluster_client::api_types::{Error, GlobalPinInfo, GlobalRepoGc, Id, Pin, Version, json};
use serde::de::DeserializeOwned;

fn text<T: DeserializeOwned + Text>(json: &str) -> String {
    let mut out = Vec::new();
    json::from_slice::<T>(json.as_bytes()).unwrap().write_text(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn peers() {
    assert_eq!(
        text::<Id>(
            r#"{"id":"A","peername":"alpha","addresses":["/ip4/9.9.9.9","/ip4/1.1.1.1"],"cluster_peers":["A","B"],
                "ipfs":{"id":"I","addresses":["/ip4/2","/ip4/1"],"error":""}}"#
        ),
        "A | alpha | Sees 1 other peers\n  > Addresses:\n    - /ip4/1.1.1.1\n    - /ip4/9.9.9.9\n  > IPFS: I\n    - /ip4/1\n    - /ip4/2\n"
    );
    assert_eq!(
        text::<Id>(
            r#"{"id":"A","peername":"a","cluster_peers":["A"],"ipfs":{"addresses":null,"error":"down"}}"#
        ),
        "A | a | Sees 0 other peers\n  > Addresses:\n  > IPFS ERROR: down\n"
    );
    assert_eq!(text::<Id>(r#"{"id":"A","error":"dial backoff"}"#), "A | ERROR: dial backoff\n");
}

#[test]
fn statuses() {
    assert_eq!(
        text::<GlobalPinInfo>(
            r#"{"cid":"QmTestCid","name":"backup","peer_map":{
                "B":{"peername":"","status":"pin_error","timestamp":"2026-01-31T10:20:30.25+01:00","error":"no route","attempt_count":3,"priority_pin":true},
                "A":{"peername":"alpha","status":"pinned","timestamp":"2026-01-31T10:20:30Z","error":"","attempt_count":0,"priority_pin":false}}}"#
        ),
        "QmTestCid | backup:\n    > alpha                : PINNED | 2026-01-31T10:20:30Z | Attempts: 0 | Priority: false\n    > B                    : PIN_ERROR: no route | 2026-01-31T10:20:30.25+01:00 | Attempts: 3 | Priority: true\n"
    );
    assert_eq!(text::<GlobalPinInfo>("{}"), "b:\n");
    let long = "a-name-longer-than-twenty-characters";
    assert!(
        text::<GlobalPinInfo>(&format!(r#"{{"cid":"c","peer_map":{{"A":{{"peername":"{long}"}}}}}}"#))
            .contains(&format!("    > {long} : UNDEFINED | 0001-01-01T00:00:00Z |"))
    );
}

const PIN: &str = r#""cid":"QmTestCid","type":"pin","max_depth":-1,"timestamp":"2026-01-31T10:20:30Z""#;

#[test]
fn pins() {
    assert_eq!(
        text::<Pin>(&format!(
            r#"{{{PIN},"replication_factor_min":-1,"replication_factor_max":-1,"name":"backup"}}"#
        )),
        "QmTestCid | backup | PIN | Repl. Factor: -1 | Allocations: [everywhere] | Recursive | Metadata: no | Exp: ∞ | Added: 2026-01-31 10:20:30\n"
    );
    assert_eq!(
        text::<Pin>(
            r#"{"cid":"c","type":"clusterdag-pin","mode":"direct","max_depth":0,"allocations":["B","A"],"metadata":{"k":"v"},
                "replication_factor_min":1,"replication_factor_max":2,"expire_at":"2027-01-31T23:20:30+02:00"}"#
        ),
        "c |  | CLUSTERDAG-PIN-DIRECT | Repl. Factor: 1--2 | Allocations: [A B] | Direct | Metadata: yes | Exp: 2027-01-31 23:20:30 | Added: unknown\n"
    );
    assert!(
        text::<Pin>(r#"{"cid":"c","type":"shard-pin","max_depth":2}"#)
            .contains(" | SHARD-PIN | Repl. Factor: 0--0 | Allocations: [] | Recursive-2 | ")
    );
}

#[test]
fn versions_errors_and_garbage() {
    assert_eq!(text::<Version>(r#"{"version":"1.1.6"}"#), "1.1.6\n");
    assert_eq!(
        text::<Error>(r#"{"code":404,"message":"x"}"#),
        "An error occurred:\n  Code: 404\n  Message: x\n"
    );
    assert_eq!(
        text::<GlobalRepoGc>(
            r#"{"peer_map":{"A":{"peername":"alpha","keys":[{"key":"Qm"},{"key":null,"error":"e"}]},"B":{"error":"down"}}}"#
        ),
        "alpha          \n  > CIDs:\n    - Qm\n    - ERROR: e\nB               | ERROR: down\n  > CIDs:\n"
    );
}

#[test]
fn sizes() {
    for (bytes, text) in [
        (0, "0 B"),
        (9, "9 B"),
        (10, "10 B"),
        (999, "999 B"),
        (1200, "1.2 kB"),
        (83_000_000, "83 MB"),
        (1_234_000_000, "1.2 GB"),
    ] {
        assert_eq!(si_size(bytes), text);
    }
}
