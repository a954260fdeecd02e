//! What the fuzzer calls: reading bytes that other peers chose. Nothing here panics unless there is a bug.

use crate::{
    crdt::{Block, BlockId, Broadcast, Delta},
    raft,
};
use cluster_core::{Pin, PinKey};
use prost::Message;

/// A target: its name, and what reads the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Each target there is.
pub const TARGETS: [Target; 8] = [
    ("broadcast", broadcast),
    ("block", block),
    ("delta", delta),
    ("raft_request", raft::fuzzing::request),
    ("raft_answer", raft::fuzzing::answer),
    ("raft_proposal", raft::fuzzing::proposal),
    ("raft_chunk", raft::fuzzing::chunk),
    ("raft_rows", raft::fuzzing::rows),
];

/// Reads heads that a peer announces, or answers when asked (wire-protocol §4.3).
pub fn broadcast(bytes: &[u8]) {
    if let Ok(heads) = Broadcast::decode(bytes) {
        assert_eq!(Broadcast::decode(&heads.encode()).as_ref(), Ok(&heads));
    }
}

/// Reads a block of the DAG (wire-protocol §4.4).
pub fn block(bytes: &[u8]) {
    if let Ok(mut block) = Block::decode(bytes) {
        look_at(&block.delta);
        block.links.sort_unstable();
        assert_eq!(Block::decode(&block.encode()).as_ref(), Ok(&block));
    }
}

/// Reads the changes that a block carries (wire-protocol §4.5).
pub fn delta(bytes: &[u8]) {
    if let Ok(delta) = Delta::decode(bytes) {
        look_at(&delta);
        assert_eq!(Delta::decode(delta.encode_to_vec().as_slice()).as_ref(), Ok(&delta));
    }
}

/// Reads keys, values and names of blocks, as merging does; every one of them has one spelling.
fn look_at(delta: &Delta) {
    for element in &delta.elements {
        if let Ok(key) = PinKey::from_datastore_key(&element.key) {
            assert_eq!(key.to_datastore_key(), element.key);
            let _ = Pin::decode_lossy(&key, &element.value);
        }
    }
    for tombstone in &delta.tombstones {
        let _ = PinKey::from_datastore_key(&tombstone.key);
        if let Ok(id) = BlockId::from_datastore_key(&tombstone.id) {
            assert_eq!(id.to_datastore_key(), tombstone.id);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_is_read() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/corpus");
        for (name, target) in super::TARGETS {
            let mut seeds = 0;
            for seed in std::fs::read_dir(format!("{corpus}/{name}")).unwrap() {
                let bytes = std::fs::read(seed.unwrap().path()).unwrap();
                (0..=bytes.len()).for_each(|length| target(&bytes[..length]));
                seeds += 1;
            }
            assert!(seeds > 0, "{name}");
        }
    }
}
