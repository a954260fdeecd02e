//! Ten peers, five in each of two processes, while one process is killed and started again: a slice with 1,000 pins, and
//! by a command of its own (`cargo ten-peers`) the whole with 10,000.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::{Client, api_types::PinOptions};
use cluster_testkit::{
    mock_kubo::MockKubo,
    service::{Programs, Service},
};
use cluster_tests::{
    cluster::{pinset, random_secret},
    world::{client_of, ipfs_path, made_up_cid},
};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

const PEERS: usize = 10;

/// Pins on their way at once.
const AT_ONCE: u64 = 32;

/// How long ten peers may take to agree, on a machine with two processors.
const LIMIT: Duration = Duration::from_secs(240);

/// Peers that live and die together.
struct Half(Child);

impl Half {
    fn start(peers: &[Service], first: &str) -> Self {
        let folders: Vec<serde_json::Value> = peers
            .iter()
            .map(|peer| {
                let variables: serde_json::Map<String, serde_json::Value> = peer
                    .variables()
                    .iter()
                    .map(|(name, value)| (name.clone(), value.clone().into()))
                    .collect();
                let join: Vec<&str> = (peer.swarm_address() != first).then_some(first).into_iter().collect();
                serde_json::json!({ "base": peer.base(), "variables": variables, "join": join })
            })
            .collect();
        let mut child = Command::new(env!("CARGO_BIN_EXE_many-peers"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let line = serde_json::to_string(&folders).unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "{line}").unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n", "the peers did not start");
        Self(child)
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        // kill -9; whoever is gone already stays gone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn pin_range(clients: &[Arc<Client>], range: std::ops::Range<u64>) {
    let mut running = tokio::task::JoinSet::new();
    for number in range {
        let client = clients[number as usize % clients.len()].clone();
        running.spawn(async move {
            let options = PinOptions { name: format!("{number}"), ..PinOptions::default() };
            client.pin(&ipfs_path(&made_up_cid(number).unwrap()).unwrap(), &options).await.unwrap();
        });
        if running.len() as u64 >= AT_ONCE {
            running.join_next().await.unwrap().unwrap();
        }
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn ten_peers_agree_though_half_of_them_are_killed() {
    agree_on(1000).await;
}

#[tokio::test]
#[ignore = "takes minutes: cargo ten-peers"]
async fn ten_peers_agree_on_ten_thousand_pins_though_half_of_them_are_killed() {
    agree_on(10_000).await;
}

async fn agree_on(pins: u64) {
    let programs = Programs::build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mock = MockKubo::start().await.unwrap();
    let secret = random_secret().unwrap();
    let variables = [("CLUSTER_SECRET", secret.as_str()), ("CLUSTER_IPFSHTTP_CONNECTSWARMSDELAY", "0s")];
    let peers: Vec<Service> = (0..PEERS)
        .map(|n| {
            let base = folder.path().join(format!("peer-{n}"));
            Service::init(&programs.service, &base, &mock.api(), &variables).unwrap()
        })
        .collect();
    let first = peers[0].swarm_address().to_owned();
    let (upper, lower) = peers.split_at(PEERS / 2);
    let _upper = Half::start(upper, &first);
    let mut half = Half::start(lower, &first);
    let mut clients = Vec::new();
    for peer in &peers {
        clients.push(Arc::new(client_of(peer).await.unwrap()));
    }

    pin_range(&clients, 0..pins / 2).await;
    drop(half);
    pin_range(&clients[..PEERS / 2], pins / 2..pins * 3 / 4).await;
    half = Half::start(lower, &first);
    pin_range(&clients, pins * 3 / 4..pins).await;

    let expected: BTreeMap<String, String> =
        (0..pins).map(|n| (made_up_cid(n).unwrap().to_string(), format!("{n}"))).collect();
    let deadline = Instant::now() + LIMIT;
    loop {
        let mut seen = Vec::new();
        for client in &clients {
            seen.push(pinset(client).await.unwrap());
        }
        if seen.iter().all(|pins| *pins == expected) {
            break;
        }
        let counts: Vec<usize> = seen.iter().map(BTreeMap::len).collect();
        assert!(Instant::now() < deadline, "not equal in time: {counts:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    drop(half);
    for peer in lower {
        let check = peer.command(&["state", "check"]).unwrap();
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
    }
}
