//! What each peer showed of its own store: it must never run back, and the same place of the log is the same pinset everywhere.

use super::checker::Name;
use anyhow::{Context, Result, ensure};
use cluster_consensus::raft::AppliedRow;
use cluster_core::{
    PinKey,
    pinset::read,
    ports::{
        consensus::Etag,
        datastore::{Cursor, Datastore, Row, Snapshot, Tree},
    },
};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What one view of a store shows.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Name and tag of each pin.
    pub(super) pins: Vec<Option<(Name, Etag)>>,
    /// Up to where the log is carried out, and a digest of what all peers have alike then; none while a snapshot is installed.
    place: Option<(u64, [u8; 32])>,
    is_installing: bool,
}

/// Rows of `RaftState`, by the names that ADR 8 gives them.
pub(super) const APPLIED: &[u8] = b"applied";
pub(super) const CLUSTER: &[u8] = b"cluster";
pub(super) const INSTALLING: &[u8] = b"installing";

/// Looks at a store.
pub(super) fn look(store: &dyn Datastore, keys: &[PinKey]) -> Result<Seen> {
    let view = store.snapshot()?;
    let mut pins = Vec::new();
    for key in keys {
        let pin = read::pin(&*view, key)?;
        let name = |name: &str| name.parse().with_context(|| format!("a pin named {name:?}"));
        pins.push(match pin {
            Some((pin, etag)) => Some((name(&pin.options.name)?, etag)),
            None => None,
        });
    }
    let is_installing = view.get(Tree::RaftState, INSTALLING)?.is_some();
    let applied = view.get(Tree::RaftState, APPLIED)?;
    let applied =
        applied.map(|row| AppliedRow::decode(&row).context("a row that cannot be read")).transpose()?;
    let last = applied.and_then(|row| row.last).filter(|_| !is_installing);
    let place = match last {
        Some(last) => Some((last.index, digest(&*view)?)),
        None => None,
    };
    Ok(Seen { pins, place, is_installing })
}

fn digest(view: &dyn Snapshot) -> Result<[u8; 32]> {
    let mut digest = Sha256::new();
    for tree in [Tree::Pins, Tree::Requests] {
        let mut from = None::<Vec<u8>>;
        loop {
            let start = from.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let page = view.page(tree, start, Bound::Unbounded, 1024)?;
            let Some((last, _)) = page.last() else { break };
            from = Some(last.clone());
            for part in page.iter().flat_map(|(key, row)| [key, row]) {
                digest.update((part.len() as u64).to_be_bytes());
                digest.update(part);
            }
        }
    }
    Ok(digest.finalize().into())
}

/// Returns the rows that all members have alike.
pub(super) fn replicated(store: &dyn Datastore) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for tree in [Tree::Pins, Tree::Requests] {
        let mut cursor = Cursor::all(tree);
        while !cursor.is_done() {
            rows.extend(cursor.next_page(store, 1024)?);
        }
    }
    Ok(rows)
}

/// What one peer showed of one pin.
#[derive(Debug, Default)]
struct Pin {
    last: Option<Name>,
    /// Names that gave way to others, and do not come back: no name is given twice.
    gone: BTreeSet<Name>,
}

impl Pin {
    fn show(&mut self, name: Option<Name>) -> Result<()> {
        if let Some(name) = name {
            ensure!(!self.gone.contains(&name), "it showed {name} again after {:?}", self.last);
        }
        if let Some(before) = self.last.filter(|before| Some(*before) != name) {
            self.gone.insert(before);
        }
        self.last = name;
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Known {
    pins: BTreeMap<(usize, usize), Pin>,
    /// The last place that each peer showed.
    places: BTreeMap<usize, u64>,
    /// What each place is, and who showed it first.
    digests: BTreeMap<u64, ([u8; 32], usize)>,
}

/// What all peers showed.
#[derive(Default)]
pub(super) struct Shown(Mutex<Known>);

impl Shown {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what a peer whose reads are ready showed.
    ///
    /// # Errors
    /// When it is older than what it showed before, or not what another peer showed at the same place.
    pub(super) fn show(&self, peer: usize, seen: &Seen) -> Result<()> {
        ensure!(!seen.is_installing, "peer {peer} shows a pinset that a snapshot is half-way into");
        let mut known = self.lock();
        for (key, pin) in seen.pins.iter().enumerate() {
            let name = pin.as_ref().map(|(name, _)| *name);
            let shown = known.pins.entry((peer, key)).or_default().show(name);
            shown.with_context(|| format!("reads of peer {peer} of pin {key} run back"))?;
        }
        let Some((index, _)) = seen.place else { return Ok(()) };
        let before = known.places.insert(peer, index);
        let is_later = before.is_none_or(|before| before <= index);
        ensure!(is_later, "reads of peer {peer} run back: from place {before:?} of the log to {index}");
        known.compare(peer, seen)
    }

    /// Takes note of what is in a peer's store, whether or not it shows it.
    ///
    /// # Errors
    /// When it is not what another peer had at the same place.
    pub(super) fn compare(&self, peer: usize, seen: &Seen) -> Result<()> {
        self.lock().compare(peer, seen)
    }

    /// Returns the name that a peer showed last.
    pub(super) fn last(&self, peer: usize, key: usize) -> Option<Name> {
        self.lock().pins.get(&(peer, key)).and_then(|pin| pin.last)
    }

    /// Takes note of a change that a peer acknowledged, and of its store then: what it shows from now on has that change, and not
    /// what it showed before the change was asked for.
    ///
    /// # Errors
    /// As [`Shown::compare`].
    pub(super) fn acknowledge(&self, peer: usize, key: usize, gone: Option<Name>, seen: &Seen) -> Result<()> {
        let mut known = self.lock();
        let pin = known.pins.entry((peer, key)).or_default();
        pin.gone.extend(gone);
        pin.last = pin.last.filter(|last| Some(*last) != gone);
        if let Some((index, _)) = seen.place {
            let place = known.places.entry(peer).or_default();
            *place = index.max(*place);
        }
        known.compare(peer, seen)
    }

    /// Forgets a peer whose disk was emptied.
    pub(super) fn forget(&self, peer: usize) {
        let mut known = self.lock();
        known.pins.retain(|(number, _), _| *number != peer);
        known.places.remove(&peer);
    }
}

impl Known {
    fn compare(&mut self, peer: usize, seen: &Seen) -> Result<()> {
        let Some((index, digest)) = seen.place else { return Ok(()) };
        let (known, first) = *self.digests.entry(index).or_insert((digest, peer));
        ensure!(known == digest, "peers {first} and {peer} differ at place {index} of the log");
        Ok(())
    }
}
