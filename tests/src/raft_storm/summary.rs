//! What happened.

use super::nemesis::BOUND;
use crate::http::Response;
use cluster_testkit::raft_simulator::{Asked, Told};
use std::{collections::BTreeMap, fmt, time::Duration};

/// What clients were told.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) acknowledged: usize,
    pub(super) refused: usize,
    pub(super) unknown: usize,
    pub(super) reads: usize,
    pub(super) repeated: usize,
    /// How often each answer other than success came: method, status and the beginning of the text.
    pub(super) answers: BTreeMap<String, usize>,
    pub(super) failures: Vec<String>,
}

impl Tally {
    pub(super) fn told(&mut self, asked: Asked, told: Told) {
        match (asked, told) {
            (Asked::Read, Told::Is(_)) => self.reads += 1,
            (Asked::Read, _) => {}
            (_, Told::Done { .. }) => self.acknowledged += 1,
            (_, Told::Nothing) => self.unknown += 1,
            _ => self.refused += 1,
        }
    }

    pub(super) fn answered(&mut self, method: &str, response: &Response) {
        if response.status != 200 {
            let text = String::from_utf8_lossy(&response.body);
            // What follows names pins and peers.
            let text: String = text.trim().chars().filter(|char| !char.is_ascii_digit()).take(100).collect();
            *self.answers.entry(format!("{method} {} {text}", response.status)).or_default() += 1;
        }
    }
}

/// What a storm did and found.
#[derive(Debug, Clone, Default)]
pub struct StormSummary {
    /// Seed of everything.
    pub seed: u64,
    /// Peers.
    pub peers: usize,
    /// The election time-out.
    pub election_timeout: Duration,
    /// Peers killed.
    pub kills: usize,
    /// Partitions made.
    pub partitions: usize,
    /// Whether there could be none.
    pub are_partitions_skipped: bool,
    /// Times from a fault that took the leader from a connected majority to the next leader.
    pub elections: Vec<Duration>,
    /// Such faults with another one right behind.
    pub interrupted: usize,
    /// Changes acknowledged.
    pub acknowledged: usize,
    /// Changes that certainly were not made.
    pub refused: usize,
    /// Changes that nobody was told about, repetitions included.
    pub unknown: usize,
    /// Changes that were repeated after they had been acknowledged.
    pub repeated: usize,
    /// Reads that were up to date.
    pub reads: usize,
    /// Pins that were worked on.
    pub pins: usize,
    /// Pins that are there at the end.
    pub left: usize,
    /// Pins with a history that no order explains: an acknowledged change is lost, or one that was refused is there.
    pub unexplained: usize,
    /// How often each answer other than success came.
    pub answers: BTreeMap<String, usize>,
    /// From the first fault to the last.
    pub took: Duration,
    /// Every failure, in words.
    pub failures: Vec<String>,
}

impl StormSummary {
    pub(super) fn take(&mut self, tally: Tally) {
        self.acknowledged = tally.acknowledged;
        self.refused = tally.refused;
        self.unknown = tally.unknown;
        self.repeated = tally.repeated;
        self.reads = tally.reads;
        self.answers = tally.answers;
        self.failures.extend(tally.failures);
    }

    /// Returns the elections that took too long.
    pub fn late_elections(&self) -> usize {
        self.elections.iter().filter(|took| **took > self.election_timeout * BOUND).count()
    }

    fn election(&self, percent: usize) -> Duration {
        let mut sorted = self.elections.clone();
        sorted.sort_unstable();
        let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted.get(index).copied().unwrap_or_default()
    }
}

impl fmt::Display for StormSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, peers, kills, partitions, elections, interrupted, .. } = self;
        let skipped = if self.are_partitions_skipped { " (skipped)" } else { "" };
        writeln!(
            f,
            "raft storm: seed {seed}, {peers} peers, {kills} kills, {partitions} partitions{skipped} in {:.1?}",
            self.took
        )?;
        writeln!(
            f,
            "  changes: {} acknowledged, {} refused, {} unknown, {} repeated; {} reads; {} pins, {} left, {} unexplained",
            self.acknowledged,
            self.refused,
            self.unknown,
            self.repeated,
            self.reads,
            self.pins,
            self.left,
            self.unexplained
        )?;
        write!(
            f,
            "  new leaders: {} measured, {interrupted} interrupted; p50 {:.2?}, p90 {:.2?}, max {:.2?}; {} above {BOUND} x {:?}",
            elections.len(),
            self.election(50),
            self.election(90),
            self.election(100),
            self.late_elections(),
            self.election_timeout
        )?;
        for (answer, count) in &self.answers {
            write!(f, "\n  {count:>6} x {answer}")?;
        }
        for failure in &self.failures {
            write!(f, "\n  FAILED {failure}")?;
        }
        Ok(())
    }
}
