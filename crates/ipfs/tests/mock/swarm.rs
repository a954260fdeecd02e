//! The daemon's connections.

use super::*;
use cluster_testkit::mock_kubo::{End, Endpoint, Script};

const A: &str = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X";
const B: &str = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";

#[tokio::test]
async fn the_daemon_is_asked_to_connect() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    let address = format!("/ip4/10.0.0.1/tcp/4001/p2p/{A}");
    kubo.swarm_connect(address.parse().unwrap()).await.unwrap();
    assert_eq!(mock.log(), [(Endpoint::SwarmConnect, address.clone())]);
    let words = format!("connect {A} failure: failed to dial");
    mock.script(Endpoint::SwarmConnect, Script::ending(End::Error(words.clone())));
    let error = kubo.swarm_connect(address.parse().unwrap()).await.unwrap_err().to_string();
    assert_eq!(error, format!("IPFS error (swarm/connect?arg={address}). Code: 500. Message: {words}"));
    mock.script(Endpoint::SwarmConnect, Script::ending(End::Garbage(b"<html>".to_vec())));
    let error = kubo.swarm_connect(address.parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, IpfsError::BadAnswer { .. }), "{error:?}");
}

#[tokio::test]
async fn connecting_has_a_deadline_that_waiting_counts_towards_and_delays_no_query() {
    let mock = mock().await;
    let ipfs_request_timeout = Duration::from_millis(400);
    let kubo = Kubo::new(KuboConfig { ipfs_request_timeout, ..config(&mock) }).unwrap();
    mock.script(Endpoint::SwarmConnect, Script::ending(End::Hang));
    let address = format!("/ip4/10.0.0.1/tcp/4001/p2p/{A}").parse::<multiaddr::Multiaddr>().unwrap();
    let connects = futures_util::future::join_all((0..20).map(|_| kubo.swarm_connect(address.clone())));
    let queries = async {
        assert!(mock.wait_until(LIMIT, |m| m.open_calls(Endpoint::SwarmConnect) > 0).await);
        kubo.swarm_peers().await
    };
    let (outcomes, peers) = tokio::join!(connects, queries);
    assert!(outcomes.iter().all(|o| matches!(o, Err(IpfsError::Timeout { .. }))), "{outcomes:?}");
    assert_eq!(peers.unwrap(), []);
    // Two of 32 connections, and whoever waited for one of them was out of time when it was free.
    assert_eq!(mock.calls(Endpoint::SwarmConnect), 2);
}

#[tokio::test]
async fn peers_are_listed_and_those_that_cannot_be_read_left_out() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    let ids = async || {
        let ids = kubo.swarm_peers().await.unwrap();
        ids.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(ids().await, Vec::<String>::new());
    mock.set_peers(&format!(
        r#"{{"Peers":[{{"Addr":"/ip4/10.0.0.1/tcp/1","Peer":"{A}","Identify":{{"ID":""}}}},{{"Peer":"nonsense"}},
            {{"Peer":""}},{{"Peer":"{B}"}}]}}"#
    ));
    assert_eq!(ids().await, [A, B]);
    mock.set_peers("{}");
    assert_eq!(ids().await, Vec::<String>::new());
    // Ten thousand peers are more than an ordinary answer may hold.
    let one = format!(r#"{{"Addr":"{}","Peer":"{A}"}}"#, "x".repeat(200));
    mock.set_peers(&format!(r#"{{"Peers":[{}]}}"#, vec![one; 10_000].join(",")));
    assert_eq!(ids().await.len(), 10_000);
}

#[tokio::test]
async fn a_list_of_peers_that_cannot_be_used_is_an_error() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    let bad = "the answer of the IPFS daemon at NODE to swarm/peers cannot be used: ";
    for (end, text) in [
        (End::Garbage(b"[]".to_vec()), bad.to_owned()),
        (End::Garbage(b"{\"Peers\":[{\"Pee".to_vec()), bad.to_owned()),
        (End::Endless(vec![b' '; 65_536].into()), format!("{bad}it is longer than 16777216 bytes")),
        (
            End::Error("command must be run in online mode".to_owned()),
            "IPFS error (swarm/peers). Code: 500. Message: command must be run in online mode".to_owned(),
        ),
    ] {
        mock.script(Endpoint::SwarmPeers, Script::ending(end.clone()));
        let error = kubo.swarm_peers().await.unwrap_err().to_string();
        let text = text.replace("NODE", &mock.api());
        assert!(error.starts_with(&text), "{error}\n{text}");
    }
}
