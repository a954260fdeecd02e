//! When operations that wait are put into a delta.

use super::{Batching, EngineConfig};
use crate::crdt::{CrdtInput, Packing};
use cluster_core::{
    UnixMillis,
    pinset::counters::{Counter, Counters},
    ports::datastore::{Snapshot, StoreError},
};
use std::time::Duration;

/// Decides when to pack, by number, age and rate.
#[derive(Debug)]
pub(super) struct Packer {
    batching: Option<Batching>,
    stall_timeout: Duration,
    waiting: u64,
    /// Whether a first walk holds the operations back.
    held: bool,
    /// Since when the first of them waits.
    first: Option<UnixMillis>,
    /// A pack, or the end of a hold, is on its way to the writer.
    asked: bool,
    /// A delta was full: what is left does not wait for its own time.
    overdue: bool,
    /// Until when the rate cap defers deltas.
    capped_until: Option<UnixMillis>,
    told: Option<CrdtInput>,
}

impl Packer {
    pub(super) fn new(config: &EngineConfig) -> Self {
        Self {
            batching: config.batching,
            stall_timeout: config.stall_timeout,
            waiting: 0,
            held: false,
            first: None,
            asked: false,
            overdue: false,
            capped_until: None,
            told: None,
        }
    }

    /// Looks for operations that waited before a restart or a failed commit.
    pub(super) fn on_start(&mut self, now: UnixMillis, view: &dyn Snapshot) -> Result<(), StoreError> {
        self.asked = false;
        self.waiting = Counters::read(view, Counter::Pending)?;
        self.first = (self.waiting > 0).then_some(self.first.unwrap_or(now));
        Ok(())
    }

    /// Takes note of a durable batch: whether it held deltas of our own, what waits after it, and the least time until
    /// the next delta.
    pub(super) fn on_committed(
        &mut self,
        packed: bool,
        (waiting, held): (u64, bool),
        least: Option<Duration>,
        now: UnixMillis,
    ) {
        self.overdue = packed && self.asked && waiting > 0;
        self.asked = false;
        self.waiting = waiting;
        self.held = held;
        if waiting == 0 {
            self.first = None;
        } else if packed || self.first.is_none() {
            self.first = Some(now);
        }
        if packed && let Some(interval) = least {
            if self.capped_until.is_none() && self.batching.is_none() {
                self.told = Some(CrdtInput::SetPacking(Packing::Deferred));
            }
            self.capped_until = Some(now.plus(interval));
        }
    }

    /// Returns when something may be due.
    pub(super) fn deadline(&self, last_progress: UnixMillis) -> Option<UnixMillis> {
        if self.asked {
            return None;
        }
        let cap = self.capped_until;
        let work = match (self.first, self.batching) {
            (None, _) => return cap.filter(|_| self.batching.is_none()),
            (Some(_), _) if self.held => last_progress.plus(self.stall_timeout),
            (Some(_), Some(_)) if self.overdue => UnixMillis(0),
            (Some(_), Some(batching)) if self.waiting >= batching.max_size => UnixMillis(0),
            (Some(first), Some(batching)) => first.plus(batching.max_age),
            (Some(_), None) => UnixMillis(0),
        };
        Some(cap.map_or(work, |cap| work.max(cap)))
    }

    /// Says what the writer is to do now.
    pub(super) fn turn(&mut self, last_progress: UnixMillis, now: UnixMillis) -> Vec<CrdtInput> {
        let mut inputs: Vec<CrdtInput> = self.told.take().into_iter().collect();
        if self.deadline(last_progress).is_none_or(|at| at > now) {
            return inputs;
        }
        if self.first.is_some() {
            self.asked = true;
            inputs.push(if self.held { CrdtInput::WalkStalled } else { CrdtInput::Pack });
        } else {
            // The cap has run out and nobody waits.
            inputs.push(CrdtInput::SetPacking(Packing::Immediate));
        }
        self.capped_until = None;
        inputs
    }
}
