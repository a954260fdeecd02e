//! What happens by itself: pins of a peer that died are placed anew, and expired pins go, whoever is in charge.

use crate::settled::until_settled;
use blake2::{Blake2b, Digest, digest::consts::U32};
use cluster_client::{
    Cid, PeerId,
    api_types::{PeerText, Pin, PinOptions, Timestamp},
};
use cluster_tests::mixed::{Family, LIMIT, MixedCluster, MixedPeer, Plan, identity_cid};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Pins of each test: enough that each family is in charge of some.
const PINS: usize = 24;

/// How long pins live that expire.
const LIFE: Duration = Duration::from_secs(8);

#[tokio::test]
async fn pins_of_a_go_peer_that_died_are_placed_anew() {
    one_dies(Family::Go).await;
}

#[tokio::test]
async fn pins_of_one_of_ours_that_died_are_placed_anew() {
    one_dies(Family::Ours).await;
}

async fn one_dies(family: Family) {
    let plan = Plan::new(2, 2).variable("CLUSTER_DISABLEREPINNING", "false");
    let Some(mut cluster) = MixedCluster::start(&plan).await.unwrap() else { return };
    for metric in ["freespace", "tag:group"] {
        let look = async |peer: &MixedPeer| Ok(peer.client.metrics(metric).await?.len());
        cluster.converge(metric, LIMIT, look, |seen| seen.iter().all(|n| *n == 4)).await.unwrap();
    }
    let victim = cluster.of(family)[1];
    let id = PeerText::from(cluster.peers[victim].service.id());
    let mut cids = Vec::new();
    for number in 0..PINS {
        let partner = &cluster.peers[(victim + 1 + number % 3) % 4];
        let cid = identity_cid(&format!("placed {number}")).unwrap();
        let options = PinOptions {
            replication_factor_min: 2,
            replication_factor_max: 2,
            user_allocations: Some(vec![id.clone(), PeerText::from(partner.service.id())]),
            ..PinOptions::default()
        };
        let pin = cluster.peers[number % 4].pin(&cid, &options).await.unwrap();
        assert!(pin.allocations.unwrap().contains(&id));
        cids.push(cid);
    }
    cluster.until_equal(LIMIT, |pins| pins.len() == PINS).await.unwrap();
    until_settled(&cluster).await.unwrap();

    cluster.peers[victim].service.kill().unwrap();
    println!("of those left, in charge of the pins: {:?}", charge(&cluster, &cids));
    // Whose pins are still where they were.
    let look = async |peer: &MixedPeer| {
        let mut stay = Vec::new();
        for (cid, line) in peer.pinset()? {
            let pin: Pin = serde_json::from_str(&line)?;
            let holders = pin.allocations.unwrap_or_default();
            if holders.len() != 2 || holders.contains(&id) {
                stay.push(cid.parse()?);
            }
        }
        Ok(charge(&cluster, &stay))
    };
    let all_moved = |stay: &[[(Family, usize); 2]]| stay.iter().flatten().all(|(_, count)| *count == 0);
    cluster.converge("all is placed anew", LIMIT, look, all_moved).await.unwrap();
    cluster.until_equal(LIMIT, |pins| pins.len() == PINS).await.unwrap();
    until_settled(&cluster).await.unwrap();
}

#[tokio::test]
async fn expired_pins_go() {
    let plan = Plan::new(2, 2).variable("CLUSTER_STATESYNCINTERVAL", "3s");
    let Some(mut cluster) = MixedCluster::start(&plan).await.unwrap() else { return };
    expire(&cluster, "all").await;
    for family in [Family::Go, Family::Ours] {
        for number in cluster.of(family) {
            cluster.peers[number].service.stop().unwrap();
        }
        cluster.until_all_see(2).await.unwrap();
        expire(&cluster, &format!("without {family:?}")).await;
        for number in cluster.of(family) {
            cluster.peers[number].start_again().await.unwrap();
        }
        cluster.until_all_see(4).await.unwrap();
    }
    cluster.until_equal(LIMIT, |pins| pins.len() == 3).await.unwrap();
    cluster.stop_and_compare().unwrap();
}

/// Pins through everybody what goes by itself, and one thing that stays.
async fn expire(cluster: &MixedCluster, when: &str) {
    let before = cluster.until_equal(LIMIT, |_| true).await.unwrap().len();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + LIFE;
    let expire_at = Timestamp::from_unix(i64::try_from(now.as_secs()).unwrap(), 0);
    let peers: Vec<&MixedPeer> = cluster.running().collect();
    let mut cids = Vec::new();
    for number in 0..PINS {
        let cid = identity_cid(&format!("{number}, {when}")).unwrap();
        let options = PinOptions { expire_at, ..PinOptions::default() };
        peers[number % peers.len()].pin(&cid, &options).await.unwrap();
        cids.push(cid);
    }
    let stays = identity_cid(&format!("stays, {when}")).unwrap();
    peers[0].pin(&stays, &PinOptions::default()).await.unwrap();
    let in_charge = charge(cluster, &cids);
    println!("in charge {when}: {in_charge:?}");
    assert!(peers.len() == 2 || in_charge.iter().all(|(_, count)| *count > 0));
    cluster.until_equal(LIMIT, |pins| pins.len() == before + PINS + 1).await.unwrap();
    cluster
        .until_equal(LIMIT, |pins| pins.len() == before + 1 && pins.contains_key(&stays.to_string()))
        .await
        .unwrap();
}

/// Counts of how many pins the peers of each family are in charge.
fn charge(cluster: &MixedCluster, cids: &[Cid]) -> [(Family, usize); 2] {
    [Family::Go, Family::Ours].map(|family| {
        let theirs = cids.iter().filter(|cid| charge_of(cluster, cid) == family);
        (family, theirs.count())
    })
}

/// Returns the family of the running peer whose ID lies nearest to a CID (wire-protocol §7.5).
fn charge_of(cluster: &MixedCluster, cid: &Cid) -> Family {
    let hash = |bytes: &[u8]| <[u8; 32]>::from(Blake2b::<U32>::digest(bytes));
    let target = hash(&cid.to_bytes());
    let distance = |peer: &&MixedPeer| {
        let id: PeerId = peer.service.id().parse().unwrap();
        let mut distance = hash(&id.to_bytes());
        distance.iter_mut().zip(target).for_each(|(byte, other)| *byte ^= other);
        distance
    };
    cluster.running().min_by_key(distance).unwrap().family
}
