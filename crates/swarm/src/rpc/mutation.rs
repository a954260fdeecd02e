//! Damages bytes in ways that follow from a seed.

use rand::{Rng, SeedableRng, rngs::StdRng};

/// Bytes that say something about what follows, and are thus more dangerous than others.
const SPICE: [u8; 14] = [0x80, 0x8f, 0x90, 0x9f, 0xc0, 0xc1, 0xc6, 0xc9, 0xd6, 0xdb, 0xdd, 0xdf, 0xff, 0x00];

/// Damages one of `corpus`.
pub(crate) fn mutated(corpus: &[Vec<u8>], seed: u64) -> Vec<u8> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut bytes = corpus[random.random_range(0..corpus.len())].clone();
    for _ in 0..random.random_range(1..6) {
        let at = random.random_range(0..=bytes.len());
        match random.random_range(0..6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, SPICE[random.random_range(0..SPICE.len())]),
            2 if at < bytes.len() => bytes[at] = random.random(),
            3 if at < bytes.len() => bytes[at] = SPICE[random.random_range(0..SPICE.len())],
            4 if at < bytes.len() => {
                bytes.remove(at);
            }
            _ => {
                let other = &corpus[random.random_range(0..corpus.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[random.random_range(0..=other.len())..]);
            }
        }
    }
    bytes
}

/// Cuts bytes into pieces in ways that follow from a seed.
pub(super) fn pieces(bytes: &[u8], seed: u64) -> Vec<&[u8]> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut rest = bytes;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(random.random_range(1..=rest.len().min(40)));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
