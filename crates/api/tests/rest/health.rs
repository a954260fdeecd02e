//! Graph, alerts, metrics and garbage (api §3.6).

use crate::{
    fake_api::{head, metric, peer},
    server::TestServer,
};
use cluster_core::ports::{
    cluster_api::{ApiError, RepoGc},
    consensus::{RaftHealth, RaftMember, RaftRole, RaftState},
    ipfs_connector::{GcItem, IpfsError},
};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn the_graph_is_one_object() {
    let server = TestServer::start().await;
    let (a, i, far) = (peer(1), peer(3), peer(4));
    let answer = server.ask("GET /health/graph", &[]).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(
        answer.body,
        format!(
            "{{\"cluster_id\":\"{a}\",\"id_to_peername\":{{\"{a}\":\"alpha\"}},\"ipfs_links\":{{\"{i}\":[\"{far}\"]}},\
             \"cluster_links\":{{\"{a}\":[]}},\"cluster_trust_links\":{{\"{a}\":true}},\"cluster_to_ipfs\":{{\"{a}\":\"{i}\"}}}}\n"
        )
    );
    server.api.fail_with(|| ApiError::Stopping);
    server.ask("GET /health/graph", &[]).await.is_error(503, "the peer is stopping");
}

#[tokio::test]
async fn the_state_of_the_dag_is_one_object() {
    let server = TestServer::start().await;
    let answer = server.ask("GET /health/crdt", &[]).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(
        answer.body,
        format!(
            "{{\"heads\":[\"{}\"],\"height\":7,\"blocks_known\":11,\"blocks_merged\":9,\"blocks_missing\":2,\
             \"open_walks\":1,\"dirty\":true,\"elements\":5,\"tombstones\":3,\"pending_operations\":4,\
             \"fingerprint\":\"{}\"}}\n",
            head(),
            "ab".repeat(16)
        )
    );
    server.api.fail_with(|| ApiError::Unsupported { what: "the health of a Merkle-CRDT without one" });
    let what = "the health of a Merkle-CRDT without one is not supported by this version";
    server.ask("GET /health/crdt", &[]).await.is_error(501, what);
}

#[tokio::test]
async fn how_raft_stands_is_one_object_and_part_of_the_id() {
    let server = TestServer::start().await;
    let what = "Raft is not supported by this version";
    server.ask("GET /health/raft", &[]).await.is_error(501, what);
    assert!(server.ask("GET /id", &[]).await.json().get("raft").is_none());
    server.api.set_raft(RaftHealth {
        state: RaftState::Leader,
        failure: None,
        leader: Some(peer(1)),
        term: 3,
        is_ready: true,
        last: Some(9),
        committed: Some(8),
        applied: Some(6),
        snapshot: None,
        purged: None,
        log_entries: 10,
        members: vec![RaftMember {
            peer: peer(2),
            role: RaftRole::Voter,
            lag: Some(1),
            heard: Some(Duration::from_millis(70)),
        }],
    });
    let expected = json!({
        "state": "leader", "leader": peer(1).to_string(), "term": 3, "ready": true, "last_index": 9,
        "committed_index": 8, "applied_index": 6, "snapshot_index": null, "purged_index": null, "log_entries": 10,
        "lag": 2, "error": "",
        "members": [{"peer": peer(2).to_string(), "role": "voter", "lag": 1, "heard_ms_ago": 70}],
    });
    assert_eq!(server.ask("GET /health/raft", &[]).await.json(), expected);
    assert_eq!(server.ask("GET /id", &[]).await.json()["raft"], expected);
}

#[tokio::test]
async fn lists_of_nothing_are_empty_arrays() {
    let server = TestServer::start().await;
    for (line, call) in [
        ("GET /health/alerts", "alerts"),
        ("GET /monitor/metrics", "metric_names"),
        ("GET /monitor/metrics/ping", "metrics ping"),
        ("GET /monitor/metrics/tag%3Agroup?x=y", "metrics tag:group"),
    ] {
        let answer = server.ask(line, &[]).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "[]\n"), "{line}");
        assert_eq!(server.api.calls(), [call], "{line}");
    }
    assert_eq!(server.ask("GET /monitor/metrics/", &[]).await.status, 307);
    assert_eq!(server.ask("GET /monitor/metrics/%ff", &[]).await.status, 400);
}

#[tokio::test]
async fn metrics_and_alerts_are_arrays_in_the_order_given() {
    let server = TestServer::start().await;
    server.api.set_metrics(vec![metric("tag:group", 2), metric("ping", 1)]);
    let names = server.ask("GET /monitor/metrics", &[]).await;
    assert_eq!(names.body, "[\"tag:group\",\"ping\"]\n");
    let fields = |name: &str, seed| {
        format!(
            "{{\"name\":\"{name}\",\"peer\":\"{}\",\"value\":\"7\",\"expire\":30000000001,\"valid\":true,\"weight\":7,\
             \"partitionable\":true,\"received_at\":5",
            peer(seed)
        )
    };
    let group = server.ask("GET /monitor/metrics/tag:group", &[]).await;
    assert_eq!(group.body, format!("[{}}}]\n", fields("tag:group", 2)));
    let at = "\"triggered_at\":\"1970-01-01T00:00:31.5Z\"}";
    let alerts = server.ask("GET /health/alerts", &[]).await;
    assert_eq!(alerts.body, format!("[{},{at},{},{at}]\n", fields("tag:group", 2), fields("ping", 1)));
}

fn outcome(seed: u8, keys: Vec<GcItem>, error: &str) -> RepoGc {
    RepoGc { peer: peer(seed), peername: "alpha".to_owned(), keys, error: error.to_owned() }
}

#[tokio::test]
async fn garbage_of_all_peers_tells_failures_peer_by_peer() {
    let server = TestServer::start().await;
    server.api.set_garbage(vec![
        outcome(1, vec![GcItem::Removed("bafkqaaa".parse().unwrap()), GcItem::Error("busy".to_owned())], ""),
        outcome(2, vec![], "down"),
    ]);
    let (a, b) = (peer(1), peer(2));
    for line in ["POST /ipfs/gc", "POST /ipfs/gc?local=1"] {
        let answer = server.ask(line, &[]).await;
        assert_eq!(answer.status, 200, "{line}");
        assert_eq!(
            answer.body,
            format!(
                "{{\"peer_map\":{{\"{a}\":{{\"peer\":\"{a}\",\"peername\":\"alpha\",\"keys\":[{{\"key\":\"bafkqaaa\"}},\
                 {{\"key\":null,\"error\":\"busy\"}}]}},\"{b}\":{{\"peer\":\"{b}\",\"peername\":\"alpha\",\"keys\":[],\
                 \"error\":\"down\"}}}}}}\n"
            )
        );
        assert_eq!(server.api.calls(), ["collect_garbage Cluster"], "{line}");
    }
}

#[tokio::test]
async fn garbage_of_this_peer_alone_fails_as_a_whole() {
    let server = TestServer::start().await;
    server.api.set_garbage(vec![outcome(1, vec![GcItem::Error("busy".to_owned())], "")]);
    let answer = server.ask("POST /ipfs/gc?local=true", &[]).await;
    assert_eq!(answer.status, 200, "an error about one block is no failure");
    assert_eq!(server.api.calls(), ["collect_garbage Local"]);
    server.api.set_garbage(vec![outcome(1, vec![], "down")]);
    server.ask("POST /ipfs/gc?local=true", &[]).await.is_error(500, "down");
    server.api.fail_with(|| ApiError::Ipfs(IpfsError::UnpinDisabled));
    let text = "ipfs unpinning is disallowed by configuration on this peer";
    server.ask("POST /ipfs/gc?local=true", &[]).await.is_error(500, text);
}

#[tokio::test]
async fn bandwidth_by_protocol() {
    let server = TestServer::start().await;
    let answer = server.ask("GET /health/bandwidth", &[]).await;
    let text = r#"{"/a/1.0":{"total_in":1,"total_out":2,"rate_in":0.5,"rate_out":0}}"#;
    assert_eq!((answer.status, answer.body.trim_end()), (200, text));
}
