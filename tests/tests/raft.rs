//! Peers that agree by Raft, as processes: an OK holds whoever is killed, reads are as fresh as they are asked to be, members
//! come and go, and a peer goes on where nobody else is left.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod raft_peers;

use cluster_tests::cluster::pinset;
use raft_peers::{Peers, code};

#[tokio::test]
async fn an_ok_holds_whoever_is_killed() {
    let mut cluster = Peers::start(3).await;
    let mut acked = 0u64;
    for round in 0..3 {
        for number in 0..3 {
            cluster.pin(number, acked).await.unwrap();
            acked += 1;
        }
        let lost = if round == 1 { (cluster.leader(0).await + 1) % 3 } else { cluster.leader(0).await };
        cluster.peers[lost].kill().unwrap();
        cluster.pin_at_last((lost + 1) % 3, acked).await;
        acked += 1;
        let seen = pinset(&cluster.strong((lost + 2) % 3).await).await.unwrap();
        assert_eq!(seen.len() as u64, acked, "a strong read of another peer lacks an acknowledged pin");
        cluster.peers[lost].start().unwrap();
        cluster.until_ready(3).await;
    }
    cluster.until_equal(acked as usize).await;
    let all = cluster.pinset(0).await;
    for number in 1..3 {
        assert_eq!(cluster.pinset(number).await, all);
    }
    // All at once, as by a power cut that spared the page cache.
    for peer in &mut cluster.peers {
        peer.kill().unwrap();
    }
    for peer in &mut cluster.peers {
        peer.start().unwrap();
    }
    cluster.until_ready(3).await;
    assert_eq!(cluster.pinset(2).await, all);
    for peer in &mut cluster.peers {
        peer.stop().unwrap();
    }
}

#[tokio::test]
async fn without_a_majority_nothing_is_acknowledged_and_nothing_old_is_shown() {
    let mut cluster = Peers::start(3).await;
    cluster.pin(0, 1).await.unwrap();
    cluster.until_equal(1).await;
    for number in [1, 2] {
        cluster.peers[number].kill().unwrap();
    }
    let refused = cluster.pin(0, 2).await;
    assert!(matches!(code(refused), 429 | 500 | 503 | 504));
    let strong = pinset(&cluster.strong(0).await).await;
    assert!(strong.is_err(), "a strong read without a majority: {strong:?}");
    assert_eq!(cluster.pinset(0).await.len(), 1, "local reads go on");
    // One that starts alone does not know whether it has everything.
    cluster.peers[0].kill().unwrap();
    cluster.peers[0].start().unwrap();
    let client = cluster.client(0).await;
    assert_eq!(code(client.allocations("").await.map(drop)), 503);
    assert_eq!(code(client.status_all("", cluster_client::Scope::Local).await.map(drop)), 503);
    assert!(!cluster.health(0).await.ready);
    cluster.peers[1].start().unwrap();
    cluster.until("two of three are ready", async |number| cluster.health(number).await.ready).await;
    // The change of unknown outcome is there or not, everywhere.
    cluster.pin(1, 3).await.unwrap();
    let here = pinset(&cluster.strong(0).await).await.unwrap();
    assert_eq!(here, pinset(&cluster.strong(1).await).await.unwrap());
    assert!((2..=3).contains(&here.len()), "{here:?}");
}

#[tokio::test]
async fn members_come_and_go() {
    let mut cluster = Peers::start(3).await;
    for number in 0..20 {
        cluster.pin(number as usize % 3, number).await.unwrap();
    }
    // One votes no more, and again.
    let client = cluster.client(0).await;
    let id = |number: usize| cluster.peers[number].id().parse().unwrap();
    client.set_voter(&id(2), false).await.unwrap();
    cluster.until_ready(2).await;
    client.set_voter(&id(2), true).await.unwrap();
    cluster.until_ready(3).await;
    // One is removed: it stops, and its state is put aside.
    let gone = id(2);
    client.remove_peer(&gone, false).await.unwrap();
    client.remove_peer(&gone, false).await.unwrap();
    cluster.peers[2].until_it_ends().unwrap();
    assert!(cluster.peers[2].base().join("store.old.0").join("CURRENT").exists());
    cluster.until_ready(2).await;
    let listed = client.id().await.unwrap().cluster_peers.unwrap();
    assert!(listed.iter().all(|peer| peer.to_string() != gone.to_string()) && listed.len() == 2);
    // It comes back as any other peer.
    cluster.peers[2].start().unwrap();
    cluster.until_ready(3).await;
    cluster.until_equal(20).await;
    // One leaves by itself.
    cluster.peers[1].stop().unwrap();
    cluster.peers[1].set_arguments(&["--leave"]);
    cluster.peers[1].start().unwrap();
    cluster.until_ready(3).await;
    cluster.peers[1].stop().unwrap();
    cluster.until_ready(2).await;
    // The last one stays.
    client.remove_peer(&cluster.peers[2].id().parse().unwrap(), false).await.unwrap();
    cluster.peers[2].until_it_ends().unwrap();
    let last = cluster.peers[0].id().parse().unwrap();
    let refused = client.remove_peer(&last, false).await;
    assert!(code(refused) >= 400);
    cluster.pin(0, 100).await.unwrap();
    assert_eq!(cluster.pinset(0).await.len(), 21);
}

#[tokio::test]
async fn one_that_is_left_goes_on_after_the_others_are_lost() {
    let mut cluster = Peers::start(3).await;
    for number in 0..10 {
        cluster.pin(0, number).await.unwrap();
    }
    cluster.until_equal(10).await;
    for peer in &mut cluster.peers {
        peer.kill().unwrap();
    }
    let recovered =
        cluster.peers[1].command(&["state", "raft", "recover-from-lost-majority", "--force"]).unwrap();
    let said = String::from_utf8_lossy(&recovered.stdout).into_owned();
    assert!(recovered.status.success(), "{said}{}", String::from_utf8_lossy(&recovered.stderr));
    assert!(said.contains(cluster.peers[0].id()) && said.contains(cluster.peers[2].id()), "{said}");
    let export = cluster.peers[1].base().join("pins-before-recovery.json");
    assert_eq!(std::fs::read_to_string(export).unwrap().lines().count(), 10);
    cluster.peers[1].join(&[]);
    cluster.peers[1].start().unwrap();
    cluster
        .until("the one left leads", async |number| {
            let health = cluster.health(number).await;
            health.ready && health.state == "leader" && health.members.len() == 1
        })
        .await;
    cluster.pin(1, 10).await.unwrap();
    assert_eq!(cluster.pinset(1).await.len(), 11);
    // One that was lost and comes back as it was changes nothing, and is told why.
    cluster.peers[0].start().unwrap();
    cluster.pin(1, 11).await.unwrap();
    assert_eq!(cluster.pinset(1).await.len(), 12);
    assert!(!cluster.health(0).await.ready);
    cluster.peers[0].stop().unwrap();
    // Cleaned, it is welcome.
    let cleaned = cluster.peers[0].command(&["state", "cleanup", "--force"]).unwrap();
    assert!(cleaned.status.success(), "{}", String::from_utf8_lossy(&cleaned.stderr));
    let address = cluster.peers[1].swarm_address().to_owned();
    cluster.peers[0].join(&[&address]);
    cluster.peers[0].start().unwrap();
    cluster.until_ready(2).await;
    cluster.until_equal(12).await;
}

#[tokio::test]
async fn the_consensus_is_changed_by_one_command_and_back() {
    let mut cluster = Peers::start(0).await;
    cluster.add("crdt").await;
    cluster.start_last();
    for number in 0..50 {
        cluster.pin(0, number).await.unwrap();
    }
    let pins = cluster.pinset(0).await;
    for consensus in ["raft", "crdt"] {
        cluster.peers[0].stop().unwrap();
        let converted = cluster.peers[0].command(&["state", "convert", consensus, "--force"]).unwrap();
        assert!(converted.status.success(), "{}", String::from_utf8_lossy(&converted.stderr));
        cluster.peers[0].start().unwrap();
        let client = cluster.client(0).await;
        cluster
            .until("the pins are there", async |_| pinset(&client).await.is_ok_and(|found| found == pins))
            .await;
        assert_eq!(client.raft_health().await.is_ok(), consensus == "raft");
        if consensus == "raft" {
            // What is older than the log reaches those that join.
            cluster.add("raft").await;
            cluster.start_last();
            cluster.until_ready(2).await;
            cluster.until_equal(pins.len()).await;
            client.remove_peer(&cluster.peers[1].id().parse().unwrap(), false).await.unwrap();
            cluster.peers[1].until_it_ends().unwrap();
        }
        cluster.pin(0, 7).await.unwrap();
    }
    // What one consensus kept is not read by the other.
    cluster.peers[0].stop().unwrap();
    let config = cluster.peers[0].base().join("service.toml");
    let crdt = std::fs::read_to_string(&config).unwrap();
    let raft = std::fs::read_to_string(cluster.peers[0].base().join("service.toml.old")).unwrap();
    std::fs::write(&config, raft).unwrap();
    let refused = cluster.peers[0].start().unwrap_err().to_string();
    assert!(
        refused.contains("was kept by crdt consensus") && refused.contains("state convert raft"),
        "{refused}"
    );
    std::fs::write(&config, crdt).unwrap();
    cluster.peers[0].start().unwrap();
    assert_eq!(cluster.pinset(0).await, pins);
}
