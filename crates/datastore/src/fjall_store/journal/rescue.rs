//! Looking for what comes after an unreadable batch.

use super::CommitMarker;
use super::batch_reader::{BatchReader, Next, START, START_LEN, TRAILER};

/// Finds complete, numbered batches anywhere in `tail`, which begins with an unreadable one.
pub(super) fn find_later_batches(tail: &[u8]) -> impl Iterator<Item = CommitMarker> {
    let mut at = 1;
    std::iter::from_fn(move || {
        while let Some(found) = tail.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == START)) {
            let start = at + found;
            at = start + 1;
            let Some(rest) = tail.get(start..) else { break };
            // The first item of every batch is its marker: look before hashing.
            let looks_like_one = usize::try_from(START_LEN)
                .ok()
                .and_then(|len| rest.get(len..))
                .is_some_and(CommitMarker::may_begin_item);
            if !looks_like_one {
                continue;
            }
            let mut reader = BatchReader::new(rest, rest.len() as u64);
            if let Ok(Next::Batch(Some(marker))) = reader.next() {
                at = start + usize::try_from(reader.valid_len()).unwrap_or(usize::MAX);
                return Some(marker);
            }
        }
        None
    })
}

/// Says whether `tail` is the first part of a batch followed by zeroes or nothing, as a write leaves it that the
/// system accepted only in part.
pub(super) fn is_beginning_of_a_batch(tail: &[u8]) -> bool {
    let written = tail.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let written = &tail[..written];
    if written.windows(TRAILER.len()).any(|window| window == TRAILER) {
        return false;
    }
    let mut reader = BatchReader::new(written, written.len() as u64);
    matches!(reader.next(), Ok(Next::Invalid)) && reader.ran_out()
}
