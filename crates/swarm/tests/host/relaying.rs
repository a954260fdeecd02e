//! A peer that nobody can connect to is reached through another one, and then directly.

use crate::{
    harness::{Heard, Host, LIMIT, RPC, config, echo, eventually},
    namespaces::{Namespaces, ROLE},
};
use cluster_core::ports::{Network, swarm::PeerEvent};
use cluster_swarm::{OpenStreams, SwarmConfig};
use libp2p::multiaddr::Protocol;
use std::{process::Stdio, time::Duration};
use tokio::time::{sleep, timeout};

/// Addresses of the internet, as far as anybody can tell.
const PUBLIC: [&str; 3] = ["5.5.5.1", "5.5.5.2", "5.5.5.3"];

/// Looks whether others can connect come a quarter of a minute after the start.
const REACHABILITY_LIMIT: Duration = Duration::from_secs(60);

fn listening_on(ip: &str) -> SwarmConfig {
    let mut settings = config();
    settings.listen = vec![format!("/ip4/{ip}/tcp/0").parse().unwrap()];
    settings
}

/// Runs in a network namespace of its own; does nothing when run as a test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relaying_child() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let [relay, other, third] = PUBLIC.map(listening_on);
    let (relay, other, third) =
        (Host::start(relay).await, Host::start(other).await, Host::start(third).await);
    // It listens where nobody else comes, and does not say so.
    let mut hidden = listening_on("127.0.0.1");
    hidden.no_announce = vec!["/ip4/127.0.0.0/ipcidr/8".parse().unwrap()];
    let hidden = Host::start(hidden).await;
    relay.meet(&other).await;
    for host in [&hidden, &third] {
        for known in [&relay, &other] {
            host.meet(known).await;
        }
    }
    let circuit = |host: &Host| {
        let found = host.swarm.listen_addresses();
        found.into_iter().find(|address| address.iter().any(|part| part == Protocol::P2pCircuit))
    };
    let reserved = async {
        while circuit(&hidden).is_none() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(REACHABILITY_LIMIT, reserved).await.expect("nobody relays");
    let there = circuit(&hidden).unwrap();
    third.swarm.connect(hidden.id(), vec![there]).await.unwrap();
    third.identified(hidden.id()).await;
    let (_, stream) = third.swarm.open(hidden.id(), RPC).await.unwrap();
    assert_eq!(echo(stream).await, "/cluster/rpc/1.0.0ping");
    println!("\nrelayed");

    // The one behind the relay opens a way of its own, which outlives the relays.
    sleep(Duration::from_secs(2)).await;
    relay.swarm.stop().await;
    other.swarm.stop().await;
    hidden.disconnected(relay.id()).await;
    eventually("the relay is no address any more", || circuit(&hidden).is_none()).await;
    let (_, stream) = third.swarm.open(hidden.id(), RPC).await.unwrap();
    assert_eq!(echo(stream).await, "/cluster/rpc/1.0.0ping");
    let lost = Heard::Peer(PeerEvent::Disconnected(hidden.id()));
    assert!(!third.heard.heard().contains(&lost), "it had no way of its own");
    println!("\ndirect");
}

#[tokio::test]
async fn who_cannot_be_reached_is_reached_through_a_relay_and_then_directly() {
    let Some(spaces) = Namespaces::new() else {
        println!("skipped: network namespaces are not permitted here");
        return;
    };
    for ip in PUBLIC {
        spaces.add_address("a", &format!("{ip}/32"));
    }
    let child = spaces
        .command("a", &std::env::current_exe().unwrap())
        .args(["--exact", "relaying::relaying_child", "--nocapture"])
        .env(ROLE, "a")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = timeout(REACHABILITY_LIMIT + 4 * LIMIT, child.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("direct"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
