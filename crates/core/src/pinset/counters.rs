//! Totals that are maintained, never computed on demand.

use super::{
    row_codec::{RowReader, RowWriter},
    staged::Staged,
    tracker_row::TrackedState,
};
use crate::{
    PinKind,
    ports::datastore::{Batch, Cursor, Datastore, Snapshot, StoreError, Tree},
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
    /// Returns its name in the row of all totals; `None` for a peer's, which has a row of its own.
    fn code(self) -> Option<[u8; 2]> {
        Some(match self {
            Self::Kind(kind) => [b'k', kind],
            Self::State(state) => [b's', state.number()],
            Self::Peer(_) => return None,
            Self::Changes => *b"c ",
            Self::Requests => *b"r ",
            Self::Pending => *b"w ",
            Self::Elements => *b"e ",
            Self::Tombstones => *b"t ",
            Self::Merged => *b"m ",
        })
    }

    fn from_code(code: [u8; 2]) -> Option<Self> {
        Some(match &code {
            [b'k', kind] => Self::Kind(*kind),
            [b's', state] => Self::State(TrackedState::from_number(*state)?),
            b"c " => Self::Changes,
            b"r " => Self::Requests,
            b"w " => Self::Pending,
            b"e " => Self::Elements,
            b"t " => Self::Tombstones,
            b"m " => Self::Merged,
            _ => return None,
        })
    }
}

const VERSION: u8 = 1;

/// Key of the row of all totals but those of peers. Nearly every batch changes several of them, and one row costs the
/// engine less than several.
const TOTALS: &[u8] = b"totals";

/// What the key of a peer's row starts with; the bytes of the peer ID follow.
const PEER: &[u8] = b"p/";

fn peer_key(peer: &PeerId) -> Vec<u8> {
    [PEER, &peer.to_bytes()].concat()
}

/// Reads the row of all totals; entries of an unknown name are passed over.
fn read_totals(row: &[u8]) -> Option<BTreeMap<Counter, u64>> {
    let mut reader = RowReader::new(row, VERSION)?;
    let mut totals = BTreeMap::new();
    while !reader.is_empty() {
        let code = [reader.byte()?, reader.byte()?];
        let total = reader.int()?;
        totals.extend(Counter::from_code(code).map(|counter| (counter, total)));
    }
    Some(totals)
}

/// Stages the rows of today in place of those of format 2, which had one for every total.
///
/// # Errors
/// When the store fails.
pub(super) fn fold_single_rows(store: &dyn Datastore, batch: &mut Batch) -> Result<(), StoreError> {
    let mut counters = Counters::load(&*store.snapshot()?)?;
    let mut cursor = Cursor::all(Tree::Counters);
    while !cursor.is_done() {
        for (key, row) in cursor.next_page(store, 1024)? {
            let counter = match key.split_first() {
                Some((b'k' | b's', [number])) => Counter::from_code([key[0], *number]),
                Some((b'p', peer)) => PeerId::from_bytes(peer).ok().map(Counter::Peer),
                Some((single, [])) => Counter::from_code([*single, b' ']),
                _ => None,
            };
            if let Some(counter) = counter {
                let total = RowReader::new(&row, VERSION).and_then(|mut r| r.int()).unwrap_or(0);
                counters.add(counter, total);
                batch.delete(Tree::Counters, key);
            }
        }
    }
    for (key, row) in counters.rows() {
        match row {
            Some(row) => batch.put(Tree::Counters, key, row),
            None => batch.delete(Tree::Counters, key),
        }
    }
    Ok(())
}

/// All totals, and which of them changed since they were last written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    totals: BTreeMap<Counter, u64>,
    changed: bool,
    changed_peers: BTreeSet<PeerId>,
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
                if key == TOTALS {
                    totals.extend(read_totals(&row).unwrap_or_default());
                } else if let Some(peer) =
                    key.strip_prefix(PEER).and_then(|peer| PeerId::from_bytes(peer).ok())
                    && let Some(total) = RowReader::new(&row, VERSION).and_then(|mut r| r.int())
                {
                    totals.insert(Counter::Peer(peer), total);
                }
            }
        }
        Ok(Self { totals, ..Self::default() })
    }

    /// Reads one total. A total that changes with every batch leaves its old values in the engine's buffers, and
    /// [`Counters::load`] steps over all of them.
    ///
    /// # Errors
    /// When the store fails.
    pub fn read(snapshot: &dyn Snapshot, counter: Counter) -> Result<u64, StoreError> {
        let total = match counter {
            Counter::Peer(peer) => snapshot
                .get(Tree::Counters, &peer_key(&peer))?
                .and_then(|row| RowReader::new(&row, VERSION)?.int()),
            _ => snapshot
                .get(Tree::Counters, TOTALS)?
                .and_then(|row| read_totals(&row)?.get(&counter).copied()),
        };
        Ok(total.unwrap_or(0))
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

    fn change(&mut self, counter: Counter) -> &mut u64 {
        match counter {
            Counter::Peer(peer) => drop(self.changed_peers.insert(peer)),
            _ => self.changed = true,
        }
        self.totals.entry(counter).or_default()
    }

    /// Adds to a total.
    pub fn add(&mut self, counter: Counter, by: u64) {
        if by != 0 {
            *self.change(counter) += by;
        }
    }

    /// Takes from a total. One that would fall below zero stays there; `check` would tell.
    pub fn sub(&mut self, counter: Counter, by: u64) {
        if by != 0 {
            let total = self.change(counter);
            *total = total.saturating_sub(by);
        }
    }

    /// Stages the rows of the totals that changed.
    pub fn stage(&mut self, staged: &mut Staged) {
        for (key, row) in self.rows() {
            match row {
                Some(row) => staged.put(Tree::Counters, key, row),
                None => staged.delete(Tree::Counters, key),
            }
        }
    }

    /// Returns the rows of the totals that changed since the last call; `None` for one that goes.
    fn rows(&mut self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let peers = std::mem::take(&mut self.changed_peers).into_iter();
        let mut rows: Vec<_> = peers
            .map(|peer| {
                let total = self.get(Counter::Peer(peer));
                (peer_key(&peer), (total != 0).then(|| RowWriter::new(VERSION).int(total).finish()))
            })
            .collect();
        if std::mem::take(&mut self.changed) {
            let coded = self.iter().filter_map(|(counter, total)| Some((counter.code()?, total)));
            let row = coded.fold(RowWriter::new(VERSION), |row, (code, total)| row.raw(&code).int(total));
            rows.push((TOTALS.to_vec(), Some(row.finish())));
        }
        rows
    }
}
