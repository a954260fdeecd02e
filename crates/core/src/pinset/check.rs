//! Recounting everything derived, in constant memory.

use super::{
    TrackedState, TrackerRow,
    counters::{Counter, Counters},
    events::EventBatch,
    fingerprint::Fingerprint,
    indexing::{self, IndexState},
    mutation::peer_key,
    requests,
    search_index::{self, SearchIndex},
    stored_pin,
};
use crate::{
    PeerId, Pin, PinKey,
    ports::datastore::{Cursor, Datastore, Snapshot, StoreError, Tree},
};
use std::{collections::BTreeSet, fmt};

/// Mismatches that are listed one by one; more are only counted.
const LISTED: usize = 100;

/// Rows read at a time.
const PAGE: usize = 4096;

/// What a recount found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Pins read.
    pub pins: u64,
    /// Tracker rows read.
    pub tracked: u64,
    /// The first mismatches, each naming tree and key.
    pub mismatches: Vec<String>,
    more: u64,
}

impl CheckReport {
    /// Counts all mismatches.
    pub fn total_mismatches(&self) -> u64 {
        self.mismatches.len() as u64 + self.more
    }

    /// Notes a mismatch at one row.
    pub fn add(&mut self, tree: Tree, key: &[u8], what: &str) {
        if self.mismatches.len() < LISTED {
            self.mismatches.push(format!("{tree:?} {}: {what}", data_encoding::HEXLOWER.encode(key)));
        } else {
            self.more += 1;
        }
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mismatch in &self.mismatches {
            writeln!(f, "{mismatch}")?;
        }
        if self.more > 0 {
            writeln!(f, "and {} more", self.more)?;
        }
        write!(f, "{} pins, {} tracked, {} mismatches", self.pins, self.tracked, self.total_mismatches())
    }
}

/// Compares every derived row of a store with a recount. Nothing may write meanwhile.
///
/// # Errors
/// When the store fails.
pub fn check(store: &dyn Datastore, local: &PeerId) -> Result<CheckReport, StoreError> {
    let snapshot = store.long_snapshot()?;
    let mut checker = Checker {
        snapshot: &*snapshot,
        report: CheckReport::default(),
        counted: Counters::default(),
        fingerprint: Fingerprint::default(),
    };
    checker.pins(local)?;
    checker.tracker()?;
    for tree in [Tree::ByPeer, Tree::ByExpiry] {
        checker.pin_index(tree)?;
    }
    for index in SearchIndex::ALL {
        checker.search_index(index)?;
    }
    for tree in [Tree::ByStatus, Tree::ByNextAttempt] {
        checker.tracker_index(tree)?;
    }
    checker.logs()?;
    checker.published()?;
    checker.totals()?;
    Ok(checker.report)
}

struct Checker<'a> {
    snapshot: &'a dyn Snapshot,
    report: CheckReport,
    counted: Counters,
    fingerprint: Fingerprint,
}

impl Checker<'_> {
    fn each(
        &mut self,
        tree: Tree,
        mut visit: impl FnMut(&mut Self, &[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut cursor = Cursor::all(tree);
        while !cursor.is_done() {
            for (key, row) in cursor.next_page_of(self.snapshot, PAGE)? {
                visit(self, &key, &row)?;
            }
        }
        Ok(())
    }

    fn expect(&mut self, tree: Tree, key: &[u8]) -> Result<(), StoreError> {
        if self.snapshot.get(tree, key)?.is_none() {
            self.report.add(tree, key, "missing");
        }
        Ok(())
    }

    fn tracker_row(&self, key: &[u8]) -> Result<Option<TrackerRow>, StoreError> {
        Ok(self.snapshot.get(Tree::Tracker, key)?.as_deref().and_then(TrackerRow::decode))
    }

    fn pin(&self, key: &PinKey) -> Result<Option<Pin>, StoreError> {
        Ok(self.snapshot.get(Tree::Pins, key.as_bytes())?.map(|row| stored_pin::pin(key, &row)))
    }

    fn pins(&mut self, local: &PeerId) -> Result<(), StoreError> {
        self.each(Tree::Pins, |c, key, row| {
            let Ok(key) = PinKey::from_bytes(key) else {
                c.report.add(Tree::Pins, key, "the key is not a CID");
                return Ok(());
            };
            if row.first() != Some(&stored_pin::VERSION) {
                c.report.add(Tree::Pins, key.as_bytes(), "unknown version");
            }
            let pin = stored_pin::pin(&key, row);
            c.report.pins += 1;
            c.counted.add(Counter::Kind(pin.kind.stored()), 1);
            for peer in pin.allocations.iter().collect::<BTreeSet<_>>() {
                c.counted.add(Counter::Peer(*peer), 1);
                c.expect(Tree::ByPeer, &peer_key(peer, &key))?;
            }
            if let Some(at) = pin.options.expire_at {
                c.expect(Tree::ByExpiry, &TrackerRow::time_key(at.0, &key))?;
            }
            for (index, row) in search_index::rows(&key, &pin) {
                if indexing::state(c.snapshot, index)? == IndexState::Ready {
                    c.expect(index.tree(), &row)?;
                }
            }
            match c.tracker_row(key.as_bytes())? {
                None => c.report.add(Tree::Tracker, key.as_bytes(), "missing or unreadable"),
                Some(row) if matches!(row.state, TrackedState::UnpinQueued | TrackedState::UnpinError) => {
                    c.report.add(Tree::Tracker, key.as_bytes(), "asks to unpin a pin that is there");
                }
                Some(row) if row.state.wants_pin() && pin.is_remote_for(local) => {
                    c.report.add(Tree::Tracker, key.as_bytes(), "asks to pin what is allocated to others");
                }
                Some(_) => {}
            }
            Ok(())
        })
    }

    fn tracker(&mut self) -> Result<(), StoreError> {
        self.each(Tree::Tracker, |c, key, row| {
            let (Ok(key), Some(row)) = (PinKey::from_bytes(key), TrackerRow::decode(row)) else {
                c.report.add(Tree::Tracker, key, "unreadable");
                return Ok(());
            };
            c.report.tracked += 1;
            c.counted.add(Counter::State(row.state), 1);
            c.expect(Tree::ByStatus, &TrackerRow::status_key(row.state, &key))?;
            if let Some(at) = row.next_attempt {
                c.expect(Tree::ByNextAttempt, &TrackerRow::time_key(at.0, &key))?;
            }
            if row.next_attempt.is_some() != row.state.is_waiting() {
                c.report.add(Tree::Tracker, key.as_bytes(), "a time to try again does not fit the state");
            }
            let unpins = matches!(row.state, TrackedState::UnpinQueued | TrackedState::UnpinError);
            if !unpins && c.snapshot.get(Tree::Pins, key.as_bytes())?.is_none() {
                c.report.add(Tree::Tracker, key.as_bytes(), "there is no such pin");
            }
            Ok(())
        })
    }

    fn pin_index(&mut self, tree: Tree) -> Result<(), StoreError> {
        self.each(tree, |c, index, _| {
            let prefix = match tree {
                Tree::ByPeer => 1 + usize::from(index.first().copied().unwrap_or(0)),
                _ => 8,
            };
            let key = index.get(prefix..).and_then(|key| PinKey::from_bytes(key).ok());
            let pin = key.as_ref().map(|key| c.pin(key)).transpose()?.flatten();
            let fits = key.zip(pin).is_some_and(|(key, pin)| match tree {
                Tree::ByPeer => pin.allocations.iter().any(|peer| peer_key(peer, &key) == index),
                _ => pin.options.expire_at.is_some_and(|at| TrackerRow::time_key(at.0, &key) == index),
            });
            if !fits {
                c.report.add(tree, index, "left over");
            }
            Ok(())
        })
    }

    /// Rows of an index that is being cleared are of another version.
    fn search_index(&mut self, index: SearchIndex) -> Result<(), StoreError> {
        if matches!(indexing::state(self.snapshot, index)?, IndexState::Clearing(_)) {
            return Ok(());
        }
        self.each(index.tree(), |c, row, _| {
            let key = index.pin_key(row);
            let pin = key.as_ref().map(|key| c.pin(key)).transpose()?.flatten();
            let fits = key.zip(pin).is_some_and(|(key, pin)| {
                search_index::rows(&key, &pin).any(|(of, expected)| of == index && expected == row)
            });
            if !fits {
                c.report.add(index.tree(), row, "left over");
            }
            Ok(())
        })
    }

    fn tracker_index(&mut self, tree: Tree) -> Result<(), StoreError> {
        self.each(tree, |c, index, _| {
            let prefix = if tree == Tree::ByStatus { 1 } else { 8 };
            let key = index.get(prefix..).and_then(|key| PinKey::from_bytes(key).ok());
            let row = key.as_ref().map(|key| c.tracker_row(key.as_bytes())).transpose()?.flatten();
            let fits = key.zip(row).is_some_and(|(key, row)| match tree {
                Tree::ByStatus => TrackerRow::status_key(row.state, &key) == index,
                _ => row.next_attempt.is_some_and(|at| TrackerRow::time_key(at.0, &key) == index),
            });
            if !fits {
                c.report.add(tree, index, "left over");
            }
            Ok(())
        })
    }

    fn logs(&mut self) -> Result<(), StoreError> {
        self.each(Tree::Events, |c, key, row| {
            match EventBatch::decode(row) {
                Some(batch) => c.counted.add(Counter::Changes, batch.changes.len() as u64),
                None => c.report.add(Tree::Events, key, "unreadable"),
            }
            Ok(())
        })?;
        // Each outcome has one row in the order of time; as each of those names an outcome, equal numbers do.
        let mut ordered = 0u64;
        self.each(Tree::Requests, |c, key, row| {
            match key.first() {
                Some(b'r') => {
                    c.counted.add(Counter::Requests, 1);
                    if !requests::is_readable(row) {
                        c.report.add(Tree::Requests, key, "unreadable");
                    }
                }
                Some(b't') => {
                    ordered += 1;
                    let id = key.get(9..).unwrap_or_default();
                    c.expect(Tree::Requests, &[b"r".as_slice(), id].concat())?;
                }
                _ => c.report.add(Tree::Requests, key, "unknown"),
            }
            Ok(())
        })?;
        let outcomes = self.counted.get(Counter::Requests);
        if outcomes != ordered {
            let what = format!("{outcomes} outcomes, but {ordered} rows in the order of time");
            self.report.add(Tree::Requests, b"t", &what);
        }
        Ok(())
    }

    fn published(&mut self) -> Result<(), StoreError> {
        for tree in [Tree::Elements, Tree::Tombstones] {
            self.each(tree, |c, row_key, _| {
                let split = row_key.len().saturating_sub(32);
                let (key, block) = row_key.split_at(split);
                let (Ok(key), Ok(block)) = (PinKey::from_bytes(key), <&[u8; 32]>::try_from(block)) else {
                    c.report.add(tree, row_key, "the key is not a pin and a block");
                    return Ok(());
                };
                if tree == Tree::Elements {
                    c.fingerprint.add_element(&key, block);
                    c.counted.add(Counter::Elements, 1);
                } else {
                    c.fingerprint.add_tombstone(&key, block);
                    c.counted.add(Counter::Tombstones, 1);
                }
                Ok(())
            })?;
        }
        for (tree, counter) in [(Tree::Merged, Counter::Merged), (Tree::Pending, Counter::Pending)] {
            self.each(tree, |c, _, _| {
                c.counted.add(counter, 1);
                Ok(())
            })?;
        }
        Ok(())
    }

    fn totals(&mut self) -> Result<(), StoreError> {
        let stored = Counters::load(self.snapshot)?;
        let names: BTreeSet<Counter> = stored.iter().chain(self.counted.iter()).map(|(c, _)| c).collect();
        for counter in names {
            let (stored, counted) = (stored.get(counter), self.counted.get(counter));
            if stored != counted {
                let what = format!("{counter:?} says {stored}, counted {counted}");
                self.report.add(Tree::Counters, &[], &what);
            }
        }
        let stored = Fingerprint::load(self.snapshot)?;
        for (index, (stored, counted)) in stored.buckets().iter().zip(self.fingerprint.buckets()).enumerate()
        {
            if stored != counted {
                let index = u16::try_from(index).unwrap_or(u16::MAX).to_be_bytes();
                self.report.add(Tree::Fingerprint, &index, "differs from a recount");
            }
        }
        Ok(())
    }
}
