//! Numbers for Prometheus: each under the name that dashboards for the Go suite use, and equal to a recount.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::{Scope, TrackerStatus, api_types::PinOptions};
use cluster_testkit::ports::{free_ports, loopback};
use cluster_tests::{http::Connection, world::World};
use std::{
    collections::BTreeMap,
    net::TcpListener,
    time::{Duration, Instant},
};

fn port_of(address: &str) -> u16 {
    address.rsplit('/').next().unwrap().parse().unwrap()
}

/// Reads all numbers, each by its name with its labels.
fn scrape(port: u16) -> BTreeMap<String, f64> {
    let response = Connection::open(port).unwrap().ask("GET", "/metrics").unwrap();
    assert_eq!(response.status, 200);
    let text = String::from_utf8(response.body).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn every_number_equals_a_recount() {
    let [address] = free_ports::<1>().unwrap().map(loopback);
    let environment =
        [("CLUSTER_METRICS_ENABLESTATS", "true"), ("CLUSTER_METRICS_PROMETHEUSENDPOINT", address.as_str())];
    let world = World::with_kubo(&environment).await.unwrap();
    let port = port_of(&address);
    let cids: Vec<_> = (0..3).map(|_| world.add(100_000).unwrap()).collect();
    for cid in &cids {
        world.pin(cid, &PinOptions::default()).await.unwrap();
    }
    world.until_all(&cids, TrackerStatus::Pinned).await.unwrap();
    world.unpin(&cids[0]).await.unwrap();
    world.until(&cids[0], TrackerStatus::Unpinned).await.unwrap();

    let before = scrape(port);
    for (name, value) in [
        ("ipfscluster_pins", 2.0),
        ("ipfscluster_pins_pin_queued", 0.0),
        ("ipfscluster_pins_pinning", 0.0),
        ("ipfscluster_pins_pin_error", 0.0),
        ("ipfscluster_pins_ipfs_pins", 2.0),
        ("ipfscluster_pins_pin_add", 3.0),
        ("ipfscluster_pins_pin_add_errors", 0.0),
        ("ipfscluster_blocks_put", 0.0),
        ("ipfscluster_blocks_put_errors", 0.0),
        ("ipfscluster_blocks_added", 0.0),
        ("ipfscluster_blocks_added_size", 0.0),
        ("ipfscluster_opencensus_io_http_server_request_count_by_method{http_method=\"DELETE\"}", 1.0),
    ] {
        assert_eq!(before.get(name), Some(&value), "{name} of {before:#?}");
    }
    let pinned = world.pinned("recursive").unwrap();
    let is_pinned: Vec<bool> = cids.iter().map(|cid| pinned.contains(&cid.to_string())).collect();
    assert_eq!(is_pinned, [false, true, true]);
    assert!(before["ipfscluster_informer_disk"] > 0.0);
    assert!(before["process_resident_memory_bytes"] > 0.0);
    let of_client = "ipfscluster_opencensus_io_http_client_completed_count{http_client_method=\"POST\",http_client_status=\"200\"}";
    assert!(before[of_client] >= 4.0, "{before:#?}");

    // Requests are counted when they begin, answers when they end.
    for _ in 0..7 {
        world.client.status(&cids[1], Scope::Local).await.unwrap();
    }
    assert_eq!(world.ask("GET", "/allocations/nonsense").unwrap().status, 400);
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let after = scrape(port);
        let grown = |name: &str| {
            let name = format!("ipfscluster_opencensus_io_http_server_{name}");
            after.get(&name).copied().unwrap_or(0.0) - before.get(&name).copied().unwrap_or(0.0)
        };
        let counts = [
            grown("request_count"),
            grown("request_count_by_method{http_method=\"GET\"}"),
            grown("response_count_by_status_code{http_status=\"200\"}"),
            grown("response_count_by_status_code{http_status=\"400\"}"),
            grown("latency_count"),
            grown("response_bytes_count"),
            grown("request_bytes_count"),
        ];
        if counts == [8.0, 8.0, 7.0, 1.0, 8.0, 8.0, 8.0] {
            break;
        }
        assert!(Instant::now() < deadline, "{counts:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_port_that_is_taken_costs_the_numbers_alone() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = loopback(taken.local_addr().unwrap().port());
    let environment =
        [("CLUSTER_METRICS_ENABLESTATS", "true"), ("CLUSTER_METRICS_PROMETHEUSENDPOINT", address.as_str())];
    let world = World::with_mock(&environment).await.unwrap();
    world.client.version().await.unwrap();
    let log = world.peer.log_text();
    assert!(
        log.contains("no metrics for Prometheus: choose another observations.metrics.prometheus_endpoint"),
        "{log}"
    );
}
