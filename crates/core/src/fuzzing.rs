//! What the fuzzer calls: reading bytes that other peers chose. Nothing here panics unless there is a bug.

use crate::{Pin, PinKey};

/// A target: its name, and what reads the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Each target there is.
pub const TARGETS: [Target; 1] = [("pin", pin)];

/// Reads a stored pin, which other peers' deltas carry (wire-protocol §4.7).
pub fn pin(bytes: &[u8]) {
    let Ok(key) = PinKey::from_datastore_key("/AFKQAAA") else { return };
    let _ = Pin::decode_lossy(&key, bytes);
    if let Ok(pin) = Pin::decode(&key, bytes) {
        // What is written is read as the same; what it holds besides is dropped the first time.
        let written = pin.encode();
        let again = Pin::decode(&key, &written).map(|pin| pin.encode());
        assert_eq!(again.ok().as_ref(), Some(&written), "a pin changes when it is written and read");
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
