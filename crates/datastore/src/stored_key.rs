//! Keys of several trees in one keyspace: the key's first byte is the number of the tree.

use cluster_core::ports::datastore::Tree;
use std::ops::Bound;

/// A range of stored keys.
pub(crate) type StoredRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Puts the tree's number before a key.
pub(crate) fn stored_key(tree: Tree, key: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(key.len() + 1);
    stored.push(tree.number());
    stored.extend_from_slice(key);
    stored
}

/// Confines a range to its tree; none when it is empty or upside down.
pub(crate) fn stored_range(tree: Tree, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Option<StoredRange> {
    if is_empty_range(from, to) {
        return None;
    }
    let start = match from {
        Bound::Included(key) => Bound::Included(stored_key(tree, key)),
        Bound::Excluded(key) => Bound::Excluded(stored_key(tree, key)),
        Bound::Unbounded => Bound::Included(vec![tree.number()]),
    };
    let end = match to {
        Bound::Included(key) => Bound::Included(stored_key(tree, key)),
        Bound::Excluded(key) => Bound::Excluded(stored_key(tree, key)),
        Bound::Unbounded => Bound::Excluded(vec![tree.number() + 1]),
    };
    Some((start, end))
}

/// Says whether nothing can lie between two bounds. Engines may refuse such ranges; the port answers "no rows".
pub(crate) fn is_empty_range(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
            from >= to
        }
    }
}
