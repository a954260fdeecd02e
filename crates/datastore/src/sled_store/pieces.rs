//! How values are stored: short ones whole, long ones in pieces.
//!
//! The engine puts what does not fit a quarter of a segment into a file of its own, and when such a file is lost in a
//! crash it passes over the row and keeps the rest of the batch. With pieces its pages stay below that, so that a batch
//! is in one log, all of it or nothing.

use cluster_core::ports::datastore::StoreError;
use sled::{Batch, IVec};
use std::path::Path;

/// Longest value that is stored whole, and length of a piece, in bytes. A page holds about 16 rows, never more than
/// twice that.
pub(super) const PIECE: usize = 16 * 1024;

/// Segment of the engine's log, in bytes; it decides what is too long for a page (a quarter).
pub(super) const SEGMENT: usize = 2 * 1024 * 1024;

/// First byte of a whole value.
const WHOLE: u8 = 0;
/// First byte of a row that has the length of a value in pieces.
const IN_PIECES: u8 = 1;
/// First byte of the key of a piece; no tree has this number.
const PIECE_KEY: u8 = 0xfe;

/// Adds a row to `batch`, or its removal. `before` is the length of the value that it replaces.
pub(super) fn put(batch: &mut Batch, key: &[u8], before: Option<usize>, value: Option<&[u8]>) {
    let needed = value.map_or(0, |value| count(value.len()));
    for number in needed..before.map_or(0, count) {
        batch.remove(piece_key(key, number));
    }
    match value {
        None if before.is_none() => {}
        None => batch.remove(key),
        Some(value) if needed == 0 => batch.insert(key, with_first(WHOLE, value)),
        Some(value) => {
            batch.insert(key, with_first(IN_PIECES, &(value.len() as u64).to_le_bytes()));
            for (number, piece) in value.chunks(PIECE).enumerate() {
                batch.insert(piece_key(key, number), piece);
            }
        }
    }
}

/// Reads a value from its row and, if it is in pieces, from them; `read` reads a row.
///
/// # Errors
/// [`StoreError::Damaged`] when the row makes no sense or a piece is missing; what `read` says.
pub(super) fn value_of(
    key: &[u8],
    row: &[u8],
    folder: &Path,
    read: impl Fn(&[u8]) -> Result<Option<IVec>, StoreError>,
) -> Result<Vec<u8>, StoreError> {
    let damaged = |detail: &str| StoreError::Damaged { path: folder.to_owned(), detail: detail.to_owned() };
    match row.split_first() {
        Some((&WHOLE, value)) => Ok(value.to_vec()),
        Some((&IN_PIECES, len)) => {
            let len = len.try_into().ok().map(u64::from_le_bytes).and_then(|len| usize::try_from(len).ok());
            let len = len.ok_or_else(|| damaged("the length of a value is not readable"))?;
            let mut value = Vec::new();
            for number in 0..count(len) {
                let piece = read(&piece_key(key, number))?;
                value.extend_from_slice(&piece.ok_or_else(|| damaged("a piece of a value is missing"))?);
            }
            if value.len() != len {
                return Err(damaged("the pieces of a value are not as long as it was"));
            }
            Ok(value)
        }
        _ => Err(damaged("a row is in no known form")),
    }
}

/// How many pieces a value of this length has; none when it is stored whole.
fn count(len: usize) -> usize {
    if len <= PIECE { 0 } else { len.div_ceil(PIECE) }
}

/// The number has a fixed length, so two rows never share the key of a piece.
fn piece_key(key: &[u8], number: usize) -> Vec<u8> {
    let mut piece = with_first(PIECE_KEY, key);
    piece.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
    piece
}

fn with_first(first: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(rest.len() + 5);
    bytes.push(first);
    bytes.extend_from_slice(rest);
    bytes
}
