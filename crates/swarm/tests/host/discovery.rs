//! Peers found without being told where they are.

use crate::harness::{Heard, Host, LIMIT, config};
use cluster_core::ports::{Network, swarm::PeerEvent};
use std::process::Stdio;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

#[tokio::test]
async fn the_table_of_the_local_network_finds_a_third_peer() {
    let (a, b, c) = (Host::start(config()).await, Host::start(config()).await, Host::start(config()).await);
    b.meet(&a).await;
    c.meet(&a).await;
    b.swarm.connect(c.id(), Vec::new()).await.unwrap();
    b.identified(c.id()).await;
    assert!(!b.swarm.addresses_of(&c.id()).is_empty());
}

const ROLE: &str = "CLUSTER_SWARM_TEST_NAMESPACE";

/// A host in a network namespace of its own; does nothing when run as a test.
#[tokio::test]
async fn namespace_child() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let mut settings = config();
    settings.listen = vec!["/ip4/0.0.0.0/tcp/0".parse().unwrap()];
    settings.mdns = true;
    let host = Host::start(settings).await;
    let met = |heard: &Heard| matches!(heard, Heard::Peer(PeerEvent::Identified { ours: true, .. }));
    host.heard.wait("a peer of the local network", met).await;
    println!("\nfound");
    // Stay there for the other one until the parent ends this.
    timeout(LIMIT, host.tasks.failed()).await.ok();
}

fn run(command: &str) -> bool {
    let parts: Vec<&str> = command.split(' ').collect();
    let status = std::process::Command::new(parts[0]).args(&parts[1..]).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Two network namespaces joined by a cable; gone when dropped.
struct Namespaces(String);

impl Namespaces {
    fn new() -> Option<Self> {
        let tag = format!("csw{}", std::process::id());
        let both = Self(tag.clone());
        let made = run(&format!("ip netns add {tag}a"))
            && run(&format!("ip netns add {tag}b"))
            && run(&format!("ip link add {tag}a netns {tag}a type veth peer name {tag}b netns {tag}b"))
            && ["a", "b"].iter().zip(["10.77.0.1/24", "10.77.0.2/24"]).all(|(side, address)| {
                let (space, link) = (format!("{tag}{side}"), format!("{tag}{side}"));
                run(&format!("ip -n {space} addr add {address} dev {link}"))
                    && run(&format!("ip -n {space} link set {link} up"))
                    && run(&format!("ip -n {space} link set lo up"))
            });
        made.then_some(both)
    }

    fn host(&self, side: &str) -> Child {
        let program = std::env::current_exe().unwrap();
        Command::new("ip")
            .args(["netns", "exec", &format!("{}{side}", self.0)])
            .arg(program)
            .args(["--exact", "discovery::namespace_child", "--nocapture"])
            .env(ROLE, side)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        run(&format!("ip netns del {}a", self.0));
        run(&format!("ip netns del {}b", self.0));
    }
}

#[tokio::test]
async fn multicast_finds_peers_of_the_local_network() {
    let Some(spaces) = Namespaces::new() else {
        println!("skipped: network namespaces are not permitted here");
        return;
    };
    let mut hosts = [spaces.host("a"), spaces.host("b")];
    for host in &mut hosts {
        let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
        let found = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line == "found" {
                    return true;
                }
            }
            false
        };
        assert!(timeout(LIMIT, found).await.unwrap_or(false), "a host found nobody");
    }
    for host in &mut hosts {
        host.kill().await.unwrap();
    }
}
