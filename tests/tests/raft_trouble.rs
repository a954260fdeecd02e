//! What goes wrong around peers that agree by Raft, as processes: a full disk, damaged files, folders of other clusters, an
//! identity used twice. Each has a clear error that says what to do, nothing that was acknowledged is lost, and the others go on.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod raft_peers;

use cluster_client::{ClientError, api_types::PinOptions};
use cluster_testkit::{
    service::Service,
    small_disk::SmallDisk,
    stored::{Damage, damage_raft_entry, leave_half_a_snapshot, raft_entries},
};
use cluster_tests::{
    cluster::{pinset, random_secret},
    world::{ipfs_path, made_up_cid},
};
use raft_peers::{LIMIT, Peers, code};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

/// Starts a peer that must not start, and returns the last line that it says.
fn refused(peer: &mut Service) -> String {
    let error = peer.start().expect_err("it starts").to_string();
    error.lines().last().unwrap_or_default().to_owned()
}

/// What everybody is told to do whose part of the cluster is damaged.
fn assert_remedy(said: &str) {
    assert!(said.starts_with("error "), "{said}");
    for word in ["peers rm", "state cleanup", "--bootstrap", "Do not restore a backup"] {
        assert!(said.contains(word), "says nothing of {word:?}: {said}");
    }
}

/// Does what the remedy says.
async fn join_again(cluster: &mut Peers, number: usize, through: usize) {
    let id = cluster.peers[number].id().parse().unwrap();
    cluster.client(through).await.remove_peer(&id, false).await.unwrap();
    let cleaned = cluster.peers[number].command(&["state", "cleanup", "--force"]).unwrap();
    assert!(cleaned.status.success(), "{}", String::from_utf8_lossy(&cleaned.stderr));
    let address = cluster.peers[through].swarm_address().to_owned();
    cluster.peers[number].join(&[&address]);
    cluster.peers[number].start().unwrap();
}

fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// The journal that the store of a peer writes, or wrote.
fn journal(base: &Path) -> PathBuf {
    let mut found = Vec::new();
    let mut open = vec![base.join("store")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "jnl") {
                found.push(path);
            }
        }
    }
    found.into_iter().max().unwrap()
}

#[tokio::test]
async fn a_damaged_log_is_never_taken_for_a_shorter_one() {
    let mut cluster = Peers::start(3).await;
    for number in 0..12 {
        cluster.pin(0, number).await.unwrap();
    }
    cluster.until_equal(12).await;
    let lost = (cluster.leader(0).await + 1) % 3;
    let other = (lost + 1) % 3;
    cluster.peers[lost].stop().unwrap();
    let store = cluster.peers[lost].base().join("store");
    let whole = cluster.peers[lost].base().join("whole");
    copy(&store, &whole);
    let entries = raft_entries(cluster.peers[lost].base()).unwrap();
    let (last, middle) = (entries[entries.len() - 1], entries[entries.len() / 2]);
    for (index, damage) in [
        (last, Damage::Remove),
        (middle, Damage::Remove),
        (last, Damage::Flip),
        (middle, Damage::Flip),
        (last, Damage::Halve),
    ] {
        copy(&whole, &store);
        damage_raft_entry(cluster.peers[lost].base(), index, damage).unwrap();
        let said = refused(&mut cluster.peers[lost]);
        let what = if damage == Damage::Remove { "is missing" } else { "cannot be read" };
        assert!(said.contains(&format!("entry {index} {what}")), "{damage:?} of {index}: {said}");
        assert_remedy(&said);
        // Nor does anything else make it less.
        let recovery = ["state", "raft", "recover-from-lost-majority", "--force"];
        let recovered = cluster.peers[lost].command(&recovery).unwrap();
        assert!(!recovered.status.success());
        let said = String::from_utf8_lossy(&recovered.stderr).into_owned();
        assert!(said.contains(&format!("entry {index} {what}")), "{said}");
    }
    cluster.pin(other, 12).await.unwrap();
    // As it was, it is welcome.
    copy(&whole, &store);
    cluster.peers[lost].start().unwrap();
    cluster.until_ready(3).await;
    cluster.until_equal(13).await;
    // Damaged, it is after what it was told to do.
    cluster.peers[lost].stop().unwrap();
    damage_raft_entry(cluster.peers[lost].base(), middle, Damage::Remove).unwrap();
    assert_remedy(&refused(&mut cluster.peers[lost]));
    join_again(&mut cluster, lost, other).await;
    cluster.until_ready(3).await;
    cluster.until_equal(13).await;
}

#[tokio::test]
async fn a_damaged_journal_is_told_from_a_torn_one() {
    let mut cluster = Peers::start(3).await;
    for number in 0..12 {
        cluster.pin(0, number).await.unwrap();
    }
    cluster.until_equal(12).await;
    let lost = (cluster.leader(0).await + 1) % 3;
    cluster.peers[lost].kill().unwrap();
    let journal = journal(cluster.peers[lost].base());
    let whole = fs::read(&journal).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut damaged = whole.clone();
    damaged[end / 2] ^= 1;
    fs::write(&journal, &damaged).unwrap();
    let said = refused(&mut cluster.peers[lost]);
    assert!(said.contains("damaged at") && said.contains(journal.to_str().unwrap()), "{said}");
    assert_remedy(&said);
    assert_eq!(fs::read(&journal).unwrap(), damaged, "it is not left as it is");
    // The beginning of a batch that was never whole.
    let mut torn = whole.clone();
    let begun = whole[..64.min(end)].to_vec();
    torn.splice(end..(end + begun.len()).min(torn.len()), begun);
    fs::write(&journal, &torn).unwrap();
    cluster.peers[lost].start().unwrap();
    cluster.until_ready(3).await;
    cluster.until_equal(12).await;
}

#[tokio::test]
async fn what_arrived_of_a_snapshot_does_no_harm_and_a_damaged_one_is_named() {
    let mut cluster = Peers::start(3).await;
    cluster.pin(0, 0).await.unwrap();
    cluster.until_equal(1).await;
    let lost = (cluster.leader(0).await + 1) % 3;
    let other = (lost + 1) % 3;
    cluster.peers[lost].stop().unwrap();
    // Killed while it was arriving: the parts are asked for again, whatever became of them.
    leave_half_a_snapshot(cluster.peers[lost].base(), false).unwrap();
    cluster.peers[lost].start().unwrap();
    cluster.until_ready(3).await;
    cluster.until_equal(1).await;
    // Killed while it was being installed: the pinset is neither the old one nor the new one.
    cluster.peers[lost].stop().unwrap();
    leave_half_a_snapshot(cluster.peers[lost].base(), true).unwrap();
    let said = refused(&mut cluster.peers[lost]);
    assert!(said.contains("part 0 of a snapshot cannot be read"), "{said}");
    assert_remedy(&said);
    cluster.pin(other, 1).await.unwrap();
    join_again(&mut cluster, lost, other).await;
    cluster.until_ready(3).await;
    cluster.until_equal(2).await;
}

/// Nobody told the others that its disk is gone.
#[tokio::test]
async fn a_voter_that_comes_back_with_nothing_votes_again_once_it_has_everything() {
    let mut cluster = Peers::start(3).await;
    for number in 0..5 {
        cluster.pin(0, number).await.unwrap();
    }
    cluster.until_equal(5).await;
    let lost = (cluster.leader(0).await + 1) % 3;
    let other = (lost + 1) % 3;
    cluster.peers[lost].kill().unwrap();
    cluster.pin_at_last(other, 5).await;
    let cleaned = cluster.peers[lost].command(&["state", "cleanup", "--force"]).unwrap();
    assert!(cleaned.status.success(), "{}", String::from_utf8_lossy(&cleaned.stderr));
    let address = cluster.peers[other].swarm_address().to_owned();
    cluster.peers[lost].join(&[&address]);
    cluster.peers[lost].start().unwrap();
    cluster.until_ready(3).await;
    cluster.until_equal(6).await;
    cluster
        .until("all vote", async |number| {
            cluster.health(number).await.members.iter().filter(|member| member.role == "voter").count() == 3
        })
        .await;
    assert!(cluster.peers[lost].log_text().contains("had a vote in the cluster and came with nothing"));
    let log = cluster.peers[other].log_text() + &cluster.peers[(other + 1) % 3].log_text();
    assert!(log.contains("a voter came with nothing"), "{log}");
    cluster.pin(lost, 6).await.unwrap();
    // Its vote counts.
    cluster.peers[other].kill().unwrap();
    cluster.pin_at_last(lost, 7).await;
    cluster.peers[other].start().unwrap();
    cluster.until_ready(3).await;
    cluster.until_equal(8).await;
}

/// Pins under a long name, so that a disk fills up soon.
async fn pin_long(cluster: &Peers, number: usize, cid: u64) -> Result<(), ClientError> {
    let cid = made_up_cid(cid).unwrap();
    let options = PinOptions { name: format!("{cid} ").repeat(100), ..PinOptions::default() };
    cluster.client(number).await.pin(&ipfs_path(&cid).unwrap(), &options).await.map(drop)
}

/// Pins through one peer until another one says that it failed; returns which were acknowledged.
async fn until_failed(cluster: &Peers, through: usize, full: usize, from: u64) -> Vec<u64> {
    let deadline = Instant::now() + LIMIT;
    let mut acknowledged = Vec::new();
    for cid in from.. {
        if pin_long(cluster, through, cid).await.is_ok() {
            acknowledged.push(cid);
        }
        if cid % 8 == 0 && cluster.health(full).await.state == "failed" {
            break;
        }
        assert!(Instant::now() < deadline, "the disk never filled up\n{}", cluster.logs());
    }
    acknowledged
}

async fn all_there(cluster: &Peers, number: usize, acknowledged: &[u64]) {
    let there = cluster.pinset(number).await;
    for cid in acknowledged {
        let cid = made_up_cid(*cid).unwrap().to_string();
        assert!(there.contains_key(&cid), "{cid} was acknowledged, and is not on peer {number}");
    }
}

#[tokio::test]
async fn a_full_disk_of_a_voter_stops_that_voter_alone_until_there_is_room() {
    let Some(disk) = SmallDisk::mount(160).unwrap() else { return };
    let mut cluster = Peers::start(2).await;
    cluster.add_at("raft", &disk.folder().join("peer")).await;
    cluster.start_last();
    cluster.until_ready(3).await;
    let full = 2;
    let mut acknowledged = Vec::new();
    for round in 0..2 {
        if round == 1 {
            // Whoever is the only voter leads; it goes on leading when the others vote again.
            let id = |number: usize| cluster.peers[number].id().parse().unwrap();
            let client = cluster.client(full).await;
            for (number, votes) in [(0, false), (1, false), (0, true), (1, true)] {
                client.set_voter(&id(number), votes).await.unwrap();
            }
            cluster.until_ready(3).await;
            assert_eq!(cluster.leader(0).await, full);
        } else {
            assert_ne!(cluster.leader(0).await, full);
        }
        disk.fill(256 * 1024).unwrap();
        acknowledged.extend(until_failed(&cluster, 0, full, round * 100_000 + 1).await);
        // Who asks that peer is told why, and nothing of it was tried.
        cluster
            .until("it says why", async |number| {
                number != full || cluster.health(full).await.error.contains("free some space")
            })
            .await;
        let refused = cluster.pin(full, 7_000_000 + round).await.unwrap_err();
        let said = refused.to_string();
        assert!(refused.code() == 429 && said.contains("free some space"), "{said}");
        let unread = cluster.client(full).await.allocations("").await.map(drop);
        assert_eq!(code(unread), 503);
        // The others go on.
        cluster.pin_at_last(0, 8_000_000 + round).await;
        cluster.pin(1, 9_000_000 + round).await.unwrap();
        assert_ne!(cluster.leader(0).await, full);
        acknowledged.extend([8_000_000 + round, 9_000_000 + round]);
        all_there(&cluster, 0, &acknowledged).await;
        // With room, that peer goes on by itself.
        disk.free().unwrap();
        cluster.until_ready(3).await;
        cluster.pin_at_last(full, 10_000_000 + round).await;
        acknowledged.push(10_000_000 + round);
        all_there(&cluster, full, &acknowledged).await;
    }
    // Nothing of it was only in memory, and what was refused is nowhere.
    cluster.peers[full].kill().unwrap();
    cluster.peers[full].start().unwrap();
    cluster.until_ready(3).await;
    let all = pinset(&cluster.strong(0).await).await.unwrap();
    cluster.until_equal(all.len()).await;
    assert_eq!(cluster.pinset(full).await, all);
    for round in 0..2 {
        assert!(!all.contains_key(&made_up_cid(7_000_000 + round).unwrap().to_string()));
    }
    cluster.peers[full].stop().unwrap();
    let check = cluster.peers[full].command(&["state", "check"]).unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
}

/// Two clusters of one peer each that share a secret.
async fn two_clusters() -> Peers {
    let mut both = Peers::start(1).await;
    let other = both.add("raft").await;
    other.join(&[]);
    both.start_last();
    both.until_ready(1).await;
    for number in 0..2u64 {
        for cid in 0..3 {
            both.pin(number as usize, number * 100 + cid).await.unwrap();
        }
    }
    both
}

/// Returns the id of the cluster that a peer says that it belongs to.
fn cluster_id_in(said: &str, behind: &str) -> String {
    let rest = said.split(behind).nth(1).unwrap_or_else(|| panic!("{behind:?} is not in {said}"));
    rest.chars().take_while(char::is_ascii_hexdigit).collect()
}

#[tokio::test]
async fn a_folder_of_another_cluster_is_refused_by_both_and_nothing_is_mixed() {
    let mut both = two_clusters().await;
    let pins = [both.pinset(0).await, both.pinset(1).await];
    both.peers[1].stop().unwrap();
    let address = both.peers[0].swarm_address().to_owned();
    both.peers[1].join(&[&address]);
    both.peers[1].start().unwrap();
    both.until("both say so", async |number| {
        let said = both.health(number).await.error;
        said.contains("data folder is of the cluster") && said.contains("state cleanup")
    })
    .await;
    let said = [both.health(0).await.error, both.health(1).await.error];
    let (theirs, ours) = ("data folder is of the cluster ", "this one of ");
    let ids = cluster_id_in(&said[0], theirs);
    assert!(ids.len() == 32, "{said:?}");
    assert_eq!(ids, cluster_id_in(&said[1], ours));
    assert_eq!(cluster_id_in(&said[0], ours), cluster_id_in(&said[1], theirs));
    assert_ne!(ids, cluster_id_in(&said[1], theirs));
    both.until("the one that wanted to join is told", async |number| {
        number == 0 || both.peers[1].log_text().contains("bootstrap to this peer failed")
    })
    .await;
    // Each goes on as it was.
    for (number, pins) in pins.iter().enumerate() {
        let health = both.health(number).await;
        assert!(health.ready && health.members.len() == 1, "{health:?}");
        assert_eq!(both.pinset(number).await, *pins);
        both.pin(number, 1000 + number as u64).await.unwrap();
        assert_eq!(both.pinset(number).await.len(), 4);
        let log = both.peers[number].log_text();
        assert!(log.contains(theirs) && log.contains(&ids), "{log}");
    }
    // It joins after what it was told to do.
    both.peers[1].stop().unwrap();
    let cleaned = both.peers[1].command(&["state", "cleanup", "--force"]).unwrap();
    assert!(cleaned.status.success(), "{}", String::from_utf8_lossy(&cleaned.stderr));
    both.peers[1].start().unwrap();
    both.until_ready(2).await;
    both.until_equal(4).await;
    assert_eq!(both.pinset(1).await, both.pinset(0).await);
}

#[tokio::test]
async fn a_secret_of_another_cluster_keeps_a_peer_out_and_is_named() {
    let mut both = Peers::start(1).await;
    both.secret = random_secret().unwrap();
    both.add("raft").await;
    both.start_last();
    both.until("both say so", async |number| {
        let log = both.peers[number].log_text();
        log.contains("cluster.secret") && (number == 0 || log.contains("bootstrap to this peer failed"))
    })
    .await;
    assert!(both.health(0).await.members.len() == 1 && both.health(1).await.members.is_empty());
    assert!(both.pin(0, 1).await.is_ok());
    assert_eq!(code(both.pin(1, 1).await), 429);
}

#[tokio::test]
async fn a_folder_is_used_by_one_process() {
    let mut cluster = Peers::start(1).await;
    let second = cluster.peers[0].command(&["daemon"]).unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && said.contains("someone else has the lock"), "{said}");
    cluster.pin(0, 1).await.unwrap();
    cluster.peers[0].stop().unwrap();
}

/// A copy of a member's folder that runs elsewhere beside it.
#[tokio::test]
async fn two_processes_with_one_identity_are_both_kept_out_until_one_is_left() {
    let mut cluster = Peers::start(3).await;
    for number in 0..5 {
        cluster.pin(0, number).await.unwrap();
    }
    cluster.until_equal(5).await;
    let twice = (cluster.leader(0).await + 1) % 3;
    let others = [(twice + 1) % 3, (twice + 2) % 3];
    let base = cluster.peers[twice].base().to_owned();
    let state = base.join("copied");
    cluster.peers[twice].stop().unwrap();
    copy(&base.join("store"), &state);
    cluster.peers[twice].start().unwrap();
    cluster.until_ready(3).await;
    let identity = serde_json::from_slice(&fs::read(base.join("identity.json")).unwrap()).unwrap();
    let address = cluster.peers[others[0]].swarm_address().to_owned();
    let twin = cluster.add("raft").await;
    twin.set_identity(&identity).unwrap();
    twin.join(&[&address]);
    copy(&state, &twin.base().join("store"));
    cluster.start_last();
    let beside = 3;
    cluster
        .until("both are told", async |number| {
            if number != twice && number != beside {
                return true;
            }
            let Ok(health) = cluster.client(number).await.raft_health().await else { return false };
            health.state == "failed" && health.error.contains("with the identity of this peer")
        })
        .await;
    // Whoever told them says so itself, and where they are.
    let said = cluster.health(others[0]).await.error + &cluster.health(others[1]).await.error;
    assert!(said.contains("two processes run with its identity"), "{said}");
    assert!(said.contains(cluster.peers[twice].id()), "{said}");
    let log = cluster.peers[others[0]].log_text() + &cluster.peers[others[1]].log_text();
    // Of the two, the one that spoke last is known by its address for certain.
    let ports = [twice, beside]
        .map(|number| cluster.peers[number].swarm_address().split('/').nth(4).unwrap().to_owned());
    let told = log.lines().filter(|line| line.contains("two processes run with one identity"));
    assert!(told.into_iter().any(|line| ports.iter().any(|port| line.contains(port))), "{ports:?}: {log}");
    for number in [twice, beside] {
        let client = cluster.client(number).await;
        assert_eq!(code(client.allocations("").await.map(drop)), 503);
        let refused = cluster.pin(number, 500).await.unwrap_err();
        assert!(refused.to_string().contains("with the identity of this peer"), "{refused}");
    }
    // The others go on.
    cluster.pin_at_last(others[0], 5).await;
    cluster.pin_at_last(others[1], 6).await;
    // One is left, and starts anew.
    cluster.peers[beside].stop().unwrap();
    cluster.peers.pop();
    cluster.peers[twice].stop().unwrap();
    cluster.peers[twice].start().unwrap();
    cluster.until_ready(3).await;
    cluster.until_equal(7).await;
    cluster.until("nobody complains", async |number| cluster.health(number).await.error.is_empty()).await;
    let all = cluster.pinset(0).await;
    assert_eq!((cluster.pinset(1).await, cluster.pinset(2).await), (all.clone(), all));
}
