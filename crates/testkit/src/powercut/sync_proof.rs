//! Whether a sync stands between every operation's bytes and its answer.

use super::{
    event::{Event, EventKind, Inode, Position},
    operation::{Answer, Operation},
    recording::Recording,
};

/// What was found for all acknowledged operations of a recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncProof {
    /// Operations whose own bytes were seen going into a file, and after them a sync of that file, and after
    /// that the answer.
    pub proven: usize,
    /// Operations whose bytes were not recognised (compressed, encrypted), but some write and after it a sync of
    /// its file lie between request and answer.
    pub weak: usize,
    /// Operations without: which, and what is missing.
    pub missing: Vec<String>,
}

/// Looks for the sync of every acknowledged operation.
pub fn prove_syncs(recording: &Recording, operations: &[Operation]) -> SyncProof {
    let mut proof = SyncProof::default();
    for operation in operations {
        let Answer::Done(answered) = operation.answer else { continue };
        let window = window(recording.events(), operation.requested, answered);
        let mut worst = Some(true);
        for needle in &operation.needles {
            let found = is_synced(window, |data| contains(data, needle), needle.len(), answered);
            worst = worst.min(found);
        }
        if operation.needles.is_empty() {
            worst = None;
        }
        match worst {
            Some(true) => proof.proven += 1,
            None if is_synced(window, |_| true, 0, answered) == Some(true) => proof.weak += 1,
            found => {
                let what = if found.is_none() { "no write of it" } else { "no sync after its write" };
                proof.missing.push(format!(
                    "{} ({}) requested at {}, answered at {answered}: {what} in between",
                    operation.label, operation.key, operation.requested
                ));
            }
        }
    }
    proof
}

/// The events that began between two positions.
fn window(events: &[Event], from: Position, to: Position) -> &[Event] {
    let first = events.partition_point(|event| event.start < from);
    let last = events.partition_point(|event| event.start < to);
    &events[first..last]
}

/// Whether bytes that match were written (else `None`), and a sync of their file followed and ended in time.
fn is_synced(
    window: &[Event],
    matches: impl Fn(&[u8]) -> bool,
    needle: usize,
    answered: Position,
) -> Option<bool> {
    let mut found = None;
    for (index, event) in window.iter().enumerate() {
        let EventKind::Write { inode, offset, data, synced } = &event.kind else { continue };
        let written = if matches(data) {
            event.end
        } else {
            let next = following(&window[index + 1..], *inode, offset + data.len() as u64);
            let Some((end, more)) = next else { continue };
            // The bytes may lie across the border of two writes.
            let mut border = data[data.len().saturating_sub(needle)..].to_vec();
            border.extend(&more[..more.len().min(needle)]);
            if !matches(&border) {
                continue;
            }
            end
        };
        let is_done = written.is_some_and(|written| {
            let by_itself = *synced && written < answered;
            by_itself || window.iter().any(|event| syncs(event, *inode, written, answered))
        });
        if is_done {
            return Some(true);
        }
        found = Some(false);
    }
    found
}

fn syncs(event: &Event, file: Inode, written: Position, answered: Position) -> bool {
    let is_of_file = match event.kind {
        EventKind::Sync { inode } => inode == file,
        EventKind::SyncAll => true,
        _ => false,
    };
    is_of_file && event.start > written && event.end.is_some_and(|end| end < answered)
}

fn following(events: &[Event], file: Inode, at: u64) -> Option<(Option<Position>, &[u8])> {
    events.iter().find_map(|event| match &event.kind {
        EventKind::Write { inode, offset, data, .. } if *inode == file && *offset == at => {
            Some((event.end, data.as_slice()))
        }
        _ => None,
    })
}

fn contains(data: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && data.windows(needle.len()).any(|window| window == needle)
}
