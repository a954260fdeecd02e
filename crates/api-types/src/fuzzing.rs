//! What the fuzzer calls: JSON that others wrote. Nothing here panics unless there is a bug.
#![allow(clippy::expect_used, reason = "what cannot fail and does is what the fuzzer looks for")]

use crate::{BulkChange, Event, GlobalPinInfo, Id, Pin, json};
use cluster_core::Pin as CorePin;
use serde::{Serialize, de::DeserializeOwned};

/// A target: its name, and what reads the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Each target there is.
pub const TARGETS: [Target; 2] = [("import", import), ("lines", lines)];

/// Reads a line of an export. What can be stored is exported and read as the same.
pub fn import(bytes: &[u8]) {
    let Ok(wire) = json::from_slice::<Pin>(bytes) else { return };
    let Ok(pin) = CorePin::try_from(wire) else { return };
    let mut line = Vec::new();
    json::to_line(&Pin::from(&pin), &mut line).expect("a pin can be written");
    let again = json::from_slice::<Pin>(&line).map(CorePin::try_from);
    assert!(matches!(&again, Ok(Ok(read)) if *read == pin), "a pin changes: {pin:?}");
}

/// Reads a line of each stream, as a client does.
pub fn lines(bytes: &[u8]) {
    settles::<GlobalPinInfo>(bytes);
    settles::<Id>(bytes);
    settles::<Event>(bytes);
    let _ = BulkChange::parse(bytes);
}

/// What was read and written once is read and written as the same from then on.
fn settles<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(first) = json::from_slice::<T>(bytes) else { return };
    let again = |value: &T| {
        let mut line = Vec::new();
        json::to_line(value, &mut line).expect("it can be written");
        let read = json::from_slice::<T>(&line).expect("what was written can be read");
        (line, read)
    };
    let (_, second) = again(&first);
    let (written, third) = again(&second);
    assert_eq!(written, again(&third).0);
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
