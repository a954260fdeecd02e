//! Which faults a seed has, and how many.

use super::chance::Chance;
use cluster_consensus::crdt::{Batching, EngineConfig};
use std::time::Duration;

/// What goes wrong in one seed, and how often. Rates are in thousandths.
#[derive(Debug, Clone)]
pub(super) struct Faults {
    pub(super) replicas: usize,
    pub(super) keys: usize,
    /// Milliseconds until everything heals.
    pub(super) duration: u64,
    pub(super) requests: u64,
    pub(super) crashes: u64,
    pub(super) partitions: u64,
    /// Replicas that start late, with nothing.
    pub(super) late: usize,
    pub(super) lost: u32,
    pub(super) repeated: u32,
    /// Messages that take seconds.
    pub(super) slow: u32,
    pub(super) corrupt: u32,
    pub(super) unanswered: u32,
    pub(super) failed_commits: u32,
    pub(super) failed_jobs: u32,
}

impl Faults {
    pub(super) fn of(chance: &mut Chance) -> Self {
        // Some seeds are calm in some respects, so that every fault is also seen by itself.
        let mut rate = |max: u64| {
            if chance.permille(300) { 0 } else { u32::try_from(chance.within(0..max)).unwrap_or(0) }
        };
        let (lost, repeated, slow) = (rate(400), rate(200), rate(150));
        let (corrupt, unanswered, failed_commits, failed_jobs) = (rate(60), rate(200), rate(40), rate(300));
        let replicas = 5 + chance.index(3);
        Self {
            replicas,
            keys: 2 + chance.index(6),
            duration: chance.within(20_000..120_000),
            requests: chance.within(30..120),
            crashes: chance.within(0..8),
            partitions: chance.within(0..4),
            late: chance.index(3),
            lost,
            repeated,
            slow,
            corrupt,
            unanswered,
            failed_commits,
            failed_jobs,
        }
    }

    /// Ends all faults.
    pub(super) fn heal(&mut self) {
        self.lost = 0;
        self.repeated = 0;
        self.slow = 0;
        self.corrupt = 0;
        self.unanswered = 0;
        self.failed_commits = 0;
        self.failed_jobs = 0;
    }
}

/// Chooses how one replica packs, and times that fit a short simulation.
pub(super) fn engine_config(chance: &mut Chance) -> EngineConfig {
    let millis = Duration::from_millis;
    let (mut batching, mut slow_delta_time) = (None, Duration::ZERO);
    match chance.index(4) {
        0 => batching = Batching::new(chance.within(2..8), millis(chance.within(500..8000))),
        1 => slow_delta_time = millis(chance.within(500..5000)),
        _ => {}
    }
    EngineConfig {
        rebroadcast_interval: millis(10_000),
        announce_interval: millis(chance.within(0..100)),
        batching,
        slow_delta_time,
        repair_interval: chance.permille(300).then_some(millis(3000)),
        max_wants: 1 + chance.index(8),
        fetch_timeout: millis(8000),
        first_retry: millis(200),
        max_retry: millis(4000),
        stall_timeout: millis(6000),
    }
}
