//! A Go peer behind a firewall: it learns from ours that nobody can connect to it, and is reached through ours.

use crate::settled::until_settled;
use cluster_client::api_types::PinOptions;
use cluster_tests::mixed::{Family, LIMIT, MixedCluster, MixedPeer, Plan, identity_cid};
use std::time::Duration;

/// A Go peer asks for a place at a relay 3 minutes after its start, once it has learned from several answers that it is
/// not reached.
const RESERVED_LIMIT: Duration = Duration::from_secs(540);

#[tokio::test]
async fn a_go_peer_behind_a_firewall_is_reached_through_ours() {
    let Some(mut cluster) = MixedCluster::start(&Plan::new(1, 2).public()).await.unwrap() else { return };
    let (walled, relay) = (cluster.of(Family::Go)[0], cluster.of(Family::Ours)[0]);
    let far = cluster.of(Family::Ours)[1];
    cluster.machines.wall(u8::try_from(walled).unwrap()).unwrap();
    // What it has learned so far was true until now: connections that exist go on.
    let through = format!("/p2p/{}/p2p-circuit", cluster.peers[relay].service.id());
    let reserved = async |peer: &MixedPeer| {
        let addresses = peer.client.id().await?.addresses.unwrap_or_default();
        Ok(addresses.iter().any(|address| address.contains(&through)))
    };
    cluster
        .converge("the Go peer has a place at the relay", RESERVED_LIMIT, reserved, |seen| seen[walled])
        .await
        .unwrap();

    // Now neither of these two is reached, and they have no connection any more.
    cluster.machines.wall(u8::try_from(far).unwrap()).unwrap();
    cluster.peers[far].service.kill().unwrap();
    cluster.peers[far].start_again().await.unwrap();
    cluster.until_all_see(3).await.unwrap();
    let options = PinOptions::default();
    for (number, peer) in cluster.peers.iter().enumerate() {
        peer.pin(&identity_cid(&format!("pin {number}")).unwrap(), &options).await.unwrap();
    }
    cluster.until_equal(LIMIT, |pins| pins.len() == 3).await.unwrap();
    until_settled(&cluster).await.unwrap();
    let graph = String::from_utf8(cluster.peers[relay].ask("/health/graph").unwrap().body).unwrap();
    let graph: serde_json::Value = serde_json::from_str(&graph).unwrap();
    let (walled, far) = (cluster.peers[walled].service.id(), cluster.peers[far].service.id());
    let linked = |from: &str, to: &str| {
        graph["cluster_links"][from].as_array().is_some_and(|links| links.iter().any(|link| link == to))
    };
    assert!(linked(walled, far) && linked(far, walled), "{graph:#}");
    cluster.stop_and_compare().unwrap();
}
