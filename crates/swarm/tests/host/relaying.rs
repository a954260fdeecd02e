//! A peer that nobody can connect to is reached through another one.

use crate::{
    harness::{Host, LIMIT, RPC, config, echo, eventually},
    namespaces::{Namespaces, ROLE},
};
use cluster_core::ports::Network;
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
    let (relay, other) = (Host::start(relay).await, Host::start(other).await);
    // It listens where nobody else comes, and does not say so.
    let mut hidden = listening_on("127.0.0.1");
    hidden.no_announce = vec!["/ip4/127.0.0.0/ipcidr/8".parse().unwrap()];
    let hidden = Host::start(hidden).await;
    relay.meet(&other).await;
    for known in [&relay, &other] {
        hidden.meet(known).await;
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
    // It comes only now: the hidden one might have found it, and connected to it, while there was no relay.
    let third = Host::start(third).await;
    for known in [&relay, &other] {
        third.meet(known).await;
    }
    assert_eq!(third.swarm.is_ours(&hidden.id()), None, "they are connected without a relay");
    third.swarm.connect(hidden.id(), vec![there]).await.unwrap();
    third.identified(hidden.id()).await;
    let (_, stream) = third.swarm.open(hidden.id(), RPC).await.unwrap();
    assert_eq!(echo(stream).await, "/cluster/rpc/1.0.0ping");

    // Without the relays it can no longer be reached, and knows it.
    relay.swarm.stop().await;
    other.swarm.stop().await;
    hidden.disconnected(relay.id()).await;
    eventually("the relay is no address any more", || circuit(&hidden).is_none()).await;
    println!("\nrelayed");
}

#[tokio::test]
async fn who_cannot_be_reached_is_reached_through_a_relay() {
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
    assert!(said.contains("relayed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
