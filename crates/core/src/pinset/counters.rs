//! Totals that are maintained, never computed on demand.

use super::{
    row_codec::{RowReader, RowWriter},
    staged::Staged,
    tracker_row::TrackedState,
};
use crate::{
    PinKind,
    ports::datastore::{Cursor, Snapshot, StoreError, Tree},
};
use libp2p_identity::PeerId;
use std::collections::{BTreeMap, BTreeSet};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    /// Pins of one type, by its stored number.
    Kind(u8),
    /// Rows of `tracker` in one state.
    State(TrackedState),
    /// Pins allocated to one peer.
    Peer(PeerId),
    /// Changes kept in `events`.
    Changes,
    /// Entries kept in `requests`.
    Requests,
    /// Operations that no delta carries yet.
    Pending,
    /// Elements that are not tombstoned.
    Elements,
    /// Tombstones.
    Tombstones,
    /// Blocks merged.
    Merged,
}

impl Counter {
    fn key(self) -> Vec<u8> {
        match self {
            Self::Kind(kind) => vec![b'k', kind],
            Self::State(state) => vec![b's', state.number()],
            Self::Peer(peer) => [b"p".as_slice(), &peer.to_bytes()].concat(),
            Self::Changes => b"c".to_vec(),
            Self::Requests => b"r".to_vec(),
            Self::Pending => b"w".to_vec(),
            Self::Elements => b"e".to_vec(),
            Self::Tombstones => b"t".to_vec(),
            Self::Merged => b"m".to_vec(),
        }
    }

    fn from_key(key: &[u8]) -> Option<Self> {
        Some(match key.split_first()? {
            (b'k', [kind]) => Self::Kind(*kind),
            (b's', [state]) => Self::State(TrackedState::from_number(*state)?),
            (b'p', peer) => Self::Peer(PeerId::from_bytes(peer).ok()?),
            (b'c', []) => Self::Changes,
            (b'r', []) => Self::Requests,
            (b'w', []) => Self::Pending,
            (b'e', []) => Self::Elements,
            (b't', []) => Self::Tombstones,
            (b'm', []) => Self::Merged,
            _ => return None,
        })
    }
}

const VERSION: u8 = 1;

/// All totals, and which of them changed since they were last written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    totals: BTreeMap<Counter, u64>,
    changed: BTreeSet<Counter>,
}

impl Counters {
    /// Reads all totals.
    ///
    /// # Errors
    /// When the store fails.
    pub fn load(snapshot: &dyn Snapshot) -> Result<Self, StoreError> {
        let mut totals = BTreeMap::new();
        let mut cursor = Cursor::all(Tree::Counters);
        while !cursor.is_done() {
            for (key, row) in cursor.next_page_of(snapshot, 1024)? {
                let total = RowReader::new(&row, VERSION).and_then(|mut r| r.int());
                if let (Some(counter), Some(total)) = (Counter::from_key(&key), total) {
                    totals.insert(counter, total);
                }
            }
        }
        Ok(Self { totals, changed: BTreeSet::new() })
    }

    /// Reads one total. A total that changes with every batch leaves its old values in the engine's buffers, and
    /// [`Counters::load`] steps over all of them.
    ///
    /// # Errors
    /// When the store fails.
    pub fn read(snapshot: &dyn Snapshot, counter: Counter) -> Result<u64, StoreError> {
        let row = snapshot.get(Tree::Counters, &counter.key())?;
        Ok(row.and_then(|row| RowReader::new(&row, VERSION)?.int()).unwrap_or(0))
    }

    /// Returns one total.
    pub fn get(&self, counter: Counter) -> u64 {
        self.totals.get(&counter).copied().unwrap_or(0)
    }

    /// Returns the number of pins of every type.
    pub fn pins(&self) -> u64 {
        [PinKind::Bad, PinKind::Data, PinKind::Meta, PinKind::ClusterDag, PinKind::Shard]
            .iter()
            .map(|kind| self.get(Counter::Kind(kind.stored())))
            .sum()
    }

    /// Returns every total that is not zero.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, u64)> + '_ {
        self.totals.iter().map(|(counter, total)| (*counter, *total)).filter(|(_, total)| *total != 0)
    }

    /// Adds to a total.
    pub fn add(&mut self, counter: Counter, by: u64) {
        if by != 0 {
            *self.totals.entry(counter).or_default() += by;
            self.changed.insert(counter);
        }
    }

    /// Takes from a total. One that would fall below zero stays there; `check` would tell.
    pub fn sub(&mut self, counter: Counter, by: u64) {
        if by != 0 {
            let total = self.totals.entry(counter).or_default();
            *total = total.saturating_sub(by);
            self.changed.insert(counter);
        }
    }

    /// Stages the rows of the totals that changed.
    pub fn stage(&mut self, staged: &mut Staged) {
        for counter in std::mem::take(&mut self.changed) {
            match self.get(counter) {
                0 => staged.delete(Tree::Counters, counter.key()),
                total => {
                    staged.put(Tree::Counters, counter.key(), RowWriter::new(VERSION).int(total).finish())
                }
            }
        }
    }
}
