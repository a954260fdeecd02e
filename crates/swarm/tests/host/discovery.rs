//! Peers found without being told where they are.

use crate::{
    harness::{Heard, Host, LIMIT, config},
    namespaces::{Lines, MACHINE, run_test},
};
use cluster_core::ports::{Network, swarm::PeerEvent};
use cluster_testkit::two_sides::TwoSides;
use tokio::time::timeout;

#[tokio::test]
async fn the_table_of_the_local_network_finds_a_third_peer() {
    let (a, b, c) = (Host::start(config()).await, Host::start(config()).await, Host::start(config()).await);
    b.meet(&a).await;
    c.meet(&a).await;
    b.swarm.connect(c.id(), Vec::new()).await.unwrap();
    b.identified(c.id()).await;
    assert!(!b.swarm.addresses_of(&c.id()).is_empty());
}

/// A host in a network namespace of its own; does nothing when run as a test.
#[tokio::test]
async fn namespace_child() {
    if std::env::var_os(MACHINE).is_none() {
        return;
    }
    let mut settings = config();
    settings.listen = vec!["/ip4/0.0.0.0/tcp/0".parse().unwrap()];
    settings.mdns = true;
    let host = Host::start(settings).await;
    let met = |heard: &Heard| matches!(heard, Heard::Peer(PeerEvent::Identified { .. }));
    host.heard.wait("a peer of the local network", met).await;
    println!("\nfound");
    // Stay there for the other one until the parent ends this.
    timeout(LIMIT, host.tasks.failed()).await.ok();
}

#[tokio::test]
async fn multicast_finds_peers_of_the_local_network() {
    let Some(machines) = TwoSides::build(1, 1).unwrap() else { return };
    let mut hosts = [0, 1].map(|machine| run_test(&machines, machine, "discovery::namespace_child"));
    for host in &mut hosts {
        Lines::of(host).wait("found").await;
    }
    for host in &mut hosts {
        host.kill().await.unwrap();
    }
}
