//! Reading the pinset without the writer: single rows, the whole in key order, or by status.

use super::{
    TrackedState, TrackerRow,
    counters::{Counter, Counters},
    stored_pin,
};
use crate::{
    Pin, PinKey,
    ports::{
        consensus::Etag,
        datastore::{Cursor, Datastore, MAX_PAGE, Row, Snapshot, StoreError, Tree},
    },
};
use std::{collections::BTreeSet, ops::Bound};

/// Reads one pin and its tag.
///
/// # Errors
/// When the store fails.
pub fn pin(snapshot: &dyn Snapshot, key: &PinKey) -> Result<Option<(Pin, Etag)>, StoreError> {
    let row = snapshot.get(Tree::Pins, key.as_bytes())?;
    Ok(row.map(|row| (stored_pin::pin(key, &row), stored_pin::etag(&row))))
}

/// Reads one tracker row.
///
/// # Errors
/// When the store fails.
pub fn tracker_row(snapshot: &dyn Snapshot, key: &PinKey) -> Result<Option<TrackerRow>, StoreError> {
    Ok(snapshot.get(Tree::Tracker, key.as_bytes())?.as_deref().and_then(TrackerRow::decode))
}

/// Decodes rows of `pins`.
pub fn decode_pins(rows: Vec<Row>) -> Vec<Pin> {
    rows.into_iter()
        .filter_map(|(key, row)| Some(stored_pin::pin(&PinKey::from_bytes(&key).ok()?, &row)))
        .collect()
}

/// A pin with its state on this peer. A pin that was removed and is still being unpinned has no pin.
#[derive(Debug, Clone)]
pub struct Tracked {
    /// Which pin.
    pub key: PinKey,
    /// The pin, while it is in the pinset.
    pub pin: Option<Pin>,
    /// Its state here.
    pub row: TrackerRow,
}

/// Reads tracked pins page by page, in key order.
#[derive(Debug)]
pub enum TrackedCursor {
    /// All of them: two ordered trees side by side.
    All(Cursor),
    /// Those in some states, and some more keys: as many ordered ranges side by side.
    Some {
        /// The range of each state.
        states: Vec<StateRange>,
        /// Further keys.
        more: BTreeSet<PinKey>,
    },
}

/// What was read ahead of the range of one state.
#[derive(Debug)]
pub struct StateRange {
    state: TrackedState,
    /// `None` before the first read.
    cursor: Option<Cursor>,
    ahead: std::collections::VecDeque<PinKey>,
}

impl StateRange {
    fn new(state: TrackedState) -> Self {
        Self { state, cursor: None, ahead: std::collections::VecDeque::new() }
    }

    fn skip(&mut self, key: &PinKey) {
        let range = Cursor::prefix(Tree::ByStatus, &[self.state.number()]);
        self.cursor = Some(range.after(TrackerRow::status_key(self.state, key)));
    }

    /// Reads ahead when nothing is left of the last time.
    fn fill(&mut self, snapshot: &dyn Snapshot) -> Result<(), StoreError> {
        if !self.ahead.is_empty() {
            return Ok(());
        }
        let rows = match &mut self.cursor {
            Some(cursor) if cursor.is_done() => return Ok(()),
            Some(cursor) => cursor.next_page_of(snapshot, AHEAD)?,
            None => {
                // Many rows may have left a state lately, and their remains are stepped over one by one: the total
                // says when there is nothing more to look for.
                let total = Counters::read(snapshot, Counter::State(self.state))?;
                let limit = usize::try_from(total).unwrap_or(AHEAD).min(AHEAD);
                let mut cursor = Cursor::prefix(Tree::ByStatus, &[self.state.number()]);
                let rows = if limit == 0 { Vec::new() } else { cursor.next_page_of(snapshot, limit)? };
                if limit < AHEAD {
                    cursor.finish();
                }
                self.cursor = Some(cursor);
                rows
            }
        };
        self.ahead.extend(rows.iter().filter_map(|(key, _)| PinKey::from_bytes(key.get(1..)?).ok()));
        Ok(())
    }
}

/// Rows a state's range reads at a time.
const AHEAD: usize = 1024;

impl TrackedCursor {
    /// Reads everything.
    pub fn all() -> Self {
        Self::All(Cursor::all(Tree::Tracker))
    }

    /// Reads the rows in any of `states`, and the rows of `more`.
    pub fn of(states: &[TrackedState], more: BTreeSet<PinKey>) -> Self {
        Self::Some { states: states.iter().copied().map(StateRange::new).collect(), more }
    }

    /// Leaves out everything up to `key`. To be called before the first read.
    #[must_use]
    pub fn after(mut self, key: &PinKey) -> Self {
        match &mut self {
            Self::All(cursor) => *cursor = Cursor::all(Tree::Tracker).after(key.as_bytes().to_vec()),
            Self::Some { states, more } => {
                states.iter_mut().for_each(|range| range.skip(key));
                more.retain(|other| other > key);
            }
        }
        self
    }

    /// Reads up to `limit` rows from a fresh snapshot; empty at the end.
    ///
    /// # Errors
    /// When the store fails.
    pub fn next_page(&mut self, store: &dyn Datastore, limit: usize) -> Result<Vec<Tracked>, StoreError> {
        let snapshot = store.snapshot()?;
        let limit = limit.clamp(1, MAX_PAGE);
        match self {
            Self::All(cursor) => next_of_all(cursor, &*snapshot, limit),
            Self::Some { states, more } => next_of_some(states, more, &*snapshot, limit),
        }
    }
}

fn next_of_all(
    cursor: &mut Cursor,
    snapshot: &dyn Snapshot,
    limit: usize,
) -> Result<Vec<Tracked>, StoreError> {
    let rows = cursor.next_page_of(snapshot, limit)?;
    let (Some((first, _)), Some((last, _))) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
    let mut pins =
        PinRange { from: Bound::Included(first.clone()), to: last.clone(), ahead: Vec::new().into_iter() };
    let mut tracked = Vec::with_capacity(rows.len());
    let mut pin = pins.next(snapshot)?;
    for (key, row) in rows {
        while pin.as_ref().is_some_and(|(k, _)| *k < key) {
            pin = pins.next(snapshot)?;
        }
        let (Ok(pin_key), Some(row)) = (PinKey::from_bytes(&key), TrackerRow::decode(&row)) else { continue };
        let value = match &pin {
            Some((k, row)) if *k == key => Some(stored_pin::pin(&pin_key, row)),
            _ => None,
        };
        tracked.push(Tracked { key: pin_key, pin: value, row });
    }
    Ok(tracked)
}

/// The rows of `pins` beside a page of `tracker`.
struct PinRange {
    from: Bound<Vec<u8>>,
    to: Vec<u8>,
    ahead: std::vec::IntoIter<Row>,
}

impl PinRange {
    fn next(&mut self, snapshot: &dyn Snapshot) -> Result<Option<Row>, StoreError> {
        if let Some(row) = self.ahead.next() {
            return Ok(Some(row));
        }
        let from = match &self.from {
            Bound::Included(key) => Bound::Included(key.as_slice()),
            Bound::Excluded(key) => Bound::Excluded(key.as_slice()),
            Bound::Unbounded => return Ok(None),
        };
        let rows = snapshot.page(Tree::Pins, from, Bound::Included(&self.to), MAX_PAGE)?;
        self.from = match rows.last() {
            Some((key, _)) => Bound::Excluded(key.clone()),
            None => Bound::Unbounded,
        };
        self.ahead = rows.into_iter();
        Ok(self.ahead.next())
    }
}

fn next_of_some(
    states: &mut [StateRange],
    more: &mut BTreeSet<PinKey>,
    snapshot: &dyn Snapshot,
    limit: usize,
) -> Result<Vec<Tracked>, StoreError> {
    let mut tracked = Vec::new();
    while tracked.len() < limit {
        for range in states.iter_mut() {
            range.fill(snapshot)?;
        }
        let next = states.iter().filter_map(|s| s.ahead.front()).chain(more.first()).min().cloned();
        let Some(key) = next else { break };
        for range in states.iter_mut() {
            if range.ahead.front() == Some(&key) {
                range.ahead.pop_front();
            }
        }
        more.remove(&key);
        // The row may have left the state since the range was read; the caller filters by what it is now.
        if let Some(row) = tracker_row(snapshot, &key)? {
            let pin = pin(snapshot, &key)?.map(|(pin, _)| pin);
            tracked.push(Tracked { key, pin, row });
        }
    }
    Ok(tracked)
}
