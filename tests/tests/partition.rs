//! Four real peers on two sides of a cable that is cut and mended: packets vanish, nobody is told.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::{Cid, Client, api_types::PinOptions};
use cluster_testkit::{
    mock_kubo::MockKubo,
    service::{Programs, Service},
    two_sides::TwoSides,
};
use cluster_tests::{
    cluster::{pinset, random_secret},
    world::{client_of, ipfs_path, made_up_cid},
};
use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

/// How long four peers may take to agree once they can. The longest wait in it is for the next dial, 37 s.
const LIMIT: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(100);

/// The first machine of each side.
const LEFT: usize = 0;
const RIGHT: usize = 2;

/// Four peers, two on each side. Fields are dropped in order: the machines last.
struct Peers {
    peers: Vec<Service>,
    clients: Vec<Client>,
    _mocks: Vec<MockKubo>,
    _folder: tempfile::TempDir,
    sides: TwoSides,
}

impl Peers {
    /// `None` where there can be no machines.
    async fn start() -> Option<Self> {
        let sides = TwoSides::build(2, 2).unwrap()?;
        let programs = Programs::build().unwrap();
        let secret = random_secret().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (mut peers, mut clients, mut mocks): (Vec<Service>, _, _) = (Vec::new(), Vec::new(), Vec::new());
        for machine in 0..4 {
            let mock = MockKubo::bind((sides.host_address(), 0).into()).await.unwrap();
            let rest = format!("/ip4/{}/tcp/9094", sides.control_address(machine));
            let swarm = format!("/ip4/{}/tcp/9096", sides.address(machine));
            let variables = [
                ("CLUSTER_SECRET", secret.as_str()),
                ("CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS", &rest),
                ("CLUSTER_LISTENMULTIADDRESS", &swarm),
                ("CLUSTER_MONITORPINGINTERVAL", "1s"),
                ("CLUSTER_PUBSUBMON_CHECKINTERVAL", "1s"),
                ("CLUSTER_IPFSHTTP_CONNECTSWARMSDELAY", "0s"),
            ];
            let base = folder.path().join(format!("peer-{machine}"));
            let mut peer = Service::init(&programs.service, &base, &mock.api(), &variables).unwrap();
            peer.launch_by(&sides.launcher(machine));
            peer.set_arguments(&["--allow-open-api"]);
            if let Some(first) = peers.first() {
                peer.join(&[first.swarm_address()]);
            }
            peer.start().unwrap();
            clients.push(client_of(&peer).await.unwrap());
            peers.push(peer);
            mocks.push(mock);
        }
        let all = Self { peers, clients, _mocks: mocks, _folder: folder, sides };
        all.until_all_see(4).await;
        Some(all)
    }

    /// Waits until what `look` sees holds for every peer.
    async fn converge<T: std::fmt::Debug>(
        &self,
        what: &str,
        look: impl AsyncFn(usize) -> T,
        holds: impl Fn(&[T]) -> bool,
    ) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let mut views = Vec::new();
            for number in 0..self.peers.len() {
                views.push(look(number).await);
            }
            if holds(&views) {
                return;
            }
            if Instant::now() > deadline {
                let logs: Vec<String> = self.peers.iter().map(Service::log_text).collect();
                panic!("not in time: {what}\n{views:#?}\n{}", logs.join("\n---\n"));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn until_all_see(&self, count: usize) {
        let members = async |number: usize| {
            self.clients[number].id().await.unwrap().cluster_peers.unwrap_or_default().len()
        };
        self.converge(&format!("{count} members"), members, |seen| seen.iter().all(|n| *n == count)).await;
    }

    async fn until_all_hold(&self, holds: impl Fn(&BTreeMap<String, String>) -> bool) {
        let pins = async |number: usize| pinset(&self.clients[number]).await.unwrap();
        self.converge("equal pinsets", pins, |seen| {
            seen.iter().all(|pins| *pins == seen[0]) && holds(&seen[0])
        })
        .await;
    }

    async fn pin(&self, number: usize, cid: &Cid, name: &str) {
        let named = PinOptions { name: name.into(), ..PinOptions::default() };
        self.clients[number].pin(&ipfs_path(cid).unwrap(), &named).await.unwrap();
    }

    async fn unpin(&self, number: usize, cid: &Cid) {
        self.clients[number].unpin(&ipfs_path(cid).unwrap()).await.unwrap();
    }

    /// Counts the connections of a peer to the other side, as the system knows them.
    fn connections_across(&self, number: usize) -> usize {
        let table = format!("/proc/{}/net/tcp", self.peers[number].pid().unwrap());
        let others = if number < RIGHT { RIGHT..4 } else { 0..RIGHT };
        let others: Vec<String> = others
            .map(|other| {
                let octets = self.sides.address(u8::try_from(other).unwrap()).octets();
                format!("{:08X}:", u32::from_le_bytes(octets))
            })
            .collect();
        // Columns: number, local address, remote address, state; 01 is an established connection.
        let is_across = |line: &str| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            columns.get(3) == Some(&"01") && others.iter().any(|other| columns[2].starts_with(other.as_str()))
        };
        fs::read_to_string(table).unwrap().lines().filter(|line| is_across(line)).count()
    }

    /// Stops all peers and compares what they export.
    fn stop_and_compare(&mut self) {
        let mut exports = Vec::new();
        for peer in &mut self.peers {
            peer.stop().unwrap();
            let exported = peer.command(&["state", "export"]).unwrap();
            assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
            exports.push(String::from_utf8(exported.stdout).unwrap());
            let checked = peer.command(&["state", "check"]).unwrap();
            assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
        }
        assert!(!exports[0].is_empty());
        for export in &exports {
            assert_eq!(*export, exports[0]);
        }
    }
}

#[tokio::test]
async fn both_sides_of_a_cut_write_and_agree_after_it() {
    let Some(mut peers) = Peers::start().await else { return };
    let cid = |number| made_up_cid(number).unwrap();
    for number in 0..5 {
        peers.pin(usize::try_from(number).unwrap() % 4, &cid(number), "before").await;
    }
    peers.until_all_hold(|pins| pins.len() == 5).await;
    let [removed_left, removed_twice, pinned_again, untouched, back] = [0, 1, 2, 3, 4].map(cid);
    let [both, removed_by_one] = [10, 11].map(cid);

    peers.sides.cut().unwrap();
    peers.until_all_see(2).await;
    let mut expected: BTreeMap<String, String> = BTreeMap::new();
    let mut expect = |cid: &Cid, name: &str| drop(expected.insert(cid.to_string(), name.to_owned()));
    expect(&untouched, "before");
    peers.unpin(LEFT, &removed_left).await;
    peers.unpin(LEFT, &removed_twice).await;
    peers.unpin(RIGHT, &removed_twice).await;
    // Unpinned on one side, pinned again on the other: the unpin did not see that.
    peers.unpin(LEFT, &pinned_again).await;
    peers.pin(RIGHT + 1, &pinned_again, "again").await;
    expect(&pinned_again, "again");
    // Gone on both sides, then back on one.
    peers.unpin(LEFT, &back).await;
    peers.unpin(RIGHT, &back).await;
    peers.pin(RIGHT, &back, "back").await;
    expect(&back, "back");
    // Pinned by both, with other names.
    peers.pin(LEFT, &both, "left").await;
    peers.pin(RIGHT, &both, "right").await;
    // Pinned by both, unpinned by one, who saw its own pin only.
    peers.pin(LEFT, &removed_by_one, "left").await;
    peers.pin(RIGHT, &removed_by_one, "right").await;
    peers.unpin(LEFT, &removed_by_one).await;
    expect(&removed_by_one, "right");
    for number in 100..140 {
        let peer = usize::try_from(number).unwrap() % 4;
        peers.pin(peer, &cid(number), &format!("by {peer}")).await;
        expect(&cid(number), &format!("by {peer}"));
    }

    peers.sides.heal().unwrap();
    peers
        .until_all_hold(|pins| {
            let mut pins = pins.clone();
            let name = pins.remove(&both.to_string());
            pins == expected && name.is_some_and(|name| name == "left" || name == "right")
        })
        .await;
    peers.until_all_see(4).await;
    peers.stop_and_compare();
}

#[tokio::test]
async fn connections_that_died_in_silence_are_noticed_and_replaced() {
    let Some(mut peers) = Peers::start().await else { return };
    let cid = |number| made_up_cid(number).unwrap();
    // Everybody is connected to everybody before the cut.
    let across = async |number: usize| peers.connections_across(number);
    peers.converge("connections", across, |counts| counts.iter().all(|count| *count >= 2)).await;
    peers.sides.cut().unwrap();
    peers.until_all_see(2).await;
    peers.pin(LEFT, &cid(1), "left").await;
    peers.pin(RIGHT, &cid(2), "right").await;
    let across = async |number: usize| peers.connections_across(number);
    peers.converge("no connections", across, |counts| counts.iter().all(|count| *count == 0)).await;
    // A peer answers for its own side as ever.
    for (number, pinned) in [(LEFT + 1, cid(1)), (RIGHT + 1, cid(2))] {
        assert_eq!(
            pinset(&peers.clients[number]).await.unwrap().into_keys().collect::<Vec<_>>(),
            [pinned.to_string()]
        );
    }
    peers.sides.heal().unwrap();
    peers.until_all_hold(|pins| pins.len() == 2).await;
    peers.until_all_see(4).await;
    peers.pin(RIGHT, &cid(3), "after").await;
    peers.until_all_hold(|pins| pins.len() == 3).await;
    peers.stop_and_compare();
}
