//! Which walk finds what: the oracle's own account.

use super::Name;
use std::collections::{BTreeMap, BTreeSet};

/// A walk that is open: from a root down to what is missing.
#[derive(Debug, Clone, Copy)]
struct Walk {
    root: Name,
    /// It began when the replica had no heads.
    first: bool,
}

/// The walks of one replica, as long as a first one is open: later ones mean nothing to any rule.
#[derive(Debug, Default)]
pub(super) struct Walks {
    has_heads: bool,
    open: BTreeMap<u64, Walk>,
    begun: u64,
    /// Each missing block, with the walk that came upon it first.
    missing: BTreeMap<Name, u64>,
    links: BTreeMap<Name, Vec<Name>>,
}

impl Walks {
    /// Notes that a block came that was not known; returns the root of its walk when that is a first one.
    pub(super) fn find(&mut self, name: Name, links: &[Name], known: &BTreeSet<Name>) -> Option<Name> {
        if self.has_heads && self.open.is_empty() {
            return None;
        }
        let walk = self.missing.remove(&name).unwrap_or_else(|| {
            self.begun += 1;
            let first = !self.has_heads && self.open.values().all(|walk| walk.first);
            self.open.insert(self.begun, Walk { root: name, first });
            self.begun
        });
        for link in links.iter().filter(|link| !known.contains(*link)) {
            self.missing.entry(*link).or_insert(walk);
        }
        self.links.insert(name, links.to_vec());
        self.open.get(&walk).filter(|walk| walk.first).map(|walk| walk.root)
    }

    /// Ends the walks below whose roots nothing is missing; says whether a first one is left.
    pub(super) fn end(&mut self, known: &BTreeSet<Name>) -> bool {
        let ended: Vec<u64> =
            self.open.iter().filter(|(_, walk)| self.is_whole(walk.root, known)).map(|(n, _)| *n).collect();
        self.has_heads |= !ended.is_empty();
        self.open.retain(|number, _| !ended.contains(number));
        let first = self.open.values().any(|walk| walk.first);
        if self.has_heads && !first {
            *self = Self { has_heads: true, ..Self::default() };
        }
        first
    }

    /// Notes that the replica wrote a block, which is a head.
    pub(super) fn on_own_head(&mut self) {
        self.has_heads = true;
    }

    /// Says whether everything below a block is known. Blocks that the replica wrote itself follow what is known.
    fn is_whole(&self, root: Name, known: &BTreeSet<Name>) -> bool {
        let (mut seen, mut left) = (BTreeSet::new(), vec![root]);
        while let Some(name) = left.pop() {
            if !known.contains(&name) {
                return false;
            }
            if seen.insert(name) {
                left.extend(self.links.get(&name).into_iter().flatten());
            }
        }
        true
    }

    /// Lists the roots of all open walks.
    pub(super) fn roots(&self) -> BTreeSet<Name> {
        self.open.values().map(|walk| walk.root).collect()
    }

    /// Says whether a first walk from one of these roots is open.
    pub(super) fn is_first_from(&self, roots: &BTreeSet<Name>) -> bool {
        self.open.values().any(|walk| walk.first && roots.contains(&walk.root))
    }
}
