//! Mixed gossip for minutes, everything at short intervals: nobody's memory, descriptors, connections or threads grow.

use crate::number;
use cluster_client::api_types::PinOptions;
use cluster_testkit::powercut::Dice;
use cluster_tests::{
    http::Connection,
    mixed::{Family, LIMIT, MixedCluster, Plan, Usage, identity_cid},
};
use std::time::{Duration, Instant};

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(5);

/// Time between two operations.
const PAUSE: Duration = Duration::from_millis(500);

/// CIDs that are pinned and unpinned in turn.
const CIDS: usize = 50;

#[tokio::test]
async fn nothing_grows() {
    let minutes = number("CLUSTER_LIVE_MINUTES", 2);
    let plan = Plan::new(2, 2)
        .variable("CLUSTER_MONITORPINGINTERVAL", "1s")
        .variable("CLUSTER_PUBSUBMON_CHECKINTERVAL", "1s")
        .variable("CLUSTER_CRDT_REBROADCASTINTERVAL", "2s")
        .variable("CLUSTER_STATESYNCINTERVAL", "5s")
        .variable("CLUSTER_PINRECOVERINTERVAL", "5s")
        .variable("CLUSTER_DISK_METRICTTL", "2s")
        .variable("CLUSTER_TAGS_METRICTTL", "2s")
        .variable("CLUSTER_PINQUEUE_METRICTTL", "2s")
        // So small that the buffers of our stores turn over: filling them for the first time would look like a leak.
        .variable("CLUSTER_FJALL_MEMORYBUDGET", "16MiB")
        .variable("CLUSTER_METRICS_ENABLESTATS", "true")
        .variable("CLUSTER_METRICS_PROMETHEUSENDPOINT", "/ip4/0.0.0.0/tcp/8888");
    let Some(mut cluster) = MixedCluster::start(&plan).await.unwrap() else { return };
    let seed = number("CLUSTER_LIVE_SEED", 1);
    let mut dice = Dice::new(seed);
    let started = Instant::now();
    let end = started + Duration::from_secs(60 * minutes);
    let mut looks: Vec<Vec<[u64; MEASURES.len()]>> = vec![Vec::new(); cluster.peers.len()];
    let (mut next_look, mut operations) = (started, 0);
    let mut pinned = [false; CIDS];
    while Instant::now() < end {
        let peer = &cluster.peers[dice.index(cluster.peers.len())];
        let index = dice.index(CIDS);
        let cid = identity_cid(&format!("soak {index}")).unwrap();
        // Another peer may not know yet what this one is asked to unpin; then it is asked again.
        if pinned[index] {
            pinned[index] = peer.unpin(&cid).await.is_err();
        } else {
            let options = PinOptions { name: format!("operation {operations}"), ..PinOptions::default() };
            peer.pin(&cid, &options).await.unwrap();
            pinned[index] = true;
        }
        operations += 1;
        // What opens streams to everybody.
        let asked = &cluster.peers[dice.index(cluster.peers.len())];
        asked.statuses().await.unwrap();
        asked.ask("/peers").unwrap();
        asked.client.graph().await.unwrap();
        if Instant::now() >= next_look {
            next_look += LOOK;
            let minute = started.elapsed().as_secs_f64() / 60.0;
            for (peer, looks) in cluster.peers.iter().zip(&mut looks) {
                let usage = Usage::of(peer.service.pid().unwrap()).unwrap();
                let routines =
                    (peer.family == Family::Go).then(|| goroutines(&peer.service.socket().unwrap()));
                println!("{minute:.1} min, {}: {usage}, goroutines {routines:?}", peer.name);
                looks.push(measured(&usage, routines.unwrap_or(0)));
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    println!("{operations} operations in {minutes} minutes");
    cluster.until_equal(LIMIT, |_| true).await.unwrap();
    cluster.until_all_see(cluster.peers.len()).await.unwrap();
    let mut grown = Vec::new();
    for (peer, looks) in cluster.peers.iter().zip(&looks) {
        grown.extend(growth(looks).into_iter().map(|text| format!("{}: {text}", peer.name)));
    }
    assert!(grown.is_empty(), "{grown:#?}");
    cluster.stop_and_compare().unwrap();
}

/// What is watched, and by how much its mean may differ: in hundredths, and in any case.
const MEASURES: [(&str, u64, u64); 5] = [
    ("resident KiB", 10, 12 * 1024),
    ("descriptors", 5, 6),
    ("connections", 0, 2),
    ("threads", 5, 4),
    // Each stream of Go's has one or two.
    ("goroutines", 10, 30),
];

fn measured(usage: &Usage, goroutines: u64) -> [u64; MEASURES.len()] {
    let counts = [usage.descriptors, usage.connections, usage.threads].map(|n| n as u64);
    [usage.resident_kib, counts[0], counts[1], counts[2], goroutines]
}

/// Compares the last third of the time with the second; in the first, caches and meshes fill.
fn growth(looks: &[[u64; MEASURES.len()]]) -> Vec<String> {
    let third = looks.len() / 3;
    assert!(third > 1, "watched for too short a time");
    let mut grown = Vec::new();
    for (index, (name, hundredths, any)) in MEASURES.into_iter().enumerate() {
        let mean = |part: &[[u64; MEASURES.len()]]| {
            part.iter().map(|look| look[index]).sum::<u64>() / part.len() as u64
        };
        let (before, after) = (mean(&looks[third..2 * third]), mean(&looks[2 * third..]));
        println!("{name}: {before}, then {after}");
        if after > before + before * hundredths / 100 + any {
            grown.push(format!("{name} grew from {before} to {after}"));
        }
    }
    grown
}

/// Reads how many threads of its own kind a Go peer has.
fn goroutines(socket: &str) -> u64 {
    let address = socket.replace(":9094", ":8888");
    let response = Connection::open_to(address).unwrap().ask("GET", "/metrics").unwrap();
    let text = String::from_utf8(response.body).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("go_goroutines "));
    line.unwrap_or_else(|| panic!("no go_goroutines in {text}")).trim().parse().unwrap()
}
