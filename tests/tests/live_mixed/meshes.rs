//! Mixed clusters of other kinds: RSA identities, WebSockets, found by multicast, and more peers than one gossips to.

use crate::settled::until_settled;
use cluster_client::api_types::PinOptions;
use cluster_tests::mixed::{LIMIT, MixedCluster, Plan, Usage, identity_cid};

#[tokio::test]
async fn rsa_identities_on_both_sides() {
    let Some(cluster) = MixedCluster::start(&Plan::new(2, 2).rsa(&[0, 1])).await.unwrap() else { return };
    for peer in &cluster.peers[..2] {
        assert!(peer.service.id().starts_with("Qm"), "{} has no RSA identity", peer.name);
    }
    exchange(cluster, 10).await;
}

#[tokio::test]
async fn websockets_on_both_sides() {
    let Some(cluster) = MixedCluster::start(&Plan::new(2, 2).websocket(&[0, 1])).await.unwrap() else {
        return;
    };
    for (number, peer) in cluster.peers.iter().enumerate() {
        let addresses = peer.client.id().await.unwrap().addresses.unwrap_or_default();
        assert_eq!(addresses.iter().all(|a| a.contains("/ws/")), number < 2, "{}: {addresses:?}", peer.name);
    }
    exchange(cluster, 10).await;
}

#[tokio::test]
async fn found_by_multicast() {
    let Some(cluster) = MixedCluster::start(&Plan::new(2, 2).by_multicast()).await.unwrap() else { return };
    exchange(cluster, 10).await;
}

#[tokio::test]
async fn a_mesh_of_twelve() {
    let Some(cluster) = MixedCluster::start(&Plan::new(6, 6).kubos(3)).await.unwrap() else { return };
    exchange(cluster, 10).await;
}

/// Pins through everybody, and unpins through everybody half of what somebody else pinned.
async fn exchange(mut cluster: MixedCluster, each: usize) {
    let count = cluster.peers.len();
    let cid = |peer: usize, index: usize| identity_cid(&format!("{index} of {peer}")).unwrap();
    for index in 0..each {
        for (number, peer) in cluster.peers.iter().enumerate() {
            let options = PinOptions { name: peer.name.clone(), ..PinOptions::default() };
            peer.pin(&cid(number, index), &options).await.unwrap();
        }
    }
    cluster.until_equal(LIMIT, |pins| pins.len() == count * each).await.unwrap();
    for index in 0..each / 2 {
        for (number, peer) in cluster.peers.iter().enumerate() {
            peer.unpin(&cid((number + 1) % count, index)).await.unwrap();
        }
    }
    cluster.until_equal(LIMIT, |pins| pins.len() == count * (each - each / 2)).await.unwrap();
    until_settled(&cluster).await.unwrap();
    for peer in &cluster.peers {
        println!("{}: {}", peer.name, Usage::of(peer.service.pid().unwrap()).unwrap());
        for ctl in &cluster.ctls {
            let text = peer.ctl(ctl, &["peers", "ls"]).unwrap();
            let sees = format!("Sees {} other peers", count - 1);
            assert!(text.matches(&sees).count() == count && !text.contains("ERROR"), "{}: {text}", peer.name);
        }
    }
    cluster.stop_and_compare().unwrap();
}
