//! A set of writes that takes effect as a whole.

use super::Tree;

/// One write: the new value, or none to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub tree: Tree,
    /// Key inside the tree.
    pub key: Vec<u8>,
    /// New value; `None` deletes.
    pub value: Option<Vec<u8>>,
}

/// Writes that are applied atomically, in order; a later write to the same key wins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    writes: Vec<Write>,
}

impl Batch {
    /// Makes an empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a row.
    pub fn put(&mut self, tree: Tree, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.writes.push(Write { tree, key: key.into(), value: Some(value.into()) });
    }

    /// Removes a row, if there is one.
    pub fn delete(&mut self, tree: Tree, key: impl Into<Vec<u8>>) {
        self.writes.push(Write { tree, key: key.into(), value: None });
    }

    /// Adds a write.
    pub fn push(&mut self, write: Write) {
        self.writes.push(write);
    }

    /// Returns the writes in order.
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// Gives the writes away.
    pub fn into_writes(self) -> Vec<Write> {
        self.writes
    }

    /// Says whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Counts the writes.
    pub fn len(&self) -> usize {
        self.writes.len()
    }
}
