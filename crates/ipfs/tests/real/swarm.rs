//! Daemons and their connections.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daemons_are_connected_and_see_each_other() {
    let (one, other) = (daemon(), daemon());
    let (kubo, peer) = (connector(&one, |_| {}), connector(&other, |_| {}));
    assert_eq!(kubo.swarm_peers().await.unwrap(), []);
    let (own, id) = (kubo.id().await.unwrap(), peer.id().await.unwrap());
    kubo.swarm_connect(id.addresses[0].clone()).await.unwrap();
    assert_eq!(kubo.swarm_peers().await.unwrap(), [id.id]);
    assert_eq!(peer.swarm_peers().await.unwrap(), [own.id]);
    // A second time changes nothing.
    kubo.swarm_connect(id.addresses[0].clone()).await.unwrap();
    assert_eq!(kubo.swarm_peers().await.unwrap(), [id.id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_gone_cannot_be_connected_to() {
    let (one, mut other) = (daemon(), daemon());
    let (kubo, peer) = (connector(&one, |_| {}), connector(&other, |_| {}));
    let id = peer.id().await.unwrap();
    other.kill().unwrap();
    let error = kubo.swarm_connect(id.addresses[0].clone()).await.unwrap_err();
    let IpfsError::Api { status: 500, message, .. } = &error else { panic!("{error:?}") };
    assert!(message.contains(&id.id.to_string()), "{message}");
    // An address without a peer ID leads nowhere.
    let nobody = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
    assert!(matches!(kubo.swarm_connect(nobody).await, Err(IpfsError::Api { .. })));
}
