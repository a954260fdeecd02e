//! Two machines in one: network namespaces joined by a cable.

use crate::harness::LIMIT;
use std::{
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// In the environment of a test program that runs as a host in a namespace.
pub(crate) const ROLE: &str = "CLUSTER_SWARM_TEST_NAMESPACE";

fn run(command: &str) -> bool {
    let parts: Vec<&str> = command.split(' ').collect();
    let status = std::process::Command::new(parts[0]).args(&parts[1..]).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Two network namespaces joined by a cable; gone when dropped.
pub(crate) struct Namespaces(String);

impl Namespaces {
    pub(crate) fn new() -> Option<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let tag = format!("cs{}n{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
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

    /// Gives one side a further address, known to itself only.
    pub(crate) fn add_address(&self, side: &str, address: &str) {
        assert!(run(&format!("ip -n {}{side} addr add {address} dev lo", self.0)), "cannot add {address}");
    }

    /// Makes a command that runs a program on one side.
    pub(crate) fn command(&self, side: &str, program: &std::path::Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &format!("{}{side}", self.0)]).arg(program).kill_on_drop(true);
        command
    }

    /// Starts a host of ours on one side; it prints `found` when it met a peer.
    pub(crate) fn host(&self, side: &str) -> Child {
        self.command(side, &std::env::current_exe().unwrap())
            .args(["--exact", "discovery::namespace_child", "--nocapture"])
            .env(ROLE, side)
            .stdout(Stdio::piped())
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

/// Waits until a host started by [`Namespaces::host`] met a peer.
pub(crate) async fn found(host: &mut Child) -> bool {
    let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
    let found = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line == "found" {
                return true;
            }
        }
        false
    };
    timeout(LIMIT, found).await.unwrap_or(false)
}
