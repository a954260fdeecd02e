//! Changing one pin or one tracker row with everything that derives from it.

use super::{
    counters::{Counter, Counters},
    events::{Change, ChangeKind},
    fingerprint::Fingerprint,
    search_index,
    staged::Staged,
    stored_pin,
    tracker_row::{TrackedState, TrackerRow},
    transition::TrackerSignal,
};
use crate::{
    Pin, PinKey, PinKind, UnixMillis,
    mutate::{Mutation as Defect, active},
    ports::{
        consensus::Etag,
        datastore::{StoreError, Tree},
    },
};
use libp2p_identity::PeerId;
use std::{collections::BTreeSet, time::Duration};

/// Pins younger than this, with few attempts, go into the priority lane.
#[derive(Debug, Clone, Copy)]
pub struct LaneRule {
    /// Age up to which a pin has priority.
    pub max_age: Duration,
    /// Attempts up to which a pin has priority.
    pub max_retries: u32,
}

impl LaneRule {
    /// Chooses the queue of a pin.
    pub fn queue(&self, pin: &Pin, attempts: u32, now: UnixMillis) -> TrackedState {
        let young = pin.timestamp.is_some_and(|t| now.since(t.millis()) < self.max_age);
        if young && attempts <= self.max_retries {
            TrackedState::PinQueuedPriority
        } else {
            TrackedState::PinQueued
        }
    }
}

/// The writer's state while one input is carried out.
#[derive(Debug)]
pub struct Mutation<'a> {
    /// Rows.
    pub staged: &'a mut Staged,
    /// Totals.
    pub counters: &'a mut Counters,
    /// Digest of what was published.
    pub fingerprint: &'a mut Fingerprint,
    /// This peer.
    pub local: PeerId,
    /// How pins are queued.
    pub lanes: LaneRule,
    /// The last revision given out.
    pub revision: &'a mut u64,
    /// Changes of this batch.
    pub changes: &'a mut Vec<Change>,
    /// Rows the tracker has to look at once the batch is durable.
    pub signals: &'a mut Vec<TrackerSignal>,
    /// The time.
    pub now: UnixMillis,
}

/// A pin before its change: the row and what it decodes to.
#[derive(Debug)]
pub struct Before {
    /// The row of `pins`.
    pub row: Vec<u8>,
    /// The pin in it.
    pub pin: Pin,
}

impl Before {
    /// Reads the pin under `key`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn read(staged: &Staged, key: &PinKey) -> Result<Option<Self>, StoreError> {
        Ok(staged.get(Tree::Pins, key.as_bytes())?.map(|row| {
            let pin = stored_pin::pin(key, &row);
            Self { row, pin }
        }))
    }

    /// Returns the value inside the row.
    pub fn value(&self) -> &[u8] {
        stored_pin::value(&self.row)
    }
}

impl Mutation<'_> {
    /// Stores `value` as the pin under `key`, which was `before`, and everything that follows from it.
    ///
    /// # Errors
    /// When the store fails.
    pub fn put_pin(
        &mut self,
        key: &PinKey,
        pin: &Pin,
        value: &[u8],
        before: Option<&Before>,
    ) -> Result<(), StoreError> {
        if let Some(before) = before {
            self.unindex(key, &before.pin);
        }
        self.put_untracked(key, pin, value);
        let old = self.tracker_row(key)?;
        self.track(key, pin, old.as_ref(), before.map(|b| &b.pin));
        Ok(())
    }

    /// Stores `value` as the pin under `key`, which neither is nor was pinned: nothing has to be read.
    pub fn put_first_pin(&mut self, key: &PinKey, pin: &Pin, value: &[u8]) {
        self.put_untracked(key, pin, value);
        self.track(key, pin, None, None);
    }

    fn put_untracked(&mut self, key: &PinKey, pin: &Pin, value: &[u8]) {
        self.staged.put(Tree::Pins, key.as_bytes().to_vec(), stored_pin::encode(value));
        self.index(key, pin);
        if !active(Defect::MissEvent) {
            self.changes.push(Change { key: key.clone(), kind: ChangeKind::Pinned(Etag::of(value)) });
        }
    }

    /// Removes the pin under `key`, which was `before`, and everything that follows from it.
    ///
    /// # Errors
    /// When the store fails.
    pub fn remove_pin(&mut self, key: &PinKey, before: &Before) -> Result<(), StoreError> {
        self.staged.delete(Tree::Pins, key.as_bytes().to_vec());
        self.unindex(key, &before.pin);
        self.changes.push(Change { key: key.clone(), kind: ChangeKind::Unpinned });
        if active(Defect::SkipUntrack) {
            return Ok(());
        }
        self.untrack(key)
    }

    fn index(&mut self, key: &PinKey, pin: &Pin) {
        self.counters.add(Counter::Kind(pin.kind.stored()), 1);
        for peer in distinct(&pin.allocations) {
            self.counters.add(Counter::Peer(*peer), 1);
            self.staged.put(Tree::ByPeer, peer_key(peer, key), Vec::new());
        }
        if let Some(at) = pin.options.expire_at.filter(|_| !active(Defect::SkipExpiryRow)) {
            self.staged.put(Tree::ByExpiry, TrackerRow::time_key(at.0, key), Vec::new());
        }
        for (index, row) in search_index::rows(key, pin) {
            if !active(Defect::SkipSearchRow) {
                self.staged.put(index.tree(), row, Vec::new());
            }
        }
    }

    fn unindex(&mut self, key: &PinKey, pin: &Pin) {
        if !active(Defect::ForgetCounter) {
            self.counters.sub(Counter::Kind(pin.kind.stored()), 1);
        }
        for peer in distinct(&pin.allocations) {
            self.counters.sub(Counter::Peer(*peer), 1);
            if active(Defect::KeepOldPeerRow) {
                continue;
            }
            self.staged.delete(Tree::ByPeer, peer_key(peer, key));
        }
        if let Some(at) = pin.options.expire_at {
            self.staged.delete(Tree::ByExpiry, TrackerRow::time_key(at.0, key));
        }
        for (index, row) in search_index::rows(key, pin) {
            if !active(Defect::KeepOldSearchRow) {
                self.staged.delete(index.tree(), row);
            }
        }
    }

    /// Reads the tracker's row of `key`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn tracker_row(&self, key: &PinKey) -> Result<Option<TrackerRow>, StoreError> {
        Ok(self.staged.get(Tree::Tracker, key.as_bytes())?.as_deref().and_then(TrackerRow::decode))
    }

    fn track(&mut self, key: &PinKey, pin: &Pin, old: Option<&TrackerRow>, before: Option<&Pin>) {
        let state = if pin.kind == PinKind::Meta || pin.kind == PinKind::Bad {
            TrackedState::Sharded
        } else if pin.is_remote_for(&self.local) {
            match old.map(|row| row.state) {
                None | Some(TrackedState::Remote | TrackedState::Sharded) => TrackedState::Remote,
                Some(_) => TrackedState::RemoteUnpinQueued,
            }
        } else {
            self.lanes.queue(pin, 0, self.now)
        };
        // A pin that waits already, or is being worked on, keeps its place and its running request when only
        // its description changed.
        if let (Some(old), Some(before)) = (old, before) {
            let same_job = before.depth == pin.depth && before.kind == pin.kind;
            if same_job && old.state.is_queued() && old.state.wants_pin() && state.wants_pin() {
                return;
            }
            if same_job && old.state == state && state == TrackedState::Remote {
                return;
            }
        }
        let row = TrackerRow::new(self.next_revision(), state, self.now);
        self.put_tracker(key, row, old);
    }

    fn untrack(&mut self, key: &PinKey) -> Result<(), StoreError> {
        let old = self.tracker_row(key)?;
        match old.as_ref().map(|row| row.state) {
            // Nothing of ours is on the daemon.
            None | Some(TrackedState::Remote | TrackedState::Sharded) => {
                self.forget_tracker(key, old.as_ref())
            }
            Some(_) => {
                let row = TrackerRow::new(self.next_revision(), TrackedState::UnpinQueued, self.now);
                self.put_tracker(key, row, old.as_ref());
            }
        }
        Ok(())
    }

    /// Gives out the next revision.
    pub fn next_revision(&mut self) -> u64 {
        *self.revision += 1;
        *self.revision
    }

    /// Stores a tracker row in place of `old`, with its index rows, total, event and signal.
    pub fn put_tracker(&mut self, key: &PinKey, row: TrackerRow, old: Option<&TrackerRow>) {
        if let Some(old) = old {
            self.unindex_tracker(key, old, Some(&row));
        }
        if old.is_none_or(|o| o.state != row.state) {
            self.counters.add(Counter::State(row.state), 1);
            self.staged.put(Tree::ByStatus, TrackerRow::status_key(row.state, key), Vec::new());
            self.changes.push(Change { key: key.clone(), kind: ChangeKind::Status(row.state) });
        }
        if let Some(at) = row.next_attempt.filter(|_| !active(Defect::SkipNextAttemptRow)) {
            self.staged.put(Tree::ByNextAttempt, TrackerRow::time_key(at.0, key), Vec::new());
        }
        self.staged.put(Tree::Tracker, key.as_bytes().to_vec(), row.encode());
        self.signals.push(TrackerSignal { key: key.clone(), row: Some(row) });
    }

    /// Removes a tracker row with everything that derives from it.
    pub fn forget_tracker(&mut self, key: &PinKey, old: Option<&TrackerRow>) {
        if let Some(old) = old {
            self.unindex_tracker(key, old, None);
            self.staged.delete(Tree::Tracker, key.as_bytes().to_vec());
            self.changes.push(Change { key: key.clone(), kind: ChangeKind::Forgotten });
        }
        self.signals.push(TrackerSignal { key: key.clone(), row: None });
    }

    fn unindex_tracker(&mut self, key: &PinKey, old: &TrackerRow, new: Option<&TrackerRow>) {
        if new.is_none_or(|n| n.state != old.state) {
            self.counters.sub(Counter::State(old.state), 1);
            if active(Defect::KeepOldStatusRow) {
                return;
            }
            self.staged.delete(Tree::ByStatus, TrackerRow::status_key(old.state, key));
        }
        if let Some(at) = old.next_attempt {
            self.staged.delete(Tree::ByNextAttempt, TrackerRow::time_key(at.0, key));
        }
    }
}

/// Goes through the peers of a pin, each once: a foreign value may name one twice.
fn distinct(peers: &[PeerId]) -> BTreeSet<&PeerId> {
    peers.iter().collect()
}

/// Returns the key of a pin in `by-peer`: the peer's bytes with their length, then the pin's key.
pub fn peer_key(peer: &PeerId, key: &PinKey) -> Vec<u8> {
    let mut index = peer_prefix(peer);
    index.extend_from_slice(key.as_bytes());
    index
}

/// Returns what every key of one peer in `by-peer` starts with.
pub fn peer_prefix(peer: &PeerId) -> Vec<u8> {
    let bytes = peer.to_bytes();
    let mut prefix = Vec::with_capacity(1 + bytes.len() + 40);
    // A peer ID has at most 42 bytes.
    prefix.push(bytes.len() as u8);
    prefix.extend_from_slice(&bytes);
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UnixSeconds;

    #[test]
    fn pins_have_priority_while_they_are_young_and_seldom_tried() {
        let rule = LaneRule { max_age: Duration::from_secs(10), max_retries: 2 };
        let mut pin =
            Pin::new("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku".parse().unwrap());
        let lane = |pin: &Pin, attempts, seconds: u64| rule.queue(pin, attempts, UnixMillis(seconds * 1000));
        assert_eq!(lane(&pin, 0, 0), TrackedState::PinQueued, "of unknown age");
        pin.timestamp = Some(UnixSeconds(100));
        assert_eq!(lane(&pin, 2, 109), TrackedState::PinQueuedPriority);
        assert_eq!(lane(&pin, 3, 109), TrackedState::PinQueued);
        assert_eq!(lane(&pin, 2, 110), TrackedState::PinQueued);
    }
}
