//! Two peers that nobody can connect to meet through a third one, and then without it.

use crate::{
    harness::{Heard, Host, LIMIT, RPC, config, echo, eventually},
    namespaces::{Lines, MACHINE, run_test},
};
use cluster_core::{
    Multiaddr, PeerId,
    ports::{Network, swarm::PeerEvent},
};
use cluster_swarm::{BoxedStream, OpenError, OpenStreams, SwarmConfig};
use cluster_testkit::two_sides::TwoSides;
use futures_util::{AsyncReadExt, AsyncWriteExt};
use libp2p::{StreamProtocol, identity::Keypair, multiaddr::Protocol};
use std::{net::Ipv4Addr, time::Duration};
use tokio::time::{sleep, timeout};

/// Part of the internet, as far as anybody can tell.
const NETWORK: [u8; 3] = [5, 5, 5];

/// The machines, in the order of their addresses: two that relay, and two behind firewalls.
const RELAYS: [u8; 2] = [0, 1];
const NEAR: u8 = 2;
const FAR: u8 = 3;

/// Looks whether others can connect come a quarter of a minute after the start.
const REACHABILITY_LIMIT: Duration = Duration::from_secs(60);

/// The table of the internet.
const WAN: &[StreamProtocol] = &[StreamProtocol::new("/ipfs/kad/1.0.0")];

/// Everybody listens there: the namespaces are ours alone.
const PORT: u16 = 9096;

/// The identity of the host on a machine, the same in all programs.
fn keypair(machine: u8) -> Keypair {
    Keypair::ed25519_from_bytes([machine; 32]).unwrap()
}

fn id(machine: u8) -> PeerId {
    keypair(machine).public().to_peer_id()
}

fn ip(machine: u8) -> Ipv4Addr {
    let [a, b, c] = NETWORK;
    Ipv4Addr::new(a, b, c, machine + 1)
}

fn address(machine: u8) -> Multiaddr {
    format!("/ip4/{}/tcp/{PORT}", ip(machine)).parse().unwrap()
}

/// Starts the host of this machine.
async fn start(machine: u8) -> Host {
    let settings = SwarmConfig { keypair: keypair(machine), listen: vec![address(machine)], ..config() };
    Host::start(settings).await
}

/// Connects to the relays, whenever they are there.
async fn meet_relays(host: &Host) {
    for relay in RELAYS.into_iter().filter(|relay| id(*relay) != host.id()) {
        let connecting = async {
            while host.swarm.connect(id(relay), vec![address(relay)]).await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(LIMIT, connecting).await.expect("no relay");
        host.identified(id(relay)).await;
    }
}

fn has_circuit(host: &Host) -> bool {
    let found = host.swarm.listen_addresses();
    found.iter().any(|address| address.iter().any(|part| part == Protocol::P2pCircuit))
}

/// Asks a routing table who is near a peer; returns the answer's bytes.
async fn who_is_near(mut stream: BoxedStream, peer: PeerId) -> Vec<u8> {
    // Type (field 1) FIND_NODE, key (field 2); both ways with their length before them.
    let key = peer.to_bytes();
    let message = [&[4 + key.len() as u8, 0x08, 4, 0x12, key.len() as u8], key.as_slice()].concat();
    stream.write_all(&message).await.unwrap();
    stream.close().await.unwrap();
    let mut answer = Vec::new();
    timeout(LIMIT, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    answer
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Returns which machine this program runs on, if on any of the test's.
fn machine() -> Option<u8> {
    std::env::var(MACHINE).ok().map(|machine| machine.parse().unwrap())
}

/// Runs on a machine that relays; does nothing when run as a test.
#[tokio::test]
async fn relay_child() {
    let Some(machine) = machine() else { return };
    let relay = start(machine).await;
    meet_relays(&relay).await;
    timeout(REACHABILITY_LIMIT + 4 * LIMIT, relay.tasks.failed()).await.ok();
}

/// Runs on a machine behind a firewall; does nothing when run as a test.
#[tokio::test]
async fn far_child() {
    let Some(machine) = machine() else { return };
    let far = start(machine).await;
    meet_relays(&far).await;
    let reserved = async {
        while !has_circuit(&far) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(REACHABILITY_LIMIT, reserved).await.expect("nobody relays");
    println!("\nreserved");
    far.disconnected(id(RELAYS[0])).await;
    far.disconnected(id(RELAYS[1])).await;
    eventually("the relays are no addresses any more", || !has_circuit(&far)).await;
    println!("\nalone");
    // The other one still talks to it.
    sleep(2 * LIMIT).await;
}

/// Runs on the other machine behind a firewall; does nothing when run as a test.
#[tokio::test]
async fn near_child() {
    let Some(machine) = machine() else { return };
    let near = start(machine).await;
    meet_relays(&near).await;
    let circuits = RELAYS.map(|relay| {
        address(relay).with(Protocol::P2p(id(relay))).with(Protocol::P2pCircuit).with(Protocol::P2p(id(FAR)))
    });
    near.swarm.connect(id(FAR), circuits.to_vec()).await.unwrap();
    near.identified(id(FAR)).await;
    let (_, stream) = near.swarm.open(id(FAR), RPC).await.unwrap();
    assert_eq!(echo(stream).await, "/cluster/rpc/1.0.0ping");

    // Who can be reached serves the table of the internet, and it holds the others of that kind.
    let (_, stream) = near.swarm.open(id(RELAYS[0]), WAN).await.unwrap();
    let found = who_is_near(stream, id(RELAYS[1])).await;
    assert!(contains(&found, &id(RELAYS[1]).to_bytes()), "{found:02x?}");
    assert!(!contains(&found, &id(FAR).to_bytes()), "{found:02x?}");
    let refused = near.swarm.open(id(FAR), WAN).await.err();
    assert!(matches!(refused, Some(OpenError::Unsupported(_))), "{refused:?}");

    // Neither can dial the other, so only both at the same moment make a connection.
    eventually("a connection of their own", || near.swarm.counters().punched_holes.get() > 0).await;
    println!("\npunched");
    near.disconnected(id(RELAYS[0])).await;
    near.disconnected(id(RELAYS[1])).await;
    let answered = async {
        loop {
            // The relayed connection may still be chosen while it ends.
            if let Ok((_, stream)) = near.swarm.open(id(FAR), RPC).await {
                break echo(stream).await;
            }
        }
    };
    assert_eq!(timeout(LIMIT, answered).await.expect("no answer without relays"), "/cluster/rpc/1.0.0ping");
    let lost = Heard::Peer(PeerEvent::Disconnected(id(FAR)));
    assert!(!near.heard.heard().contains(&lost), "the connection of their own did not last");
    println!("\nalone");
}

#[tokio::test]
async fn who_cannot_be_reached_is_reached_through_a_relay_and_then_without() {
    let Some(machines) = TwoSides::build_in(NETWORK, 4, 0).unwrap() else { return };
    if let Err(error) = machines.wall(NEAR).and_then(|()| machines.wall(FAR)) {
        println!("skipped: {error:#}");
        return;
    }
    let relays = RELAYS.map(|relay| run_test(&machines, relay, "relaying::relay_child"));
    let mut far = run_test(&machines, FAR, "relaying::far_child");
    let mut far_said = Lines::of(&mut far);
    far_said.wait("reserved").await;
    let mut near = run_test(&machines, NEAR, "relaying::near_child");
    let mut near_said = Lines::of(&mut near);
    near_said.wait("punched").await;
    for mut relay in relays {
        relay.kill().await.unwrap();
    }
    near_said.wait("alone").await;
    far_said.wait("alone").await;
}
