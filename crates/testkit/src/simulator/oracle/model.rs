//! The oracle's picture of one replica.

use super::{BlockContent, Name, rules::Past, walks::Walks};
use anyhow::{Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};

/// What a replica was told and no block carries yet.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Waiting {
    Add(Vec<u8>),
    Remove(Removal),
}

/// A removal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Removal {
    /// The blocks whose adds it observed.
    observed: BTreeSet<Name>,
    /// The roots of walks that were open: what a first walk from one of them finds later, it is meant for as well.
    roots: BTreeSet<Name>,
}

/// Priority and value of an add.
type Add = (u64, Vec<u8>);

/// What must be durable on one replica.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Model {
    known: BTreeSet<Name>,
    /// The greatest priority of a merged block.
    highest: u64,
    /// By key: the adds that no tombstone covers, with priority and value.
    adds: BTreeMap<Vec<u8>, BTreeMap<Name, Add>>,
    tombstones: BTreeSet<(Vec<u8>, Name)>,
    waiting: BTreeMap<Vec<u8>, Waiting>,
    walks: Walks,
    /// Removals that are in a block while a first walk goes on that they are meant for.
    open: BTreeMap<Vec<u8>, BTreeSet<Name>>,
    pub(super) past: BTreeMap<String, Past>,
}

impl Model {
    /// Returns the blocks that are merged.
    pub(in crate::simulator) fn known(&self) -> &BTreeSet<Name> {
        &self.known
    }

    /// Returns every tombstone.
    pub(in crate::simulator) fn tombstones(&self) -> &BTreeSet<(Vec<u8>, Name)> {
        &self.tombstones
    }

    /// Returns every live add: key and block, with priority and value.
    pub(in crate::simulator) fn adds(&self) -> impl Iterator<Item = (&Vec<u8>, &Name, &Add)> + '_ {
        self.adds.iter().flat_map(|(key, adds)| adds.iter().map(move |(block, add)| (key, block, add)))
    }

    /// Says whether something waits for a block; a removal whose adds are all gone does not.
    pub(in crate::simulator) fn waits(&self) -> bool {
        self.waiting.iter().any(|(key, waiting)| match waiting {
            Waiting::Add(_) => true,
            Waiting::Remove(removal) => {
                removal.observed.iter().any(|block| !self.tombstones.contains(&(key.clone(), *block)))
            }
        })
    }

    /// Returns the value that must be shown under a key.
    pub(in crate::simulator) fn shown(&self, key: &[u8]) -> Option<Vec<u8>> {
        let hidden = match self.waiting.get(key) {
            Some(Waiting::Add(value)) => return Some(value.clone()),
            Some(Waiting::Remove(removal)) => removal.observed.clone(),
            None => BTreeSet::new(),
        };
        let adds = self.adds.get(key)?.iter().filter(|(block, _)| !hidden.contains(*block));
        // The highest priority; of several the greatest value.
        adds.map(|(_, (priority, value))| (*priority, value)).max().map(|(_, value)| value.clone())
    }

    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.waiting.insert(key.to_vec(), Waiting::Add(value.to_vec()));
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        let observed: BTreeSet<Name> = self.adds.get(key).into_iter().flatten().map(|(b, _)| *b).collect();
        if observed.is_empty() {
            self.waiting.remove(key);
        } else {
            let removal = Removal { observed, roots: self.walks.roots() };
            self.waiting.insert(key.to_vec(), Waiting::Remove(removal));
        }
    }

    /// Merges a block that came from another replica.
    pub(in crate::simulator) fn merge(&mut self, name: Name, block: &BlockContent) {
        if self.known.contains(&name) {
            return;
        }
        let first_root = self.walks.find(name, &block.links, &self.known);
        self.take(name, block);
        for key in block.elements.keys() {
            let live = self.adds.get(key).is_some_and(|adds| adds.contains_key(&name));
            if let Some(root) = first_root.filter(|_| live) {
                self.catch(key, name, root);
            }
        }
        if !self.walks.end(&self.known) {
            self.open.clear();
        }
    }

    /// Lets a removal cover what the walk from `root` found, if it is meant for that.
    fn catch(&mut self, key: &[u8], name: Name, root: Name) {
        match self.waiting.get_mut(key) {
            Some(Waiting::Remove(removal)) if removal.roots.contains(&root) => {
                removal.observed.insert(name);
            }
            Some(_) => {}
            None => {
                if let Some(roots) = self.open.get(key).filter(|roots| roots.contains(&root)) {
                    let removal = Removal { observed: [name].into(), roots: roots.clone() };
                    self.waiting.insert(key.to_vec(), Waiting::Remove(removal));
                }
            }
        }
    }

    fn take(&mut self, name: Name, block: &BlockContent) {
        self.known.insert(name);
        self.highest = self.highest.max(block.priority);
        for (key, removed) in &block.tombstones {
            self.tombstones.insert((key.clone(), *removed));
            if let Some(adds) = self.adds.get_mut(key) {
                adds.remove(removed);
            }
        }
        for (key, value) in &block.elements {
            if !self.tombstones.contains(&(key.clone(), name)) {
                self.adds.entry(key.clone()).or_default().insert(name, (block.priority, value.clone()));
            }
        }
    }

    /// Merges a block that this replica wrote itself: it must say what waited, and nothing else.
    pub(in crate::simulator) fn publish(&mut self, name: Name, block: &BlockContent) -> Result<()> {
        ensure!(block.priority > self.highest, "a new block has no greater priority than an old one");
        ensure!(
            block.links.iter().all(|link| self.known.contains(link)),
            "a new block follows an unknown one"
        );
        ensure!(!block.elements.is_empty() || !block.tombstones.is_empty(), "a block says nothing");
        for (key, value) in &block.elements {
            match self.waiting.remove(key) {
                Some(Waiting::Add(waiting)) if waiting == *value => {}
                other => bail!("a block adds {key:?} while {other:?} waits"),
            }
        }
        let mut removed: BTreeMap<&Vec<u8>, BTreeSet<Name>> = BTreeMap::new();
        for (key, block) in &block.tombstones {
            let is_new = removed.entry(key).or_default().insert(*block);
            ensure!(is_new, "a block repeats a tombstone");
        }
        for (key, blocks) in removed {
            let Some(Waiting::Remove(Removal { mut observed, roots })) = self.waiting.remove(key) else {
                bail!("a block removes {key:?}, but nobody asked for it")
            };
            if self.walks.is_first_from(&roots) {
                self.open.insert(key.clone(), roots);
            }
            observed.retain(|block| !self.tombstones.contains(&(key.clone(), *block)));
            ensure!(blocks == observed, "a block removes {key:?}, but not exactly what was observed");
        }
        self.take(name, block);
        self.walks.on_own_head();
        Ok(())
    }
}
