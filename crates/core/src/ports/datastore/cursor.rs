//! Reading many rows: ordered, resumable, a fresh snapshot for each page.

use super::{Datastore, MAX_PAGE, Row, Snapshot, StoreError, Tree};
use std::ops::Bound;

/// A position in a range of one tree. It is plain data: it may be kept, sent to a client and resumed later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    tree: Tree,
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
    done: bool,
}

impl Cursor {
    /// Starts before the first row of `tree`.
    pub fn all(tree: Tree) -> Self {
        Self { tree, from: Bound::Unbounded, to: Bound::Unbounded, done: false }
    }

    /// Starts before the first row whose key begins with `prefix`, and ends after the last.
    pub fn prefix(tree: Tree, prefix: &[u8]) -> Self {
        let to = prefix_end(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        Self { tree, from: Bound::Included(prefix.to_vec()), to, done: false }
    }

    /// Starts and ends at the given bounds.
    pub fn range(tree: Tree, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> Self {
        Self { tree, from, to, done: false }
    }

    /// Moves the start behind `key`: the first row read next is the one after it.
    #[must_use]
    pub fn after(mut self, key: Vec<u8>) -> Self {
        self.from = Bound::Excluded(key);
        self
    }

    /// Says whether the last page was read.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Ends the reading: there is nothing more to look for.
    pub fn finish(&mut self) {
        self.done = true;
    }

    /// Reads the next page from a fresh snapshot; empty at the end.
    ///
    /// # Errors
    /// When the store fails.
    pub fn next_page(&mut self, store: &dyn Datastore, limit: usize) -> Result<Vec<Row>, StoreError> {
        if self.done {
            return Ok(Vec::new());
        }
        let snapshot = store.snapshot()?;
        self.next_page_of(&*snapshot, limit)
    }

    /// Reads the next page from `snapshot`; empty at the end.
    ///
    /// # Errors
    /// When the store fails.
    pub fn next_page_of(&mut self, snapshot: &dyn Snapshot, limit: usize) -> Result<Vec<Row>, StoreError> {
        if self.done {
            return Ok(Vec::new());
        }
        let limit = limit.clamp(1, MAX_PAGE);
        let rows = snapshot.page(self.tree, as_slice(&self.from), as_slice(&self.to), limit)?;
        match rows.last() {
            Some((key, _)) => self.from = Bound::Excluded(key.clone()),
            None => self.done = true,
        }
        if rows.len() < limit {
            self.done = true;
        }
        Ok(rows)
    }
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// Returns the smallest key above every key that starts with `prefix`; `None` when there is none.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|b| *b != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_next_prefix() {
        assert_eq!(prefix_end(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(prefix_end(&[1, 0xff, 0xff]), Some(vec![2]));
        assert_eq!(prefix_end(&[0xff]), None);
        assert_eq!(prefix_end(&[]), None);
    }
}
