//! Peers that agree by Raft under kills and partitions: a short slice of `cargo raft-storm`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_tests::raft_storm::{StormOptions, storm};
use std::time::Duration;

#[test]
fn kills_and_partitions_lose_nothing_that_was_acknowledged() {
    let summary = storm(&StormOptions {
        peers: 5,
        kills: 10,
        partitions: 3,
        clients: 12,
        election_timeout: Duration::from_secs(1),
        seed: 20_240_613,
        is_verbose: false,
    })
    .unwrap();
    println!("{summary}");
    assert!(summary.failures.is_empty(), "{summary}");
    assert_eq!((summary.kills, summary.unexplained, summary.late_elections()), (10, 0, 0));
    assert_eq!(summary.partitions, if summary.are_partitions_skipped { 0 } else { 3 });
    assert!(summary.acknowledged >= 100 && !summary.elections.is_empty(), "{summary}");
}
