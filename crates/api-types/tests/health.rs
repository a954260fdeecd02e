//! Graphs, metrics, alerts, garbage collection and peers to add, in the form of the reference.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_api_types::{
    Alert, ConnectGraph, GlobalRepoGc, Metric, PeerAddBody, PeerAddress, json, parse_peer_id,
};
use cluster_core::{
    Metric as CoreMetric, PeerId, UnixMillis,
    metric::UnixNanos,
    ports::{
        cluster_api::{Alert as CoreAlert, ConnectGraph as CoreGraph, RepoGc as CoreRepoGc},
        ipfs_connector::GcItem,
    },
};

const A: &str = "12D3KooWRmuMWTCRDPJgU6Lhgovh16Mc6pUAeynoz9uii3NSraDu";
const B: &str = "12D3KooWEzimCSQfZVrDWeSuz9ybdt3L8G4ioYfsXeRRhN3cwsQW";
const IPFS: &str = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";

fn peer(text: &str) -> PeerId {
    text.parse().unwrap()
}

fn line<T: serde::Serialize>(value: &T) -> String {
    let mut out = Vec::new();
    json::to_line(value, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn metric() -> CoreMetric {
    CoreMetric {
        name: "freespace".into(),
        peer: peer(A),
        value: "9000000000".into(),
        expires: UnixNanos(1_769_854_830_000_000_001),
        valid: true,
        weight: -9_000_000_000,
        partitionable: false,
        received_at: UnixNanos(1_769_854_800_000_000_000),
    }
}

#[test]
fn a_graph_is_sorted_by_text_and_has_empty_lists() {
    let mut graph = CoreGraph {
        cluster_id: peer(A),
        peernames: [(peer(A), "al<pha".to_owned())].into(),
        ipfs_links: [(peer(IPFS), vec![])].into(),
        cluster_links: [(peer(A), vec![peer(B)]), (peer(B), vec![])].into(),
        trust_links: [(peer(A), true), (peer(B), false)].into(),
        cluster_to_ipfs: [(peer(A), peer(IPFS))].into(),
    };
    assert_eq!(
        line(&ConnectGraph::from(&graph)),
        format!(
            "{{\"cluster_id\":\"{A}\",\"id_to_peername\":{{\"{A}\":\"al\\u003cpha\"}},\"ipfs_links\":{{\"{IPFS}\":[]}},\
             \"cluster_links\":{{\"{B}\":[],\"{A}\":[\"{B}\"]}},\"cluster_trust_links\":{{\"{B}\":false,\"{A}\":true}},\
             \"cluster_to_ipfs\":{{\"{A}\":\"{IPFS}\"}}}}\n"
        )
    );
    graph.ipfs_links.clear();
    graph.cluster_to_ipfs.clear();
    let text = line(&ConnectGraph::from(&graph));
    assert!(text.contains(r#""ipfs_links":{},"#) && text.ends_with("\"cluster_to_ipfs\":{}}\n"), "{text}");
}

#[test]
fn metrics_and_alerts() {
    let fields = format!(
        "{{\"name\":\"freespace\",\"peer\":\"{A}\",\"value\":\"9000000000\",\"expire\":1769854830000000001,\"valid\":true,\
         \"weight\":-9000000000,\"partitionable\":false,\"received_at\":1769854800000000000"
    );
    assert_eq!(line(&Metric::from(&metric())), format!("{fields}}}\n"));
    let alert = CoreAlert { metric: metric(), triggered_at: UnixMillis(1_769_854_860_500) };
    assert_eq!(
        line(&Alert::from(&alert)),
        format!("{fields},\"triggered_at\":\"2026-01-31T10:21:00.5Z\"}}\n")
    );
}

#[test]
fn garbage_by_peer_with_lists_even_beside_errors() {
    let outcomes = [
        CoreRepoGc {
            peer: peer(A),
            peername: "alpha".into(),
            keys: vec![GcItem::Removed("bafkqaaa".parse().unwrap()), GcItem::Error("busy".into())],
            error: String::new(),
        },
        CoreRepoGc { peer: peer(B), peername: String::new(), keys: vec![], error: "down".into() },
    ];
    assert_eq!(
        line(&GlobalRepoGc::from(&outcomes[..])),
        format!(
            "{{\"peer_map\":{{\"{B}\":{{\"peer\":\"{B}\",\"peername\":\"\",\"keys\":[],\"error\":\"down\"}},\
             \"{A}\":{{\"peer\":\"{A}\",\"peername\":\"alpha\",\"keys\":[{{\"key\":\"bafkqaaa\"}},{{\"key\":null,\"error\":\"busy\"}}]}}}}}}\n"
        )
    );
    assert_eq!(line(&GlobalRepoGc::from(&[][..])), "{\"peer_map\":{}}\n");
}

#[test]
fn a_peer_to_add_has_addresses_only_when_there_are_some() {
    let mut body = PeerAddBody { peer_id: A.into(), addresses: None };
    assert_eq!(line(&body), format!("{{\"peer_id\":\"{A}\"}}\n"));
    body.addresses = Some(vec!["/ip4/192.0.2.1/tcp/9096".into()]);
    let text = line(&body);
    assert_eq!(text, format!("{{\"peer_id\":\"{A}\",\"addresses\":[\"/ip4/192.0.2.1/tcp/9096\"]}}\n"));
    assert_eq!(json::from_slice::<PeerAddBody>(text.as_bytes()).unwrap(), body);
    let null: PeerAddBody = json::from_slice(br#"{"peer_id":"x","addresses":null,"more":1}"#).unwrap();
    assert_eq!((null.peer_id.as_str(), null.addresses), ("x", None));
}

#[test]
fn peer_ids_have_two_forms() {
    assert_eq!(parse_peer_id(A).unwrap(), peer(A));
    assert_eq!(parse_peer_id(IPFS).unwrap(), peer(IPFS));
    for id in [A, IPFS] {
        let mut hash = peer(id).to_bytes();
        // Version 1, libp2p-key.
        hash.splice(0..0, [1, 0x72]);
        let cid = cluster_core::Cid::try_from(hash).unwrap().to_string();
        assert_eq!(parse_peer_id(&cid).unwrap(), peer(id), "{cid}");
    }
    for text in ["", "nope", "bafkqaaa", "/ip4/192.0.2.1/tcp/9096", &A[1..]] {
        let error = parse_peer_id(text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("\"{text}\" is not a peer ID; ")), "{error}");
    }
}

#[test]
fn addresses_end_in_the_peer_they_lead_to() {
    let of = |text: &str, id| text.parse::<PeerAddress>().and_then(|a| a.of(peer(id))).map(|a| a.to_string());
    let whole = format!("/ip4/192.0.2.1/tcp/9096/p2p/{A}");
    assert_eq!(of("/ip4/192.0.2.1/tcp/9096", A).unwrap(), whole);
    assert_eq!(of(&whole, A).unwrap(), whole);
    let relayed = format!("/ip4/192.0.2.1/tcp/9096/p2p/{B}/p2p-circuit");
    assert_eq!(of(&relayed, A).unwrap(), format!("{relayed}/p2p/{A}"));
    let other = of(&whole, B).unwrap_err().to_string();
    assert_eq!(other, format!("\"/ip4/192.0.2.1/tcp/9096\" is an address of peer {A}, not of {B}"));
    let nowhere = of(&format!("/p2p/{A}"), A).unwrap_err().to_string();
    assert_eq!(nowhere, format!("\"/p2p/{A}\" does not say where the peer is"));
    for text in ["", "192.0.2.1:9096", "/ip4/192.0.2.1/tcp", "/p2p/nope", "/"] {
        let error = of(text, A).unwrap_err().to_string();
        assert!(error.starts_with(&format!("\"{text}\" is not a multiaddress ")), "{error}");
    }
    let address: PeerAddress = whole.parse().unwrap();
    assert_eq!((address.peer(), address.has_place()), (Some(peer(A)), true));
    let bare: PeerAddress = format!("/p2p/{A}").parse().unwrap();
    assert_eq!((bare.peer(), bare.has_place()), (Some(peer(A)), false));
}
