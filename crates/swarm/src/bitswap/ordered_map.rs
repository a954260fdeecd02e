//! A map that remembers in which order its keys came, so that the oldest can go first.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

/// A map in order of first insertion; every operation costs a logarithm at most.
#[derive(Debug)]
pub(super) struct OrderedMap<K, V> {
    order: BTreeMap<u64, K>,
    entries: HashMap<K, (u64, V)>,
    next: u64,
}

impl<K, V> Default for OrderedMap<K, V> {
    fn default() -> Self {
        Self { order: BTreeMap::new(), entries: HashMap::new(), next: 0 }
    }
}

impl<K: Copy + Eq + Hash, V> OrderedMap<K, V> {
    /// Counts the entries.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Says whether there is no entry.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Says whether the key is there.
    pub(super) fn contains(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    /// Finds the value of a key.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// Puts a value and returns the one it replaces; a key that was there keeps its place.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some((_, old)) = self.entries.get_mut(&key) {
            return Some(std::mem::replace(old, value));
        }
        self.order.insert(self.next, key);
        self.entries.insert(key, (self.next, value));
        self.next += 1;
        None
    }

    /// Takes a key out.
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let (place, value) = self.entries.remove(key)?;
        self.order.remove(&place);
        Some(value)
    }

    /// Takes out what came first.
    pub(super) fn pop_oldest(&mut self) -> Option<(K, V)> {
        let (_, key) = self.order.pop_first()?;
        let (_, value) = self.entries.remove(&key)?;
        Some((key, value))
    }

    /// Takes everything out and returns how much it was.
    pub(super) fn clear(&mut self) -> usize {
        let count = self.entries.len();
        self.order.clear();
        self.entries.clear();
        count
    }
}
