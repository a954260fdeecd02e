//! What can be lost or survive by itself, and since when it is safe.

use super::{
    cut::NameModel,
    event::{Change, Event, EventKind, Inode, Position},
};
use std::collections::{BTreeMap, HashMap};

/// What a unit changes.
#[derive(Debug, Clone, Copy)]
pub(super) enum UnitKind<'a> {
    Write { inode: Inode, offset: u64, data: &'a [u8] },
    Resize { inode: Inode, len: u64 },
    Names { changes: &'a [Change], folder: Option<Inode> },
}

/// A change that a power cut takes or leaves on its own.
#[derive(Debug, Clone)]
pub(super) struct Unit<'a> {
    pub(super) start: Position,
    pub(super) kind: UnitKind<'a>,
    /// Where a sync that covers it had returned.
    pub(super) durable_at: Option<Position>,
}

impl Unit<'_> {
    /// The changes of names it consists of.
    pub(super) fn changes(&self) -> impl Iterator<Item = &Change> {
        let (changes, folder) = match self.kind {
            UnitKind::Names { changes, folder } => (changes, folder),
            _ => (&[][..], None),
        };
        changes.iter().filter(move |change| folder.is_none_or(|folder| folder == change.folder))
    }

    /// The file it changes.
    pub(super) fn file(&self) -> Option<Inode> {
        match self.kind {
            UnitKind::Write { inode, .. } | UnitKind::Resize { inode, .. } => Some(inode),
            UnitKind::Names { .. } => None,
        }
    }
}

/// Cuts events into units, in the order of their beginnings, and finds the sync that makes each durable.
pub(super) fn units(events: &[Event], model: NameModel) -> Vec<Unit<'_>> {
    let mut units = Vec::new();
    let mut ends = Vec::new();
    for event in events {
        let mut push = |kind, durable_at| {
            units.push(Unit { start: event.start, kind, durable_at });
            ends.push(event.end);
        };
        match &event.kind {
            EventKind::Write { inode, offset, data, synced } => {
                let durable_at = if *synced { event.end } else { None };
                push(UnitKind::Write { inode: *inode, offset: *offset, data }, durable_at);
            }
            EventKind::Resize { inode, len } => push(UnitKind::Resize { inode: *inode, len: *len }, None),
            EventKind::Names(changes) => match model {
                NameModel::Ext4Ordered => push(UnitKind::Names { changes, folder: None }, None),
                NameModel::Strict => {
                    let mut folders: Vec<Inode> = changes.iter().map(|change| change.folder).collect();
                    folders.dedup();
                    for folder in folders {
                        push(UnitKind::Names { changes, folder: Some(folder) }, None);
                    }
                }
            },
            EventKind::Sync { .. } | EventKind::SyncAll => {}
        }
    }
    mark(&mut units, &ends, events, model);
    units
}

/// What a sync can make durable: a file's or folder's own changes, or in the ordered model all names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Domain {
    Of(Inode),
    AllNames,
}

fn mark(units: &mut [Unit<'_>], ends: &[Option<Position>], events: &[Event], model: NameModel) {
    let mut waiting: HashMap<Domain, Vec<usize>> = HashMap::new();
    for (index, unit) in units.iter().enumerate() {
        let domain = match unit.kind {
            UnitKind::Write { inode, .. } | UnitKind::Resize { inode, .. } => Domain::Of(inode),
            UnitKind::Names { folder: Some(folder), .. } => Domain::Of(folder),
            UnitKind::Names { folder: None, .. } => Domain::AllNames,
        };
        waiting.entry(domain).or_default().push(index);
    }
    // Syncs in the order in which they returned: the first that covers a unit counts.
    let mut syncs: BTreeMap<(Position, Position), Option<Inode>> = BTreeMap::new();
    for event in events {
        match (&event.kind, event.end) {
            (EventKind::Sync { inode }, Some(end)) => syncs.insert((end, event.start), Some(*inode)),
            (EventKind::SyncAll, Some(end)) => syncs.insert((end, event.start), None),
            _ => None,
        };
    }
    for ((end, start), inode) in syncs {
        let mut cover = |indexes: &mut Vec<usize>| {
            indexes.retain(|index| {
                let covered = ends[*index].is_some_and(|end| end < start);
                if covered && units[*index].durable_at.is_none() {
                    units[*index].durable_at = Some(end);
                }
                !covered
            });
        };
        match inode {
            None => waiting.values_mut().for_each(&mut cover),
            Some(inode) => {
                waiting.get_mut(&Domain::Of(inode)).into_iter().for_each(&mut cover);
                if model == NameModel::Ext4Ordered {
                    waiting.get_mut(&Domain::AllNames).into_iter().for_each(&mut cover);
                }
            }
        }
    }
}
