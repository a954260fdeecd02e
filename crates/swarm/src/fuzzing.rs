//! What the fuzzer calls: reading bytes that other peers chose. Nothing here panics unless there is a bug.

use crate::{bitswap, host, raft, rpc};

/// A target: its name, and what reads the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Each target there is.
pub const TARGETS: [Target; 9] = [
    ("metric", rpc::fuzzing::metric),
    ("rpc_call", rpc::fuzzing::call),
    ("rpc_reply", rpc::fuzzing::reply),
    ("rpc_values", rpc::fuzzing::values),
    ("bitswap", bitswap::fuzzing::messages),
    ("identify", host::fuzzing::identify),
    ("mdns", host::fuzzing::mdns),
    ("peerstore", host::fuzzing::peerstore),
    ("raft_frames", raft::fuzzing::frames),
];

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_is_read() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/corpus");
        for (name, target) in super::TARGETS {
            let mut seeds = 0;
            for seed in std::fs::read_dir(format!("{corpus}/{name}")).unwrap() {
                let bytes = std::fs::read(seed.unwrap().path()).unwrap();
                // Some are long, and all of their beginnings would take a while.
                let step = bytes.len() / 256 + 1;
                (0..bytes.len()).step_by(step).for_each(|length| target(&bytes[..length]));
                target(&bytes);
                seeds += 1;
            }
            assert!(seeds > 0, "{name}");
        }
    }
}
