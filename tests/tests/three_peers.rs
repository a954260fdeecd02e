//! Three real peers with three real Kubos: what they agree on, and what is held where.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::{Scope, TrackerStatus, api_types::PinOptions};
use cluster_tests::{
    cluster::{Cluster, pinset, statuses},
    world::made_up_cid,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

const PINNED: [TrackerStatus; 3] = [TrackerStatus::Pinned; 3];
const UNPINNED: [TrackerStatus; 3] = [TrackerStatus::Unpinned; 3];

#[tokio::test]
async fn a_pin_is_pinned_everywhere_and_an_unpin_is_gone_everywhere() {
    let cluster = Cluster::start(3, &[]).await.unwrap();
    let cid = cluster.add(0, 2 << 20).unwrap();
    let named = PinOptions { name: "everywhere".into(), ..PinOptions::default() };
    cluster.pin(1, &cid, &named).await.unwrap();
    cluster.until_statuses(&cid, &PINNED).await.unwrap();
    for member in &cluster.members {
        assert!(member.ipfs.pins("recursive").unwrap().contains(&cid.to_string()));
        assert_eq!(member.client.allocation(&cid).await.unwrap().options.name, "everywhere");
    }
    let text = cluster.ctl(2, &["status", &cid.to_string()]).unwrap();
    assert_eq!(text.matches(": PINNED | ").count(), 3, "{text}");
    assert!(["peer-0", "peer-1", "peer-2"].iter().all(|name| text.contains(name)), "{text}");

    cluster.unpin(2, &cid).await.unwrap();
    cluster.until_statuses(&cid, &UNPINNED).await.unwrap();
    for member in &cluster.members {
        assert!(!member.ipfs.pins("recursive").unwrap().contains(&cid.to_string()));
        assert_eq!(member.client.allocation(&cid).await.unwrap_err().code(), 404);
    }
}

#[tokio::test]
async fn a_factor_of_two_places_on_exactly_two_and_moves_when_one_is_forgotten() {
    let mut cluster =
        Cluster::start(3, &[("CLUSTER_TAGS_METRICTTL", "4s"), ("CLUSTER_DISK_METRICTTL", "4s")])
            .await
            .unwrap();
    cluster
        .converge("metrics of all", async |member| {
            let seen = member.client.metrics("freespace").await?.len();
            Ok((seen == 3 && member.client.metrics("tag:group").await?.len() == 3, format!("{seen}")))
        })
        .await
        .unwrap();
    let cid = cluster.add(0, 1 << 20).unwrap();
    let twice = PinOptions { replication_factor_min: 2, replication_factor_max: 2, ..PinOptions::default() };
    let pin = cluster.pin(0, &cid, &twice).await.unwrap();
    let allocated: BTreeSet<String> = pin.allocations.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(allocated.len(), 2);
    let expected: Vec<TrackerStatus> = cluster
        .members
        .iter()
        .map(|m| if allocated.contains(m.peer.id()) { TrackerStatus::Pinned } else { TrackerStatus::Remote })
        .collect();
    cluster.until_statuses(&cid, &expected).await.unwrap();
    for (member, status) in cluster.members.iter().zip(&expected) {
        let holds = member.ipfs.pins("recursive").unwrap().contains(&cid.to_string());
        assert_eq!(holds, *status == TrackerStatus::Pinned);
    }

    // One of the two that hold it goes for good: the third one takes its place.
    let lost = expected.iter().rposition(|status| *status == TrackerStatus::Pinned).unwrap();
    let id = cluster.members[lost].peer.id().to_owned();
    let other = (lost + 1) % 3;
    let refused = cluster.ctl(other, &["peers", "rm", &id]).unwrap_err().to_string();
    assert!(refused.contains("crdt consensus component cannot remove peers"), "{refused}");
    cluster.ctl(other, &["peers", "rm", "--forget", &id]).unwrap();
    // Nobody else has forgotten it yet.
    cluster.ctl((lost + 2) % 3, &["peers", "rm", "--forget", &id]).unwrap();
    cluster.members[lost].peer.stop().unwrap();
    cluster
        .converge("the others hold it", async |member| {
            let seen = cluster.statuses(member, &cid).await?;
            let pinned = seen.iter().filter(|s| **s == Some(TrackerStatus::Pinned)).count();
            Ok((pinned == 2 && seen[lost].is_none(), format!("{seen:?}")))
        })
        .await
        .unwrap();

    // Forgotten means refused, also after a restart of those that forgot, until it is added again.
    cluster.members[other].peer.stop().unwrap();
    cluster.start_again(other).await.unwrap();
    cluster.start_again(lost).await.unwrap();
    cluster
        .converge("the others are together again", async |member| {
            let seen = member.client.id().await?.cluster_peers.unwrap_or_default().len();
            let expected = if member.peer.id() == id { 1 } else { 2 };
            Ok((seen == expected, format!("sees {seen}")))
        })
        .await
        .unwrap();
    let address = cluster.members[lost].peer.swarm_address().to_owned();
    for number in (0..3).filter(|number| *number != lost) {
        cluster.ctl(number, &["peers", "add", &address]).unwrap();
    }
    cluster.until_all_see(3).await.unwrap();
}

#[tokio::test]
async fn who_was_away_catches_up_within_three_seconds_of_the_reconnect() {
    let mut cluster = Cluster::start(3, &[]).await.unwrap();
    let direct = PinOptions { name: "kept".into(), ..PinOptions::default() };
    for number in 0..10 {
        cluster.pin(0, &made_up_cid(number).unwrap(), &direct).await.unwrap();
    }
    cluster.members[2].peer.stop().unwrap();
    for number in 10..500 {
        cluster.pin((number % 2) as usize, &made_up_cid(number).unwrap(), &direct).await.unwrap();
    }
    for number in 0..10 {
        cluster.unpin(1, &made_up_cid(number).unwrap()).await.unwrap();
    }
    let expected: BTreeMap<String, String> =
        (10..500).map(|n| (made_up_cid(n).unwrap().to_string(), "kept".to_owned())).collect();
    cluster.start_again(2).await.unwrap();
    let started = Instant::now();
    cluster
        .converge("equal pinsets", async |member| {
            let seen = pinset(&member.client).await?;
            Ok((seen == expected, format!("{} pins", seen.len())))
        })
        .await
        .unwrap();
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn operators_see_the_cluster_whole() {
    let cluster = Cluster::start(3, &[("CLUSTER_MONITORPINGINTERVAL", "1s")]).await.unwrap();
    let cid = cluster.add(1, 1 << 20).unwrap();
    cluster.pin(0, &cid, &PinOptions::default()).await.unwrap();
    cluster.until_statuses(&cid, &PINNED).await.unwrap();

    let peers = cluster.ctl(0, &["peers", "ls"]).unwrap();
    assert_eq!(peers.matches("Sees 2 other peers").count(), 3, "{peers}");
    assert!(!peers.contains("ERROR"), "{peers}");
    let graph = cluster.members[0].client.graph().await.unwrap();
    let links = graph.cluster_links.unwrap();
    assert!(
        links.len() == 3 && links.values().all(|l| l.as_ref().is_some_and(|l| l.len() == 2)),
        "{links:?}"
    );
    assert_eq!(graph.cluster_to_ipfs.unwrap().len(), 3);
    let ipfs_links = graph.ipfs_links.unwrap();
    assert!(ipfs_links.values().all(|l| l.as_ref().is_some_and(|l| l.len() == 2)), "{ipfs_links:?}");
    assert!(cluster.ctl(0, &["health", "graph"]).unwrap().starts_with("digraph cluster {"));
    let names = cluster.members[1].client.metric_names().await.unwrap();
    for name in ["freespace", "ping", "pinqueue", "tag:group"] {
        assert!(names.iter().any(|n| n == name), "{names:?}");
    }
    let all = statuses(&cluster.members[2].client, "pinned").await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].peer_map.as_ref().unwrap().len(), 3);
    assert!(statuses(&cluster.members[2].client, "remote,error").await.unwrap().is_empty());

    // A pin that goes behind our back is found by the status of one CID and brought back by recovering it.
    cluster.members[2].ipfs.ipfs(&["pin", "rm", &cid.to_string()]).unwrap();
    cluster.ctl(0, &["recover", &cid.to_string()]).unwrap();
    cluster.until_statuses(&cid, &PINNED).await.unwrap();

    let health = |number| cluster.ctl(number, &["health", "crdt"]).unwrap();
    assert_eq!(health(0), health(1));
    assert_eq!(health(1), health(2));
    let shown = health(0);
    assert!(shown.starts_with("Heads: 1 | Height: 1 | Dirty: false\n  - bafy"), "{shown}");
    assert!(shown.contains("Blocks: 1 known, 1 merged, 0 missing | Open walks: 0\n"), "{shown}");

    let garbage = cluster.add(1, 300_000).unwrap();
    let text = cluster.ctl(0, &["ipfs", "gc"]).unwrap();
    assert!(text.contains("peer-0") && text.contains("peer-2"), "{text}");
    let removed = cluster.members[0].client.collect_garbage(Scope::Cluster).await.unwrap();
    let removed = removed.peer_map.unwrap();
    assert!(removed.values().all(|gc| gc.error.is_empty()), "{removed:?}");
    assert!(
        text.lines().any(|line| line.trim_start().starts_with("- ")),
        "{garbage} was not collected: {text}"
    );
    assert!(cluster.members[1].ipfs.pins("recursive").unwrap().contains(&cid.to_string()));
}

#[tokio::test]
async fn a_silent_peer_raises_an_alert_and_is_a_member_no_longer() {
    let mut cluster = Cluster::start(
        2,
        &[("CLUSTER_MONITORPINGINTERVAL", "500ms"), ("CLUSTER_PUBSUBMON_CHECKINTERVAL", "500ms")],
    )
    .await
    .unwrap();
    cluster.members[1].peer.kill().unwrap();
    cluster.until_all_see(1).await.unwrap();
    let silent = cluster.members[1].peer.id().to_owned();
    cluster
        .converge("an alert", async |member| {
            let alerts = member.client.alerts().await?;
            let found = alerts
                .iter()
                .any(|alert| alert.metric.name == "ping" && alert.metric.peer.to_string() == silent);
            Ok((found, format!("{alerts:?}")))
        })
        .await
        .unwrap();
    cluster.start_again(1).await.unwrap();
    cluster.until_all_see(2).await.unwrap();
}

#[tokio::test]
async fn another_secret_is_named_as_the_cause_within_fifteen_seconds() {
    let cluster = Cluster::start(1, &[]).await.unwrap();
    let stranger = Cluster::start(1, &[]).await.unwrap();
    let started = Instant::now();
    let address = cluster.members[0].peer.swarm_address();
    let refused = stranger.ctl(0, &["peers", "add", address]).unwrap_err().to_string();
    assert!(refused.contains("most likely its cluster secret is another one"), "{refused}");
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}
