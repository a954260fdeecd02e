//! What trusted peers do for all: pins that have expired go, and those of a dead peer are placed elsewhere, also when the
//! peer whose turn it is does nothing. Real peers, real Kubos.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::{
    Cid,
    api_types::{PeerText, Pin, PinOptions, Timestamp},
    parse_peer_id,
};
use cluster_tests::{
    cluster::{Cluster, pinset},
    world::{identity_cid, made_up_cid},
};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Makes a member that is trusted and never acts: a follower.
async fn make_follower(cluster: &mut Cluster, number: usize) {
    let peer = &mut cluster.members[number].peer;
    peer.stop().unwrap();
    peer.set_variable("CLUSTER_FOLLOWERMODE", "true");
    cluster.start_again(number).await.unwrap();
    let all = cluster.members.len();
    cluster.until_all_see(all).await.unwrap();
}

#[tokio::test]
async fn expired_pins_go_at_once_whoever_is_in_charge() {
    let mut cluster = Cluster::start(3, &[]).await.unwrap();
    make_follower(&mut cluster, 2).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    // One that was pinned without end, and one that is prolonged, stay.
    let ends = now + Duration::from_secs(5);
    let temporary = PinOptions { expire_at: timestamp(ends), ..PinOptions::default() };
    for number in 0..30 {
        cluster.pin(0, &made_up_cid(number).unwrap(), &temporary).await.unwrap();
    }
    let lasting = made_up_cid(30).unwrap();
    cluster.pin(0, &lasting, &PinOptions::default()).await.unwrap();
    let longer =
        PinOptions { expire_at: timestamp(now + Duration::from_secs(3600)), ..PinOptions::default() };
    let prolonged = made_up_cid(0).unwrap();
    cluster.pin(1, &prolonged, &longer).await.unwrap();
    let stay = BTreeSet::from([lasting.to_string(), prolonged.to_string()]);
    cluster
        .converge("what has expired is gone", async |member| {
            let left: BTreeSet<String> = pinset(&member.client).await?.into_keys().collect();
            Ok((left == stay, format!("{} are left", left.len())))
        })
        .await
        .unwrap();
    // Long before the next look of the Go suite, which comes every five minutes.
    let gone = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(gone >= ends);
    let by: Vec<String> = cluster.members[..2].iter().map(|member| member.peer.log_text()).collect();
    for (number, log) in by.iter().enumerate() {
        assert!(log.contains("unpinning an expired pin"), "peer {number} was never in charge");
    }
    assert!(!cluster.members[2].peer.log_text().contains("unpinning an expired pin"));
}

fn timestamp(at: Duration) -> Timestamp {
    Timestamp::from_unix(i64::try_from(at.as_secs()).unwrap(), 0)
}

async fn allocations(cluster: &Cluster, cid: &Cid) -> BTreeSet<String> {
    let pin: Pin = cluster.members[0].client.allocation(cid).await.unwrap();
    pin.allocations.unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn pins_of_a_dead_peer_are_placed_elsewhere_also_when_the_closest_does_nothing() {
    let environment = [
        ("CLUSTER_DISABLEREPINNING", "false"),
        ("CLUSTER_MONITORPINGINTERVAL", "1s"),
        ("CLUSTER_PUBSUBMON_CHECKINTERVAL", "1s"),
        ("CLUSTER_TAGS_METRICTTL", "3s"),
        ("CLUSTER_DISK_METRICTTL", "3s"),
    ];
    let mut cluster = Cluster::start(4, &environment).await.unwrap();
    make_follower(&mut cluster, 2).await;
    cluster
        .converge("metrics of all", async |member| {
            let seen = member.client.metrics("freespace").await?.len();
            Ok((seen == 4 && member.client.metrics("tag:group").await?.len() == 4, format!("{seen}")))
        })
        .await
        .unwrap();
    let twice = PinOptions { replication_factor_min: 2, replication_factor_max: 2, ..PinOptions::default() };
    let enough = PinOptions { replication_factor_min: 1, ..twice.clone() };
    let lost = cluster.members[3].peer.id().to_owned();
    let wants_lost = |options: &PinOptions| PinOptions {
        user_allocations: Some(vec![PeerText::from(&parse_peer_id(&lost).unwrap())]),
        ..options.clone()
    };
    let cids: Vec<Cid> = (0..24).map(|number| identity_cid(&format!("duty {number}")).unwrap()).collect();
    for cid in &cids {
        cluster.pin(0, cid, &wants_lost(&twice)).await.unwrap();
        assert!(allocations(&cluster, cid).await.contains(&lost));
    }
    let kept = identity_cid("enough are left").unwrap();
    cluster.pin(0, &kept, &wants_lost(&enough)).await.unwrap();
    let before = allocations(&cluster, &kept).await;
    assert_eq!(before.len(), 2);
    cluster
        .converge("all pins are everywhere", async |member| {
            let seen = pinset(&member.client).await?.len();
            Ok((seen == 25, format!("{seen}")))
        })
        .await
        .unwrap();

    cluster.members[3].peer.kill().unwrap();
    let died = Instant::now();
    cluster
        .converge("others hold what it held", async |member| {
            let mut left = 0;
            for cid in &cids {
                let pin = member.client.allocation(cid).await?;
                let now: BTreeSet<String> =
                    pin.allocations.unwrap_or_default().iter().map(ToString::to_string).collect();
                left += usize::from(now.len() != 2 || now.contains(&lost));
            }
            Ok((left == 0, format!("{left} are left")))
        })
        .await
        .unwrap();
    println!("placed elsewhere {:?} after the death", died.elapsed());
    assert_eq!(allocations(&cluster, &kept).await, before, "enough peers held it");
    for cid in &cids {
        let held = allocations(&cluster, cid).await;
        for member in cluster.members.iter().filter(|member| held.contains(member.peer.id())) {
            let holds = || member.ipfs.pins("recursive").unwrap().contains(&cid.to_string());
            let deadline = Instant::now() + Duration::from_secs(20);
            while !holds() {
                assert!(Instant::now() < deadline, "{} does not hold {cid}", member.name());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    // Both of those that may have acted.
    for number in [0, 1] {
        let log = cluster.members[number].peer.log_text();
        assert!(
            log.contains("pins of a lost peer were placed elsewhere"),
            "peer {number} was never in charge\n{log}"
        );
    }
}
