//! Which of the unsynced changes a power cut leaves.

use super::{
    cut::{Cut, Loss, NameModel},
    dice::Dice,
    event::{Change, Inode},
    namespace::Namespace,
    units::{Unit, UnitKind},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

/// Bytes that a disk writes as a whole.
const SECTOR: u64 = 512;

/// A change of a file that survived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Write {
        offset: u64,
        data: &'a [u8],
    },
    Resize {
        len: u64,
    },
    /// The length grew at least to this, the bytes did not follow.
    Grow {
        len: u64,
    },
}

/// Everything that survived.
#[derive(Debug)]
pub(super) struct Selection<'a> {
    pub(super) names: Namespace,
    pub(super) pieces: BTreeMap<Inode, Vec<Piece<'a>>>,
}

/// Decides for every unit that had begun at the cut.
pub(super) fn select<'a>(units: &[Unit<'a>], base: &Namespace, cut: &Cut) -> Selection<'a> {
    let mut dice = Dice::new(cut.seed);
    let begun: Vec<&Unit<'a>> = units.iter().filter(|unit| unit.start <= cut.position).collect();
    let is_durable = |unit: &Unit<'_>| unit.durable_at.is_some_and(|at| at <= cut.position);

    let kept_names = kept_names(&begun, &is_durable, cut, &mut dice);
    let mut names = base.clone();
    for unit in begun.iter().zip(&kept_names).filter(|(_, kept)| **kept).map(|(unit, _)| unit) {
        unit.changes().for_each(|change| names.apply(change));
    }
    let torn =
        if cut.loss == Loss::Torn { choose_torn(&begun, &is_durable, &mut names, &mut dice) } else { None };

    let percent = [15, 50, 85][dice.index(3)];
    let mut selection = Selection { names, pieces: BTreeMap::new() };
    let mut length_seen: BTreeMap<Inode, u64> = BTreeMap::new();
    for (index, unit) in begun.iter().enumerate() {
        let Some(inode) = unit.file() else { continue };
        let pieces = selection.pieces.entry(inode).or_default();
        let seen = length_seen.entry(inode).or_default();
        *seen = match unit.kind {
            UnitKind::Write { offset, data, .. } => (*seen).max(offset + data.len() as u64),
            UnitKind::Resize { len, .. } => len,
            UnitKind::Names { .. } => *seen,
        };
        if is_durable(unit) || cut.loss == Loss::Nothing {
            pieces.extend(whole(unit));
            continue;
        }
        match (cut.loss, torn) {
            (Loss::Torn, Some(torn)) if torn.inode == inode && index < torn.unit => {
                pieces.extend(whole(unit))
            }
            (Loss::Torn, Some(torn)) if index == torn.unit => pieces.extend(beginning(unit, &mut dice)),
            (Loss::Reordered, _) => reorder(unit, percent, *seen, pieces, &mut dice),
            _ => {}
        }
    }
    selection
}

/// Lists the changes of names that had begun at the cut and were not durable: the folder, and what they gave or
/// took.
pub(super) fn open_names(units: &[Unit<'_>], cut: &Cut) -> Vec<Change> {
    let is_open =
        |unit: &&Unit<'_>| unit.start <= cut.position && unit.durable_at.is_none_or(|at| at > cut.position);
    units.iter().filter(is_open).flat_map(|unit| unit.changes().cloned().collect::<Vec<_>>()).collect()
}

fn kept_names(
    begun: &[&Unit<'_>],
    is_durable: &impl Fn(&Unit<'_>) -> bool,
    cut: &Cut,
    dice: &mut Dice,
) -> Vec<bool> {
    let open: Vec<usize> = (0..begun.len())
        .filter(|index| begun[*index].file().is_none() && !is_durable(begun[*index]))
        .collect();
    let lucky: BTreeSet<usize> = match (cut.loss, cut.names) {
        (Loss::Dropped | Loss::Torn, _) => BTreeSet::new(),
        (Loss::Nothing, _) => open.iter().copied().collect(),
        (Loss::Reordered, NameModel::Ext4Ordered) => {
            let prefix = dice.index(open.len() + 1);
            open[..prefix].iter().copied().collect()
        }
        (Loss::Reordered, NameModel::Strict) => open.iter().copied().filter(|_| dice.chance(50)).collect(),
    };
    let kept = |(index, unit): (usize, &&Unit<'_>)| {
        unit.file().is_none() && (is_durable(unit) || lucky.contains(&index))
    };
    begun.iter().enumerate().map(kept).collect()
}

#[derive(Debug, Clone, Copy)]
struct Torn {
    inode: Inode,
    /// Index of the unit that is torn.
    unit: usize,
}

/// Chooses a file with unsynced changes that has a name, and where among them it ends. When none has a durable
/// name, all names survive, in half of the cases.
fn choose_torn(
    begun: &[&Unit<'_>],
    is_durable: &impl Fn(&Unit<'_>) -> bool,
    names: &mut Namespace,
    dice: &mut Dice,
) -> Option<Torn> {
    let mut open: BTreeMap<Inode, Vec<usize>> = BTreeMap::new();
    for (index, unit) in begun.iter().enumerate() {
        if let Some(inode) = unit.file().filter(|_| !is_durable(unit)) {
            open.entry(inode).or_default().push(index);
        }
    }
    let named = |names: &Namespace| {
        let reachable = reachable(names);
        open.keys().copied().filter(|inode| reachable.contains(inode)).collect::<Vec<_>>()
    };
    let mut candidates = named(names);
    if candidates.is_empty() && dice.chance(50) {
        begun.iter().flat_map(|unit| unit.changes()).for_each(|change| names.apply(change));
        candidates = named(names);
    }
    let inode = *candidates.get(dice.index(candidates.len()))?;
    let units = &open[&inode];
    let back = if dice.chance(60) { 0 } else { dice.index(units.len()) };
    Some(Torn { inode, unit: units[units.len() - 1 - back] })
}

fn reachable(names: &Namespace) -> BTreeSet<Inode> {
    let mut reachable = BTreeSet::new();
    let mut open = vec![super::namespace::ROOT];
    while let Some(folder) = open.pop() {
        for (_, inode) in names.entries(folder) {
            if reachable.insert(inode) {
                open.push(inode);
            }
        }
    }
    reachable
}

fn whole<'a>(unit: &Unit<'a>) -> Option<Piece<'a>> {
    match unit.kind {
        UnitKind::Write { offset, data, .. } => Some(Piece::Write { offset, data }),
        UnitKind::Resize { len, .. } => Some(Piece::Resize { len }),
        UnitKind::Names { .. } => None,
    }
}

/// Keeps the beginning of a write, up to any byte or up to the border of a sector.
fn beginning<'a>(unit: &Unit<'a>, dice: &mut Dice) -> Option<Piece<'a>> {
    let UnitKind::Write { offset, data, .. } = unit.kind else { return whole(unit) };
    let mut end = dice.below(data.len() as u64 + 1);
    if dice.chance(50) {
        end = ((offset + end) / SECTOR * SECTOR).saturating_sub(offset);
    }
    let end = usize::try_from(end).unwrap_or(data.len());
    Some(Piece::Write { offset, data: &data[..end] })
}

fn reorder<'a>(unit: &Unit<'a>, percent: u64, seen: u64, pieces: &mut Vec<Piece<'a>>, dice: &mut Dice) {
    match unit.kind {
        UnitKind::Write { offset, data, .. } => {
            let by_sector = dice.chance(40);
            let all = dice.chance(percent);
            for range in sectors(offset, data.len()) {
                if if by_sector { dice.chance(percent) } else { all } {
                    let offset = offset + range.start as u64;
                    pieces.push(Piece::Write { offset, data: &data[range] });
                }
            }
        }
        _ if dice.chance(percent) => pieces.extend(whole(unit)),
        _ => {}
    }
    if dice.chance(10) {
        pieces.push(Piece::Grow { len: seen });
    }
}

/// Cuts a write at the borders of sectors.
fn sectors(offset: u64, len: usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < len {
        let in_sector = usize::try_from((offset + start as u64) % SECTOR).unwrap_or(0);
        let end = len.min(start + 512 - in_sector);
        ranges.push(start..end);
        start = end;
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sectors_begin_at_their_borders() {
        assert_eq!(sectors(500, 600), [0..12, 12..524, 524..600]);
        assert_eq!(sectors(1024, 512), vec![0..512]);
        assert_eq!(sectors(7, 0), Vec::<Range<usize>>::new());
    }
}
