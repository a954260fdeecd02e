//! The file of peers.

use crate::harness::{Host, config};
use cluster_core::ports::Network;
use libp2p::{PeerId, multiaddr::Protocol};
use std::fs;

#[tokio::test]
async fn peers_are_remembered_and_dialled_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peerstore");
    let b = Host::start(config()).await;
    let line = format!("{}\n", b.address().with(Protocol::P2p(b.id())));

    let mut settings = config();
    settings.peerstore_file = Some(path.clone());
    let a = Host::start(settings.clone()).await;
    b.meet(&a).await;
    a.swarm.mark_ready();
    a.swarm.stop().await;
    assert_eq!(fs::read_to_string(&path).unwrap(), line);

    fs::write(&path, format!("rubbish\n/ip4/1.2.3.4\n{line}")).unwrap();
    b.disconnected(a.id()).await;
    let again = Host::start(settings).await;
    again.identified(b.id()).await;
    // Never ready: what was there stays.
    again.swarm.stop().await;
    assert!(fs::read_to_string(&path).unwrap().starts_with("rubbish"));
}

#[tokio::test]
async fn addresses_given_by_a_caller_are_written_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peerstore");
    let b = Host::start(config()).await;
    let mut settings = config();
    settings.peerstore_file = Some(path.clone());
    let a = Host::start(settings).await;
    a.swarm.connect(b.id(), vec![b.address()]).await.unwrap();
    // An orderly stop waits for the write.
    a.swarm.stop().await;
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", b.address().with(Protocol::P2p(b.id()))));
}

#[tokio::test]
async fn configured_peers_are_dialled_and_written_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peerstore");
    let b = Host::start(config()).await;
    let stranger = format!("/ip4/127.0.0.1/tcp/1/p2p/{}", PeerId::random());
    fs::write(&path, format!("{stranger}\n")).unwrap();
    let mut settings = config();
    settings.peerstore_file = Some(path.clone());
    settings.peer_addresses = vec![b.address().with(Protocol::P2p(b.id()))];
    let a = Host::start(settings).await;
    a.identified(b.id()).await;
    a.swarm.mark_ready();
    a.swarm.stop().await;
    let lines = format!("{}\n{stranger}\n", b.address().with(Protocol::P2p(b.id())));
    assert_eq!(fs::read_to_string(&path).unwrap(), lines);
}
