//! The row of `pins`: a version byte and then the exact bytes of the winning value.

use crate::{Pin, PinKey, ports::consensus::Etag};

/// Version of the row.
pub const VERSION: u8 = 1;

/// Makes the row of a value.
pub fn encode(value: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(1 + value.len());
    row.push(VERSION);
    row.extend_from_slice(value);
    row
}

/// Returns the value inside a row. A row of an unknown version yields no value; the format check at open has
/// refused such a store before anybody reads it.
pub fn value(row: &[u8]) -> &[u8] {
    match row.split_first() {
        Some((&VERSION, value)) => value,
        _ => &[],
    }
}

/// Reads a row as a pin; an unreadable value becomes a pin of type `bad-type`.
pub fn pin(key: &PinKey, row: &[u8]) -> Pin {
    Pin::decode_lossy(key, value(row))
}

/// Returns the tag of the value inside a row.
pub fn etag(row: &[u8]) -> Etag {
    Etag::of(value(row))
}
