//! Pin options in queries, as they reach the port (api §3.7).

use crate::{
    fake_api::{CID, peer},
    server::TestServer,
};
use cluster_core::{PinDepth, ReplicationFactors, UnixSeconds};

#[tokio::test]
async fn the_query_of_the_reference_client() {
    let server = TestServer::start().await;
    let query = format!(
        "expire-at=2030-01-02T03%3A04%3A05Z&meta-colour=deep+blue&mode=direct&name=a%26b&origins=%2Fip4%2F1.2.3.4%2Ftcp%2F4001%2Fp2p%2F{p}\
         &pin-update={CID}&replication-max=3&replication-min=2&shard-size=0&user-allocations={p}%2Cnonsense&stream-channels=false",
        p = peer(1)
    );
    for path in ["", "ipfs/"] {
        let answer = server.ask(&format!("POST /pins/{path}{CID}?{query}"), &["Content-Length: 0"]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let pin = server.api.wish().pin;
        assert_eq!(pin.depth, PinDepth::DIRECT, "the mode is honoured on both forms");
        assert_eq!(pin.options.name, "a&b");
        assert_eq!(pin.options.replication, ReplicationFactors { min: 2, max: 3 });
        assert_eq!(pin.options.user_allocations, [peer(1)]);
        assert_eq!(pin.options.metadata, [("colour".to_owned(), "deep blue".to_owned())].into());
        assert_eq!(pin.options.expire_at, Some(UnixSeconds(1_893_553_445)));
        assert_eq!(pin.options.pin_update, Some(CID.parse().unwrap()));
        assert_eq!(pin.options.origins.len(), 1);
        assert_eq!((&answer.json()["mode"], &answer.json()["max_depth"]), (&"direct".into(), &0.into()));
    }
}

#[tokio::test]
async fn a_mistake_is_a_400_and_nothing_is_pinned() {
    let server = TestServer::start().await;
    for (query, message) in [
        ("replication=x", "parameter replication invalid"),
        ("replication-min=x", "parameter replication-min invalid"),
        ("replication-max=1.5", "parameter replication-max invalid"),
        ("shard-size=-1", "parameter shard_size is invalid"),
        ("expire-in=1ms", "expire-in duration too short"),
        ("expire-in=soon", "expire-in cannot be parsed: "),
        ("expire-at=soon", "expire-at cannot be parsed: "),
        ("pin-update=x", "error decoding update option parameter: "),
        ("origins=x", "error decoding multiaddress: "),
        ("origins=/ip4/1.2.3.4/tcp/1", "multiaddress does not contain peer ID: /ip4/1.2.3.4/tcp/1"),
    ] {
        for path in ["", "ipfs/"] {
            let answer = server.ask(&format!("POST /pins/{path}{CID}?{query}"), &[]).await;
            assert_eq!(answer.status, 400, "{query}");
            let got = answer.json()["message"].as_str().unwrap().to_owned();
            assert!(got.starts_with(message), "{query}: {got}");
            assert_eq!(answer.body.lines().count(), 1, "the request ends with the 400");
        }
    }
    assert!(server.api.calls().is_empty());
}

#[tokio::test]
async fn unset_and_unknown_values_are_defaults() {
    let server = TestServer::start().await;
    let query = "mode=odd&name=&replication-min=&shard-size=&user-allocations=&expire-at=&expire-in=&origins=&pin-update=&meta-=x&quieter=true";
    assert_eq!(server.ask(&format!("POST /pins/ipfs/{CID}?{query}"), &[]).await.status, 200);
    assert_eq!(server.api.wish().pin, cluster_core::Pin::new(CID.parse().unwrap()));
    assert_eq!(
        server.ask(&format!("POST /pins/{CID}?replication=-1&replication-min=5"), &[]).await.status,
        200
    );
    assert!(server.api.wish().pin.is_everywhere(), "replication overrides the pair");
    assert_eq!(server.ask(&format!("POST /pins/{CID}?meta-k=first&meta-k=second"), &[]).await.status, 200);
    assert_eq!(server.api.wish().pin.options.metadata["k"], "first");
}
